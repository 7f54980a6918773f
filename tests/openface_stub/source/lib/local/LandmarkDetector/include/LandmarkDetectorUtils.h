// A stub: a build of the two source files must find another file of this name first.
#error "the checkout's own LandmarkDetectorUtils.h was included"
