#include "memory.h"

#include <algorithm>

#include "system_limits.h"
#include "text.h"

namespace mtcnn {
namespace {

// Without an explicit limit, a detection that needs at most this many bytes is always accepted.
constexpr std::int64_t kSmall = std::int64_t{256} << 20;

}  // namespace

std::int64_t Budget::limit() {
    if (given_ > 0) return given_;
    std::call_once(determined_, [this] { free_ = std::max(free_memory(), kSmall); });
    return free_;
}

void Budget::check_total(double total) {
    if (given_ == 0 && total <= static_cast<double>(kSmall)) return;
    const auto most = static_cast<double>(limit());
    if (total <= most) return;
    throw MemoryLimit("these options need " + bytes_text(total) + " of memory or more, the limit is " +
                      bytes_text(most) + ": choose a larger min_face or larger thresholds, or raise memory_limit");
}

}  // namespace mtcnn
