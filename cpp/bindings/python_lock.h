// Python's lock, given up while the core computes and taken again.
#pragma once

#include <utility>

#include "retake.h"

namespace bindings {

// What this thread gave up and will take again: the state of one interpreter, not always the main one. Null while it
// may run Python.
inline thread_local PyThreadState* given_up = nullptr;

// While it lives, other threads may run Python.
class Unlocked {
public:
    Unlocked() { given_up = PyEval_SaveThread(); }
    ~Unlocked() { retake(std::exchange(given_up, nullptr)); }
    Unlocked(const Unlocked&) = delete;
    Unlocked& operator=(const Unlocked&) = delete;
};

// While it lives, this thread may run Python, in the interpreter that called: on the thread that made Unlocked, or one
// that has the lock anyway.
class Locked {
public:
    Locked() : was_given_up_(given_up != nullptr) {
        if (was_given_up_) retake(std::exchange(given_up, nullptr));
    }
    ~Locked() {
        if (was_given_up_) given_up = PyEval_SaveThread();
    }
    Locked(const Locked&) = delete;
    Locked& operator=(const Locked&) = delete;

private:
    const bool was_given_up_;
};

}  // namespace bindings
