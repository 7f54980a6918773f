#include "crew.h"

#include <algorithm>
#include <system_error>

#include "float_mode.h"
#include "pause.h"

namespace mtcnn {

Helper::Helper() : thread_(&Helper::live, this) {}

Helper::~Helper() {
    state_.store(kEnd, std::memory_order_release);
    state_.notify_one();
    thread_.join();
}

void Helper::wait_for_offer() {
    for (int i = 0; i < kLooks; ++i) {
        if (state_.load(std::memory_order_relaxed) != kIdle) return;
        pause();
    }
    asleep_.store(true, std::memory_order_relaxed);
    state_.wait(kIdle, std::memory_order_relaxed);
    asleep_.store(false, std::memory_order_relaxed);
}

void Helper::live() {
    const DefaultFloatMode mode;
    for (;;) {
        wait_for_offer();
        int state = kOffered;
        if (!state_.compare_exchange_strong(state, kWorking, std::memory_order_acquire)) {
            if (state == kEnd) return;
            continue;  // it was taken back
        }
        placement_.undo();
        (*work_)(worker_);
        processor_.store(Placement::here(), std::memory_order_relaxed);
        // The lock lets it not come between the caller's last look and his wait. Nothing of the caller's is touched
        // any more: he may be gone.
        const std::scoped_lock lock(lock_);
        state_.store(kIdle, std::memory_order_release);
        finished_.notify_one();
    }
}

void Helper::offer(const std::function<void(int)>& work, int worker) {
    work_ = &work;
    worker_ = worker;
    // Where it waits without sleeping, it may wait beside the caller, who would not let it run.
    if (asleep_.load(std::memory_order_relaxed) || processor_.load(std::memory_order_relaxed) == Placement::here()) {
        placement_.keep_off(thread_);
    }
    state_.store(kOffered, std::memory_order_release);
    state_.notify_one();
}

bool Helper::withdraw() {
    int state = kOffered;
    return state_.compare_exchange_strong(state, kIdle, std::memory_order_relaxed);
}

bool Helper::wait_for(std::chrono::milliseconds most) {
    std::unique_lock lock(lock_);
    return finished_.wait_for(lock, most, [this] { return is_done(); });
}

void Crew::enter() {
    const std::scoped_lock lock(lock_);
    ++callers_;
}

void Crew::leave() noexcept {
    const std::scoped_lock lock(lock_);
    --callers_;
}

void Crew::take(std::vector<Helper*>& helpers, int wanted) {
    const std::scoped_lock lock(lock_);
    const int processors = std::max(wanted + 1, static_cast<int>(std::thread::hardware_concurrency()));
    while (static_cast<int>(helpers.size()) < wanted) {
        if (free_.empty()) {
            if (callers_ + static_cast<int>(all_.size()) >= processors) return;
            all_.reserve(all_.size() + 1);
            free_.reserve(all_.size() + 1);
            helpers.reserve(static_cast<std::size_t>(wanted));
            try {
                all_.push_back(std::make_unique<Helper>());
            } catch (const std::system_error&) {
                return;  // no more threads to be had: the ones there are do the work
            }
            free_.push_back(all_.back().get());
        }
        helpers.push_back(free_.back());
        free_.pop_back();
    }
}

void Crew::give_back(std::vector<Helper*>& helpers) noexcept {
    const std::scoped_lock lock(lock_);
    free_.insert(free_.end(), helpers.begin(), helpers.end());
    helpers.clear();
}

}  // namespace mtcnn
