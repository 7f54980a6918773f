#include "thread_pool.h"

#include <algorithm>
#include <cstddef>
#include <exception>
#include <system_error>

#include "float_mode.h"
#include "pause.h"
#include "system_limits.h"

namespace mtcnn {
namespace {

// More bytes than the C and C++ libraries allocate for a thread. They are freed for that when the thread starts.
constexpr std::size_t kReserve = std::size_t{1} << 16;

}  // namespace

// Reads the exception state of the thread. It lies in the one block that the C++ library allocates for each thread.
void prepare_thread() noexcept { static_cast<void>(std::uncaught_exceptions()); }

Worker::Worker() : reserve_(std::make_unique<char[]>(kReserve)), thread_(&Worker::run, this) {}

Worker::~Worker() {
    state_.store(kEnd, std::memory_order_release);
    state_.notify_one();
    thread_.join();
}

void Worker::wait_for_work() {
    for (int i = 0; i < kSpins; ++i) {
        if (state_.load(std::memory_order_relaxed) != kIdle) return;
        pause();
    }
    asleep_.store(true, std::memory_order_relaxed);
    state_.wait(kIdle, std::memory_order_relaxed);
    asleep_.store(false, std::memory_order_relaxed);
}

void Worker::run() {
    reserve_.reset();
    prepare_thread();
    started_.store(true, std::memory_order_release);
    started_.notify_all();
    const DefaultFloatMode mode;
    for (;;) {
        wait_for_work();
        int state = kSubmitted;
        if (!state_.compare_exchange_strong(state, kWorking, std::memory_order_acquire)) {
            if (state == kEnd) return;
            continue;  // the work was cancelled
        }
        placement_.restore();
        (*work_)(index_);
        last_cpu_.store(Placement::current_cpu(), std::memory_order_relaxed);
        // Under the lock, the change cannot fall between the caller's last check and its wait. Do not access the
        // caller's state after this point; it may already be destroyed.
        const std::scoped_lock lock(lock_);
        state_.store(kIdle, std::memory_order_release);
        finished_.notify_one();
    }
}

void Worker::submit(const std::function<void(int)>& work, int index) {
    work_ = &work;
    index_ = index;
    // A thread that waits without sleeping may share the caller's CPU, and then the caller would not let it run.
    if (asleep_.load(std::memory_order_relaxed) ||
        last_cpu_.load(std::memory_order_relaxed) == Placement::current_cpu()) {
        placement_.avoid_current_cpu(thread_);
    }
    state_.store(kSubmitted, std::memory_order_release);
    state_.notify_one();
}

bool Worker::cancel() {
    int state = kSubmitted;
    return state_.compare_exchange_strong(state, kIdle, std::memory_order_relaxed);
}

bool Worker::wait_for(std::chrono::milliseconds timeout) {
    std::unique_lock lock(lock_);
    return finished_.wait_for(lock, timeout, [this] { return is_done(); });
}

void ThreadPool::add_caller() {
    const std::scoped_lock lock(lock_);
    ++callers_;
}

void ThreadPool::remove_caller() noexcept {
    const std::scoped_lock lock(lock_);
    --callers_;
}

void ThreadPool::acquire(std::vector<Worker*>& workers, int wanted) {
    const std::scoped_lock lock(lock_);
    while (static_cast<int>(workers.size()) < wanted) {
        if (free_.empty()) {
            if (cpus_ == 0) cpus_ = usable_cpus();
            if (callers_ + static_cast<int>(all_.size()) >= std::max(wanted + 1, cpus_)) break;
            all_.reserve(all_.size() + 1);
            free_.reserve(all_.size() + 1);
            workers.reserve(static_cast<std::size_t>(wanted));
            try {
                all_.push_back(std::make_unique<Worker>());
            } catch (const std::system_error&) {
                break;  // the system has no more threads: the existing ones do the work
            }
            free_.push_back(all_.back().get());
        }
        workers.push_back(free_.back());
        free_.pop_back();
    }
    for (const Worker* worker : workers) worker->wait_for_start();
}

void ThreadPool::release(std::vector<Worker*>& workers) noexcept {
    const std::scoped_lock lock(lock_);
    free_.insert(free_.end(), workers.begin(), workers.end());
    workers.clear();
}

}  // namespace mtcnn
