// Runs independent tasks on several threads.
#pragma once

#include <cstdint>
#include <functional>

namespace mtcnn {

// Calls task(index, worker) for every index in 0 … count - 1, in any order, on up to `threads` threads, the caller's
// among them; worker is in 0 … threads - 1 and never runs two tasks at once. Threads end before the call returns.
// The first exception stops the rest and is thrown here. One thread or one task: no thread is started.
void parallel_for(int count, int threads, const std::function<void(int index, int worker)>& task);

// Where part `index` of `parts` of a range of `count` begins; the sizes of the parts differ by one at most.
inline int part(int count, int index, int parts) { return static_cast<int>(std::int64_t{count} * index / parts); }

}  // namespace mtcnn
