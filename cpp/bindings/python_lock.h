// Python's lock, given up while the core computes and taken again. When the interpreter ends, CPython before 3.14 ends
// a daemon thread that wants the lock by unwinding its stack, which no C++ code survives; such a thread waits here
// instead, until the process is gone.
#pragma once

#include <chrono>
#include <thread>
#include <utility>

#include "array_view.h"

namespace bindings {

[[noreturn]] inline void wait_for_the_end() {
    for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
}

// What this thread gave up and will take again: the state of one interpreter, not always the main one. Null while it
// may run Python.
inline thread_local PyThreadState* given_up = nullptr;

inline void take_again(PyThreadState* state) {
    try {
        PyEval_RestoreThread(state);
    } catch (...) {
        wait_for_the_end();
    }
}

// While it lives, other threads may run Python.
class Unlocked {
public:
    Unlocked() { given_up = PyEval_SaveThread(); }
    ~Unlocked() { take_again(std::exchange(given_up, nullptr)); }
    Unlocked(const Unlocked&) = delete;
    Unlocked& operator=(const Unlocked&) = delete;
};

// While it lives, this thread may run Python, in the interpreter that called: on the thread that made Unlocked, or one
// that has the lock anyway.
class Locked {
public:
    Locked() : was_given_up_(given_up != nullptr) {
        if (was_given_up_) take_again(std::exchange(given_up, nullptr));
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
