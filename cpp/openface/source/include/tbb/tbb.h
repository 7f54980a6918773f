// Empty, in the place of a header of TBB, of which the detector uses nothing.
