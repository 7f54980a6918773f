#include "parallel.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "pause.h"

namespace mtcnn {
namespace {

constexpr std::chrono::milliseconds kWait{20};  // of the caller for his helpers, between two looks at the alarm

}  // namespace

Team::Team() : own_(std::make_unique<Crew>()), crew_(*own_) { crew_.enter(); }
Team::Team(Alarm& alarm) : alarm_(&alarm), own_(std::make_unique<Crew>()), crew_(*own_) { crew_.enter(); }
Team::Team(Alarm& alarm, Crew& crew) : alarm_(&alarm), crew_(crew) { crew_.enter(); }

Team::~Team() {
    crew_.give_back(helpers_);
    crew_.leave();
}

void Team::work(int worker) noexcept {
    try {
        for (int i = next_++; i < count_; i = next_++) (*task_)(i, worker);
    } catch (...) {
        fail();
    }
}

// Keeps the exception that is being handled, if it is the first one, and ends the other tasks.
void Team::fail() noexcept {
    next_ = count_;
    {
        const std::scoped_lock lock(failing_);
        if (!failure_) failure_ = std::current_exception();
    }
    if (alarm_ != nullptr) alarm_->raise();
}

void Team::wait_for(Helper& helper) {
    if (helper.withdraw()) return;
    for (int i = 0; i < kLooks; ++i) {
        if (helper.is_done()) return;
        pause();
    }
    while (!helper.wait_for(kWait)) {
        if (!looking_) continue;
        try {
            alarm_->look(true);
        } catch (...) {
            fail();
            looking_ = false;
        }
    }
}

void Team::run(int count, int threads, const std::function<void(int, int)>& task) {
    threads = std::min(threads, count);
    if (threads > 1) crew_.take(helpers_, threads - 1);
    const std::size_t helping = std::min(helpers_.size(), static_cast<std::size_t>(std::max(threads - 1, 0)));
    if (helping == 0) {
        for (int i = 0; i < count; ++i) task(i, 0);
        return;
    }
    task_ = &task;
    count_ = count;
    next_ = 0;
    const std::function<void(int)> part_of_helper = [this](int worker) { work(worker); };
    for (std::size_t i = 0; i < helping; ++i) helpers_[i]->offer(part_of_helper, static_cast<int>(i) + 1);
    work(0);
    looking_ = alarm_ != nullptr;
    for (std::size_t i = 0; i < helping; ++i) wait_for(*helpers_[i]);
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

}  // namespace mtcnn
