// Waiting threads avoid the CPU of their caller, and may use every CPU again when they run.
#include "mtcnn/placement.h"

#include <atomic>
#include <functional>
#include <thread>

#include "check.h"

#if defined(__linux__)
#include <pthread.h>

namespace {

using mtcnn::Placement;

cpu_set_t allowed(pthread_t thread) {
    cpu_set_t set;
    CHECK(pthread_getaffinity_np(thread, sizeof set, &set) == 0);
    return set;
}

void allow_here_only() {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<unsigned>(Placement::current_cpu()), &set);
    CHECK(pthread_setaffinity_np(pthread_self(), sizeof set, &set) == 0);
}

bool equal(const cpu_set_t& a, const cpu_set_t& b) { return CPU_EQUAL(&a, &b) != 0; }

// Runs `action` while a thread waits, then lets that thread restore its affinity mask. Returns the mask after that.
cpu_set_t after(Placement& placement, const std::function<void(std::thread&)>& action) {
    std::atomic<bool> restore_requested{false};
    cpu_set_t set;
    std::thread thread([&] {
        restore_requested.wait(false);
        placement.restore();
        set = allowed(pthread_self());
    });
    action(thread);
    restore_requested.store(true);
    restore_requested.notify_one();
    thread.join();
    return set;
}

}  // namespace

int main() {
    const cpu_set_t all = allowed(pthread_self());
    test::run("a waiting thread avoids the caller's CPU until it runs", [&] {
        Placement placement;
        const cpu_set_t then = after(placement, [&](std::thread& thread) {
            allow_here_only();
            for (int i = 0; i < 2; ++i) {  // at the second call the thread has not run since the first
                placement.avoid_current_cpu(thread);
                cpu_set_t others = all;
                if (CPU_COUNT(&all) > 1) CPU_CLR(static_cast<unsigned>(Placement::current_cpu()), &others);
                CHECK(equal(allowed(thread.native_handle()), others), "time", i, "of", CPU_COUNT(&all));
            }
        });
        CHECK(equal(then, all), CPU_COUNT(&then), "of", CPU_COUNT(&all));
    });
    test::run("a thread that may use only one CPU stays there", [] {
        Placement placement;
        const cpu_set_t before = allowed(pthread_self());  // also the mask of the caller, by the test above
        CHECK(CPU_COUNT(&before) == 1);
        const cpu_set_t then = after(placement, [&](std::thread& thread) {
            placement.avoid_current_cpu(thread);
            CHECK(equal(allowed(thread.native_handle()), before));
        });
        CHECK(equal(then, before));
    });
}
#else
int main() {
    test::run("the CPU is unknown", [] { CHECK(mtcnn::Placement::current_cpu() == -1); });
}
#endif
