// Runs independent tasks on several threads.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "cancellation.h"
#include "thread_pool.h"

namespace mtcnn {

// The threads of one detection. The group acquires workers from a pool when a call of run() needs them, and releases
// them in its destructor. Between two calls of run() the workers spin for a moment before they sleep.
class TaskGroup {
public:
    TaskGroup();  // with its own pool and without cancellation
    // If a task throws, the token cancels the other tasks and run() throws that exception. The caller checks the token
    // while it waits for the workers.
    explicit TaskGroup(CancellationToken& token);
    TaskGroup(CancellationToken& token, ThreadPool& pool);
    ~TaskGroup();
    TaskGroup(const TaskGroup&) = delete;
    TaskGroup& operator=(const TaskGroup&) = delete;

    // Calls task(index, worker) for every index in 0 … count - 1, in any order, on up to `threads` threads including
    // the calling one. `worker` is in 0 … threads - 1; a worker runs one task at a time. The first exception cancels
    // the other tasks and is rethrown. For one thread or one task no other thread wakes. The other threads compute in
    // the default floating-point mode.
    void run(int count, int threads, const std::function<void(int index, int worker)>& task);

private:
    void run_tasks(int worker) noexcept;
    void fail() noexcept;
    void wait_for(Worker& worker);

    CancellationToken* token_ = nullptr;
    bool checks_token_ = false;  // while the caller waits
    std::unique_ptr<ThreadPool> own_pool_;
    ThreadPool& pool_;
    std::vector<Worker*> workers_;
    // State of the current run():
    const std::function<void(int, int)>* task_ = nullptr;
    int count_ = 0;
    std::atomic<int> next_{0};
    std::mutex failure_lock_;
    std::exception_ptr failure_;
};

// First index of chunk `index` when a range of `count` is divided into `chunks`. Chunk sizes differ by at most one.
inline int chunk_begin(int count, int index, int chunks) {
    return static_cast<int>(std::int64_t{count} * index / chunks);
}

}  // namespace mtcnn
