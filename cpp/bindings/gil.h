// Release of Python's GIL while the core computes.
#pragma once

#include <utility>

#include "restore_thread.h"

namespace bindings {

// State that this thread released and must restore: the state of one interpreter, not necessarily the main one. Null
// while this thread holds the GIL.
inline thread_local PyThreadState* released_state = nullptr;

// During its lifetime other threads can run Python.
class GilReleased {
public:
    GilReleased() { released_state = PyEval_SaveThread(); }
    ~GilReleased() { restore_thread(std::exchange(released_state, nullptr)); }
    GilReleased(const GilReleased&) = delete;
    GilReleased& operator=(const GilReleased&) = delete;
};

// During its lifetime this thread can run Python in the interpreter of the caller. Use it on the thread that created
// GilReleased or on a thread that holds the GIL.
class GilHeld {
public:
    GilHeld() : was_released_(released_state != nullptr) {
        if (was_released_) restore_thread(std::exchange(released_state, nullptr));
    }
    ~GilHeld() {
        if (was_released_) released_state = PyEval_SaveThread();
    }
    GilHeld(const GilHeld&) = delete;
    GilHeld& operator=(const GilHeld&) = delete;

private:
    const bool was_released_;
};

}  // namespace bindings
