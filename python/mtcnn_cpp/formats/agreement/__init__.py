"""Does a graph compute what was read from it? It is run on drawn inputs, and its outputs are compared."""
