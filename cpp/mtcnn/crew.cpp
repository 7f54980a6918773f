#include "crew.h"

#include <algorithm>
#include <cstddef>
#include <system_error>

#include "cpus.h"
#include "float_mode.h"
#include "pause.h"
#include "thread_data.h"

namespace mtcnn {
namespace {

// More than the C and C++ libraries keep for a thread. It is freed for them when the thread starts.
constexpr std::size_t kReserve = std::size_t{1} << 16;

}  // namespace

Helper::Helper() : reserve_(std::make_unique<char[]>(kReserve)), thread_(&Helper::live, this) {}

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
    reserve_.reset();
    prepare_thread();
    started_.store(true, std::memory_order_release);
    started_.notify_all();
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
    while (static_cast<int>(helpers.size()) < wanted) {
        if (free_.empty()) {
            if (cpus_ == 0) cpus_ = usable_cpus();
            if (callers_ + static_cast<int>(all_.size()) >= std::max(wanted + 1, cpus_)) break;
            all_.reserve(all_.size() + 1);
            free_.reserve(all_.size() + 1);
            helpers.reserve(static_cast<std::size_t>(wanted));
            try {
                all_.push_back(std::make_unique<Helper>());
            } catch (const std::system_error&) {
                break;  // no more threads to be had: the ones there are do the work
            }
            free_.push_back(all_.back().get());
        }
        helpers.push_back(free_.back());
        free_.pop_back();
    }
    for (const Helper* helper : helpers) helper->wait_for_start();
}

void Crew::give_back(std::vector<Helper*>& helpers) noexcept {
    const std::scoped_lock lock(lock_);
    free_.insert(free_.end(), helpers.begin(), helpers.end());
    helpers.clear();
}

}  // namespace mtcnn
