// Takes Python's lock again.
#pragma once

#include <Python.h>

namespace bindings {

// PyEval_RestoreThread; once the interpreter has ended, it waits until the process is gone.
void retake(PyThreadState* state);

}  // namespace bindings
