#include "thread_data.h"

#include <exception>

namespace mtcnn {

// It reads the thread's record of exceptions, which lies in the one block that the C++ library has for each thread.
void prepare_thread() noexcept { static_cast<void>(std::uncaught_exceptions()); }

}  // namespace mtcnn
