#include "stop.h"

namespace mtcnn {

void Alarm::look(bool on_callers_thread) {
    if (interruption_.stop != nullptr && interruption_.stop->is_set()) raise();
    if (raised_.load(std::memory_order_relaxed)) throw Stopped();
    if (!on_callers_thread || !interruption_.poll) return;
    const Clock::time_point now = Clock::now();
    if (now - last_poll_ < interruption_.interval) return;
    last_poll_ = now;
    interruption_.poll();
}

}  // namespace mtcnn
