"""Reads images and videos, draws annotations, cuts out crops, and provides sample data."""
