// Compiled without exceptions. After the end of the interpreter, CPython before 3.14 ends a thread that requests the
// GIL by pthread_exit, which unwinds the stack. C++ code must not be unwound like that: a catch block cannot stop it,
// and if the C++ library is linked into this module, its different unwinder ends the process. Therefore a C cleanup
// handler is called first and never returns.
#include "restore_thread.h"

#if defined(_WIN32)

void bindings::restore_thread(PyThreadState* state) {
    PyEval_RestoreThread(state);
}  // there, threads end without unwinding

#else

#include <pthread.h>
#include <unistd.h>

namespace {

void wait_for_the_end(void*) {
    for (;;) pause();
}

}  // namespace

void bindings::restore_thread(PyThreadState* state) {
    pthread_cleanup_push(wait_for_the_end, nullptr);
    PyEval_RestoreThread(state);
    pthread_cleanup_pop(0);
}

#endif
