"""Run jobs. A job finds sources by name, processes them, and writes one table or a folder of part files."""
