#include "cancellation.h"

namespace mtcnn {

void CancellationToken::check(bool on_callers_thread) {
    if (options_.source != nullptr && options_.source->is_set()) cancel();
    if (cancelled_.load(std::memory_order_relaxed)) throw Cancelled();
    if (!on_callers_thread || !options_.poll) return;
    const Clock::time_point now = Clock::now();
    if (now - last_poll_ < options_.interval) return;
    last_poll_ = now;
    options_.poll();
}

}  // namespace mtcnn
