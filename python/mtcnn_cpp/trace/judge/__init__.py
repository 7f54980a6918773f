"""Judging: how far two traces are apart, and whether that is allowed."""
