// Compiled without exceptions. When the interpreter ends, CPython before 3.14 ends a thread that wants the lock by
// pthread_exit, which unwinds its stack. No C++ code survives that: it cannot be caught for good, and where the C++
// library is a part of this module, it ends the process, because the unwinder is another one. A cleanup handler of C
// is reached first, and never returns.
#include "retake.h"

#if defined(_WIN32)

void bindings::retake(PyThreadState* state) { PyEval_RestoreThread(state); }  // threads end there without unwinding

#else

#include <pthread.h>
#include <unistd.h>

namespace {

void wait_for_the_end(void*) {
    for (;;) pause();
}

}  // namespace

void bindings::retake(PyThreadState* state) {
    pthread_cleanup_push(wait_for_the_end, nullptr);
    PyEval_RestoreThread(state);
    pthread_cleanup_pop(0);
}

#endif
