// Threads that wait for work: they live as long as their detector and sleep while there is nothing to do.
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

// One waiting thread. Whoever has taken it from its crew gives it work and waits for the end of it.
class Helper {
public:
    // Throws std::bad_alloc or std::system_error if there is no memory or no thread.
    Helper();
    ~Helper();
    Helper(const Helper&) = delete;
    Helper& operator=(const Helper&) = delete;

    // Waits until the thread has all that it needs to work without memory.
    void wait_for_start() const { started_.wait(false, std::memory_order_acquire); }

    // Offers work, which must not throw and must outlive its end. The thread computes in the default floating-point
    // mode.
    void offer(const std::function<void(int)>& work, int worker);
    // Takes the offer back: false if the work has begun. A thread that is slow to wake holds nobody up so.
    bool withdraw();
    bool is_done() const { return state_.load(std::memory_order_acquire) == kIdle; }
    // Whether it is done by then.
    bool wait_for(std::chrono::milliseconds most);

private:
    static constexpr int kIdle = 0, kOffered = 1, kWorking = 2, kEnd = 3;

    void live();
    void wait_for_offer();

    std::unique_ptr<char[]> reserve_;  // until the thread starts
    std::atomic<bool> started_{false};
    const std::function<void(int)>* work_ = nullptr;
    int worker_ = 0;
    std::atomic<int> state_{kIdle};
    std::atomic<bool> asleep_{false};
    std::atomic<int> processor_{-1};  // where it last worked
    Placement placement_;
    std::mutex lock_;
    std::condition_variable finished_;
    std::thread thread_;
};

// The helpers of one detector, shared by all detections that run at a time. Helpers and calling threads together are no
// more than the CPUs that this process may use, unless one detection asks for more.
class Crew {
public:
    Crew() = default;
    Crew(const Crew&) = delete;
    Crew& operator=(const Crew&) = delete;

    // A detection begins, and ends.
    void enter();
    void leave() noexcept;

    // Adds helpers to those that a detection has, until it has `wanted` or there are no more for it.
    void take(std::vector<Helper*>& helpers, int wanted);
    void give_back(std::vector<Helper*>& helpers) noexcept;

private:
    std::mutex lock_;
    int callers_ = 0;
    int cpus_ = 0;  // 0: not asked for yet
    std::vector<std::unique_ptr<Helper>> all_;
    std::vector<Helper*> free_;  // has room for all
};

}  // namespace mtcnn
