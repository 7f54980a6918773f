// Threads that live as long as their detector. They sleep while they have no work.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "placement.h"

namespace mtcnn {

// Allocates now the data that the C and C++ libraries keep for this thread, above all for exceptions. The libraries
// allocate it at first use. If that is a std::bad_alloc, there is no memory for it and glibc ends the process.
void prepare_thread() noexcept;

// One thread of a pool. The owner of the worker submits work and waits for its end.
class Worker {
public:
    // Throws std::bad_alloc or std::system_error if there is not enough memory or no thread.
    Worker();
    ~Worker();
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    // Waits until the thread runs and can work without further allocation.
    void wait_for_start() const { started_.wait(false, std::memory_order_acquire); }

    // Starts work(index) on the thread, in the default floating-point mode. The work must not throw and must exist
    // until it is done.
    void submit(const std::function<void(int)>& work, int index);
    // Cancels submitted work if it has not begun, so that the caller does not wait for a thread that wakes slowly.
    // Returns whether it was cancelled.
    bool cancel();
    bool is_done() const { return state_.load(std::memory_order_acquire) == kIdle; }
    // Waits at most this long. Returns whether the work is done.
    bool wait_for(std::chrono::milliseconds timeout);

private:
    static constexpr int kIdle = 0, kSubmitted = 1, kWorking = 2, kEnd = 3;

    void run();
    void wait_for_work();

    std::unique_ptr<char[]> reserve_;  // freed when the thread starts
    std::atomic<bool> started_{false};
    const std::function<void(int)>* work_ = nullptr;
    int index_ = 0;
    std::atomic<int> state_{kIdle};
    std::atomic<bool> asleep_{false};
    std::atomic<int> last_cpu_{-1};  // on which it last worked
    Placement placement_;
    std::mutex lock_;
    std::condition_variable finished_;
    std::thread thread_;
};

// The workers of one detector. Its concurrent detections share them. There are at most as many workers and calling
// threads together as CPUs available to this process, unless one detection requests more threads.
class ThreadPool {
public:
    ThreadPool() = default;
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

    // Counts the calling threads: a detection begins, or ends.
    void add_caller();
    void remove_caller() noexcept;

    // Adds workers to `workers` until it has `wanted`, or until no more are available.
    void acquire(std::vector<Worker*>& workers, int wanted);
    void release(std::vector<Worker*>& workers) noexcept;

private:
    std::mutex lock_;
    int callers_ = 0;
    int cpus_ = 0;  // 0: not determined yet
    std::vector<std::unique_ptr<Worker>> all_;
    std::vector<Worker*> free_;  // has capacity for all
};

}  // namespace mtcnn
