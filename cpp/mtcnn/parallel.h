// Runs independent tasks on several threads.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "stop.h"

namespace mtcnn {

// The threads of one detection. They start with the first work that needs them, wait for the next, and end with the
// team. One call of run() is a round.
class Team {
public:
    Team() = default;  // nothing ends its work before the time
    // Where a task fails, the alarm ends the others, and run() throws that task's exception. While the caller waits for
    // his helpers, he looks at the alarm.
    explicit Team(Alarm& alarm) : alarm_(&alarm) {}
    ~Team();
    Team(const Team&) = delete;
    Team& operator=(const Team&) = delete;

    // Calls task(index, worker) for every index in 0 … count - 1, in any order, on up to `threads` threads, the
    // caller's among them; worker is in 0 … threads - 1 and never runs two tasks at once. The first exception stops
    // the rest and is thrown here. One thread or one task: no other thread is woken. The other threads compute in the
    // default floating-point mode.
    void run(int count, int threads, const std::function<void(int index, int worker)>& task);

private:
    void start_helpers(int count);
    void help(int worker, int seen);
    void work(int worker);
    void fail();
    void wait_for_helpers();

    Alarm* alarm_ = nullptr;
    std::vector<std::thread> helpers_;
    std::atomic<int> round_{0};  // counts the rounds that helpers take part in; -1: the team ends
    // Of the present round:
    const std::function<void(int, int)>* task_ = nullptr;
    int count_ = 0;
    int workers_ = 0;
    std::atomic<int> next_{0};
    std::atomic<int> busy_{0};  // helpers that have not finished
    std::mutex finishing_;
    std::condition_variable finished_;
    std::mutex failing_;
    std::exception_ptr failure_;
};

// Where part `index` of `parts` of a range of `count` begins; the sizes of the parts differ by one at most.
inline int part(int count, int index, int parts) { return static_cast<int>(std::int64_t{count} * index / parts); }

}  // namespace mtcnn
