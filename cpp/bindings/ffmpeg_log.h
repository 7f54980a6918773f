// Listener for the log of FFmpeg, which OpenCV reads videos with.
#pragma once

#include "array_view.h"

namespace bindings {

void register_ffmpeg_log(py::module_& m);

}  // namespace bindings
