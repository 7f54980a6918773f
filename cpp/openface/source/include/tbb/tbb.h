// Empty replacement of a TBB header that the detector does not use.
