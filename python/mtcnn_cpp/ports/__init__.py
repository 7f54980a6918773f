"""Tools for ports of the detector. They check whether a port is right, and find what is wrong with it."""
