#include "task_group.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "pause.h"

namespace mtcnn {
namespace {

constexpr std::chrono::milliseconds kCheckInterval{20};  // of the token, while the caller waits for workers

}  // namespace

TaskGroup::TaskGroup() : own_pool_(std::make_unique<ThreadPool>()), pool_(*own_pool_) { pool_.add_caller(); }
TaskGroup::TaskGroup(CancellationToken& token)
    : token_(&token), own_pool_(std::make_unique<ThreadPool>()), pool_(*own_pool_) {
    pool_.add_caller();
}
TaskGroup::TaskGroup(CancellationToken& token, ThreadPool& pool) : token_(&token), pool_(pool) { pool_.add_caller(); }

TaskGroup::~TaskGroup() {
    pool_.release(workers_);
    pool_.remove_caller();
}

void TaskGroup::run_tasks(int worker) noexcept {
    try {
        for (int i = next_++; i < count_; i = next_++) (*task_)(i, worker);
    } catch (...) {
        fail();
    }
}

// Stores the current exception if it is the first one, and cancels the other tasks.
void TaskGroup::fail() noexcept {
    next_ = count_;
    {
        const std::scoped_lock lock(failure_lock_);
        if (!failure_) failure_ = std::current_exception();
    }
    if (token_ != nullptr) token_->cancel();
}

void TaskGroup::wait_for(Worker& worker) {
    if (worker.cancel()) return;
    for (int i = 0; i < kSpins; ++i) {
        if (worker.is_done()) return;
        pause();
    }
    while (!worker.wait_for(kCheckInterval)) {
        if (!checks_token_) continue;
        try {
            token_->check(true);
        } catch (...) {
            fail();
            checks_token_ = false;
        }
    }
}

void TaskGroup::run(int count, int threads, const std::function<void(int, int)>& task) {
    threads = std::min(threads, count);
    if (threads > 1) pool_.acquire(workers_, threads - 1);
    const std::size_t used = std::min(workers_.size(), static_cast<std::size_t>(std::max(threads - 1, 0)));
    if (used == 0) {
        for (int i = 0; i < count; ++i) task(i, 0);
        return;
    }
    task_ = &task;
    count_ = count;
    next_ = 0;
    const std::function<void(int)> work = [this](int worker) { run_tasks(worker); };
    for (std::size_t i = 0; i < used; ++i) workers_[i]->submit(work, static_cast<int>(i) + 1);
    run_tasks(0);
    checks_token_ = token_ != nullptr;
    for (std::size_t i = 0; i < used; ++i) wait_for(*workers_[i]);
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

}  // namespace mtcnn
