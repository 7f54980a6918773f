"""The trace file: tensors and their manifest, written whole and read with distrust."""
