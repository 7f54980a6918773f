// Cancellation of a detection: on request from any thread, or by an exception on the calling thread.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <stdexcept>

namespace mtcnn {

// Thrown by a cancelled detection.
struct Cancelled : std::runtime_error {
    Cancelled() : std::runtime_error("the detection was cancelled") {}
};

// Cancels any number of detections. Any thread may set it. It cannot be reset.
class CancellationSource {
public:
    void set() noexcept { set_.store(true, std::memory_order_relaxed); }
    bool is_set() const noexcept { return set_.load(std::memory_order_relaxed); }

private:
    std::atomic<bool> set_{false};
};

// Ways to cancel one detection.
struct CancellationOptions {
    const CancellationSource* source = nullptr;  // the detection throws Cancelled soon after this is set
    // Called on the calling thread, at most once per `interval`. An exception from it ends the detection.
    std::function<void()> poll;
    std::chrono::milliseconds interval{50};
};

// Cancellation state that all threads of one detection share. The options must outlive it.
class CancellationToken {
public:
    explicit CancellationToken(const CancellationOptions& options) : options_(options) {}

    // Makes every thread throw Cancelled at its next check.
    void cancel() noexcept { cancelled_.store(true, std::memory_order_relaxed); }

    // Throws Cancelled if the detection is cancelled. On the calling thread it also calls `poll` when that is due.
    void check(bool on_callers_thread);

private:
    using Clock = std::chrono::steady_clock;

    const CancellationOptions& options_;
    std::atomic<bool> cancelled_{false};
    Clock::time_point last_poll_ = Clock::now();  // used on the calling thread only
};

// Checks the token at regular intervals during long work on one thread. The cost of advance() is negligible.
class CancellationPoint {
public:
    CancellationPoint() = default;  // never cancels
    CancellationPoint(CancellationToken& token, bool on_callers_thread)
        : token_(&token), on_callers_thread_(on_callers_thread) {}

    // steps: approximate number of steps since the last call. One step is a multiply-add or similar work of a few
    // nanoseconds. Throws if the work is cancelled.
    void advance(std::int64_t steps) {
        left_ -= steps;
        if (left_ < 0) check();
    }

    void check() {
        left_ = kStepsBetweenChecks;
        if (token_ != nullptr) token_->check(on_callers_thread_);
    }

private:
    static constexpr std::int64_t kStepsBetweenChecks = std::int64_t{1} << 22;  // 10 ms on slow CPUs

    CancellationToken* token_ = nullptr;
    bool on_callers_thread_ = false;
    std::int64_t left_ = kStepsBetweenChecks;
};

}  // namespace mtcnn
