// Python's signals, such as Ctrl-C, while the core computes without Python's lock.
#pragma once

#include "array_view.h"

#include "mtcnn/float_mode.h"
#include "mtcnn/stop.h"

namespace bindings {

// Ends what the core computes by the exception that a signal's handler raises, KeyboardInterrupt for Ctrl-C. Python
// runs handlers on its main thread only: on another thread this does nothing.
std::function<void()> signal_poll();

// Around functions of the core that are not detections: computes in the default floating-point mode, and has a
// checkpoint that looks for signals. Their handlers run in the caller's mode.
class Surroundings {
public:
    mtcnn::Checkpoint& checkpoint() { return checkpoint_; }

private:
    mtcnn::DefaultFloatMode mode_;
    mtcnn::Interruption interruption_{nullptr, [this, poll = signal_poll()] {
                                          const mtcnn::CallersFloatMode callers(mode_);
                                          poll();
                                      }};
    mtcnn::Alarm alarm_{interruption_};
    mtcnn::Checkpoint checkpoint_{alarm_, true};
};

void register_stop(py::module_& m);

}  // namespace bindings
