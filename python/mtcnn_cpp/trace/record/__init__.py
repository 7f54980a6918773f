"""Recording: a detection's tensors into memory or into a file."""
