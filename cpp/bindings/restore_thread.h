// Acquires the GIL again.
#pragma once

#include <Python.h>

namespace bindings {

// Like PyEval_RestoreThread. After the end of the interpreter it waits until the process ends.
void restore_thread(PyThreadState* state);

}  // namespace bindings
