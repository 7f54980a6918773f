"""Results of a detection. They are faces sorted by descending score, and can be converted to other types."""
