"""Classes that have the same names, arguments and results as classes of other packages.

A program that uses another package can use these classes instead.
"""
