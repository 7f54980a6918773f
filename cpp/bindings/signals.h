// Signals (Ctrl-C) and cancellation while the core runs without Python's lock.
#pragma once

#include "array_view.h"

#include "mtcnn/cancellation.h"
#include "mtcnn/float_mode.h"

namespace bindings {

// Returns a function that runs Python's signal handlers and throws the exception that a handler raises
// (KeyboardInterrupt for Ctrl-C). Python runs handlers on its main thread only; on other threads the function does
// nothing.
std::function<void()> signal_poll();

// Scope of a call into the core other than a detection. It sets the default floating-point mode and has a cancellation
// point that runs signal handlers. The handlers run in the floating-point mode of the caller.
class CoreCall {
public:
    mtcnn::CancellationPoint& cancellation_point() { return cancellation_point_; }

private:
    mtcnn::DefaultFloatMode mode_;
    mtcnn::CancellationOptions cancellation_{nullptr, [this, poll = signal_poll()] {
                                                 const mtcnn::CallersFloatMode callers(mode_);
                                                 poll();
                                             }};
    mtcnn::CancellationToken token_{cancellation_};
    mtcnn::CancellationPoint cancellation_point_{token_, true};
};

}  // namespace bindings
