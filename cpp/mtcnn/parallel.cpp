#include "parallel.h"

#include <algorithm>
#include <chrono>
#include <system_error>
#include <utility>

#include "float_mode.h"

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#elif defined(_M_ARM64)
#include <intrin.h>
#endif

namespace mtcnn {
namespace {

// A waiting thread looks this often before it sleeps: the time between two rounds is shorter than the time that waking
// a thread takes.
constexpr int kLooks = 4000;
constexpr int kEnd = -1;
constexpr std::chrono::milliseconds kWait{20};  // of the caller for his helpers, between two looks at the alarm

// Not a call of the system: a wait would make thousands of them.
void pause() {
#if defined(__x86_64__) || defined(_M_X64)
    _mm_pause();
#elif defined(__aarch64__) && !defined(_MSC_VER)
    asm volatile("isb");  // waits some ten cycles; "yield" does nothing on most processors
#elif defined(_M_ARM64)
    __isb(_ARM64_BARRIER_SY);
#else
    std::this_thread::yield();
#endif
}

// Waits until the value is another one, and returns that.
int changed(const std::atomic<int>& value, int from) {
    for (int i = 0; i < kLooks; ++i) {
        const int now = value.load(std::memory_order_acquire);
        if (now != from) return now;
        pause();
    }
    value.wait(from, std::memory_order_acquire);
    return value.load(std::memory_order_acquire);
}

}  // namespace

Team::~Team() {
    round_.store(kEnd, std::memory_order_release);
    round_.notify_all();
    for (std::thread& helper : helpers_) helper.join();
}

void Team::start_helpers(int count) {
    try {
        while (static_cast<int>(helpers_.size()) < count) {
            helpers_.emplace_back(&Team::help, this, static_cast<int>(helpers_.size()) + 1, round_.load());
        }
    } catch (const std::system_error&) {  // NOLINT(bugprone-empty-catch)
        // No more threads to be had: the ones there are do the work.
    }
}

// A helper's life. seen: the round when the helper was started, then the last round that it took part in.
void Team::help(int worker, int seen) {
    const DefaultFloatMode mode;
    for (;;) {
        seen = changed(round_, seen);
        if (seen == kEnd) return;
        if (worker < workers_) work(worker);
        if (busy_.fetch_sub(1, std::memory_order_acq_rel) > 1) continue;
        // The last one. The lock lets it not come between the caller's last look and his wait.
        const std::scoped_lock lock(finishing_);
        finished_.notify_one();
    }
}

void Team::work(int worker) {
    try {
        for (int i = next_++; i < count_; i = next_++) (*task_)(i, worker);
    } catch (...) {
        fail();
    }
}

// Keeps the exception that is being handled, if it is the first one, and ends the other tasks.
void Team::fail() {
    next_ = count_;
    {
        const std::scoped_lock lock(failing_);
        if (!failure_) failure_ = std::current_exception();
    }
    if (alarm_ != nullptr) alarm_->raise();
}

void Team::wait_for_helpers() {
    const auto done = [this] { return busy_.load(std::memory_order_acquire) == 0; };
    for (int i = 0; i < kLooks; ++i) {
        if (done()) return;
        pause();
    }
    bool looking = alarm_ != nullptr;
    std::unique_lock lock(finishing_);
    while (!finished_.wait_for(lock, kWait, done)) {
        if (!looking) continue;
        lock.unlock();
        try {
            alarm_->look(true);
        } catch (...) {
            fail();
            looking = false;
        }
        lock.lock();
    }
}

void Team::run(int count, int threads, const std::function<void(int, int)>& task) {
    threads = std::min(threads, count);
    if (threads <= 1) {
        for (int i = 0; i < count; ++i) task(i, 0);
        return;
    }
    task_ = &task;
    count_ = count;
    workers_ = threads;
    next_ = 0;
    start_helpers(threads - 1);
    busy_.store(static_cast<int>(helpers_.size()), std::memory_order_release);
    round_.store(round_.load() + 1, std::memory_order_release);
    round_.notify_all();
    work(0);
    wait_for_helpers();
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

}  // namespace mtcnn
