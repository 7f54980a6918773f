// Runs independent tasks on several threads.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "crew.h"
#include "stop.h"

namespace mtcnn {

// The threads of one detection, taken from a crew when work needs them and given back with the team. One call of run()
// is a round. Between two rounds the helpers wait without sleeping, for a moment.
class Team {
public:
    Team();  // with a crew of its own; nothing ends its work before the time
    // Where a task fails, the alarm ends the others, and run() throws that task's exception. While the caller waits for
    // his helpers, he looks at the alarm.
    explicit Team(Alarm& alarm);
    Team(Alarm& alarm, Crew& crew);
    ~Team();
    Team(const Team&) = delete;
    Team& operator=(const Team&) = delete;

    // Calls task(index, worker) for every index in 0 … count - 1, in any order, on up to `threads` threads, the
    // caller's among them; worker is in 0 … threads - 1 and never runs two tasks at once. The first exception stops
    // the rest and is thrown here. One thread or one task: no other thread is woken. The other threads compute in the
    // default floating-point mode.
    void run(int count, int threads, const std::function<void(int index, int worker)>& task);

private:
    void work(int worker) noexcept;
    void fail() noexcept;
    void wait_for(Helper& helper);

    Alarm* alarm_ = nullptr;
    bool looking_ = false;  // at the alarm, while the caller waits
    std::unique_ptr<Crew> own_;
    Crew& crew_;
    std::vector<Helper*> helpers_;
    // Of the present round:
    const std::function<void(int, int)>* task_ = nullptr;
    int count_ = 0;
    std::atomic<int> next_{0};
    std::mutex failing_;
    std::exception_ptr failure_;
};

// Where part `index` of `parts` of a range of `count` begins; the sizes of the parts differ by one at most.
inline int part(int count, int index, int parts) { return static_cast<int>(std::int64_t{count} * index / parts); }

}  // namespace mtcnn
