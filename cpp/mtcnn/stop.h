// How a detection is ended before its time.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <stdexcept>

namespace mtcnn {

// What a detection throws that was asked to stop.
struct Stopped : std::runtime_error {
    Stopped() : std::runtime_error("the detection was asked to stop") {}
};

// A wish to stop, for any number of detections. It may be set on any thread, and stays set.
class Stop {
public:
    void set() noexcept { set_.store(true, std::memory_order_relaxed); }
    bool is_set() const noexcept { return set_.load(std::memory_order_relaxed); }

private:
    std::atomic<bool> set_{false};
};

// What may end a detection before its time.
struct Interruption {
    const Stop* stop = nullptr;  // ends it with Stopped
    // Called on the calling thread, no more often than every `interval`. What it throws ends the detection.
    std::function<void()> poll;
    std::chrono::milliseconds interval{50};
};

// Tells all threads of one detection that it ends. The interruption must outlive it.
class Alarm {
public:
    explicit Alarm(const Interruption& interruption) : interruption_(interruption) {}

    // Makes every thread throw Stopped at its next look.
    void raise() noexcept { raised_.store(true, std::memory_order_relaxed); }

    // Throws Stopped when the detection is to end. On the calling thread also what the poll throws.
    void look(bool on_callers_thread);

private:
    using Clock = std::chrono::steady_clock;

    const Interruption& interruption_;
    std::atomic<bool> raised_{false};
    Clock::time_point last_poll_ = Clock::now();  // of the calling thread alone
};

// What long work on one thread passes again and again, so that it can be ended. Passing takes no time worth naming.
class Checkpoint {
public:
    Checkpoint() = default;  // never ends anything
    Checkpoint(Alarm& alarm, bool on_callers_thread) : alarm_(&alarm), on_callers_thread_(on_callers_thread) {}

    // steps: about how many multiply-adds, or other steps of some nanoseconds each, lie between this pass and the one
    // before. Throws when the work is to end.
    void pass(std::int64_t steps) {
        left_ -= steps;
        if (left_ < 0) look();
    }

    void look() {
        left_ = kStepsBetweenLooks;
        if (alarm_ != nullptr) alarm_->look(on_callers_thread_);
    }

private:
    static constexpr std::int64_t kStepsBetweenLooks = std::int64_t{1} << 22;  // 10 ms where they are slow

    Alarm* alarm_ = nullptr;
    bool on_callers_thread_ = false;
    std::int64_t left_ = kStepsBetweenLooks;
};

}  // namespace mtcnn
