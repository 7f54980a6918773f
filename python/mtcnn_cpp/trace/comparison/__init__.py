"""Compares two traces: computes differences, applies tolerances, and explains differences."""
