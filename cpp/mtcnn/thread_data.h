// Data that the C and C++ libraries keep for each thread.
#pragma once

namespace mtcnn {

// Allocates it now: what exceptions need, above all. The libraries allocate it at first use, and glibc ends the process
// if there is no memory then, which is when the first exception in a thread is std::bad_alloc.
void prepare_thread() noexcept;

}  // namespace mtcnn
