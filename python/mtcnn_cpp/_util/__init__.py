"""Functions for files, CPUs, escaped text and lazy imports, which every subpackage can use."""
