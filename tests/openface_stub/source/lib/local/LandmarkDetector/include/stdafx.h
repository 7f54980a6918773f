// A stub of a checkout's precompiled header, which would include dlib, Boost, TBB and OpenBLAS. A build of the two
// source files must find another file of this name first.
#error "the checkout's own stdafx.h was included"
