"""The trace file, which contains tensors and their manifest.

A file is written atomically. Its content is checked when it is read.
"""
