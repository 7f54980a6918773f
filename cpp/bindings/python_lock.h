// Python's lock, given up while the core computes and taken again. When the interpreter ends, CPython before 3.14 ends
// a daemon thread that wants the lock by unwinding its stack, which no C++ code survives; such a thread waits here
// instead, until the process is gone.
#pragma once

#include <chrono>
#include <exception>
#include <optional>
#include <thread>

#include "array_view.h"

namespace bindings {

[[noreturn]] inline void wait_for_the_end() {
    for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
}

// While it lives, other threads may run Python.
class Unlocked {
public:
    Unlocked() : state_(PyEval_SaveThread()) {}
    ~Unlocked() {
        try {
            PyEval_RestoreThread(state_);
        } catch (...) {
            wait_for_the_end();
        }
    }
    Unlocked(const Unlocked&) = delete;
    Unlocked& operator=(const Unlocked&) = delete;

private:
    PyThreadState* state_;
};

// While it lives, this thread may run Python; on any thread.
class Locked {
public:
    Locked() {
        try {
            lock_.emplace();
        } catch (const std::exception&) {
            throw;
        } catch (...) {
            wait_for_the_end();
        }
    }
    Locked(const Locked&) = delete;
    Locked& operator=(const Locked&) = delete;

private:
    std::optional<py::gil_scoped_acquire> lock_;
};

}  // namespace bindings
