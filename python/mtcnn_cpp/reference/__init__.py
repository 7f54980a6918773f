"""The reference implementation of the detector. It uses only NumPy.

It is the executable specification of the detector. Each function returns the same bits as the component of
the C++ core that has the same name.
"""
