// Threads that wait are kept off the processor of who calls them, and may run anywhere again when they run.
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
    CPU_SET(static_cast<unsigned>(Placement::here()), &set);
    CHECK(pthread_setaffinity_np(pthread_self(), sizeof set, &set) == 0);
}

bool equal(const cpu_set_t& a, const cpu_set_t& b) { return CPU_EQUAL(&a, &b) != 0; }

// Runs `look` beside a thread that waits, and then has that thread undo what was done to it. Where it may run then.
cpu_set_t after(Placement& placement, const std::function<void(std::thread&)>& look) {
    std::atomic<bool> told{false};
    cpu_set_t set;
    std::thread thread([&] {
        told.wait(false);
        placement.undo();
        set = allowed(pthread_self());
    });
    look(thread);
    told.store(true);
    told.notify_one();
    thread.join();
    return set;
}

}  // namespace

int main() {
    const cpu_set_t all = allowed(pthread_self());
    test::run("kept off the caller's processor until it runs", [&] {
        Placement placement;
        const cpu_set_t then = after(placement, [&](std::thread& thread) {
            allow_here_only();
            for (int i = 0; i < 2; ++i) {  // the second time it has not run since
                placement.keep_off(thread);
                cpu_set_t others = all;
                if (CPU_COUNT(&all) > 1) CPU_CLR(static_cast<unsigned>(Placement::here()), &others);
                CHECK(equal(allowed(thread.native_handle()), others), "time", i, "of", CPU_COUNT(&all));
            }
        });
        CHECK(equal(then, all), CPU_COUNT(&then), "of", CPU_COUNT(&all));
    });
    test::run("a thread that may run on one processor alone stays there", [] {
        Placement placement;
        const cpu_set_t before = allowed(pthread_self());  // the caller's too, by the part above
        CHECK(CPU_COUNT(&before) == 1);
        const cpu_set_t then = after(placement, [&](std::thread& thread) {
            placement.keep_off(thread);
            CHECK(equal(allowed(thread.native_handle()), before));
        });
        CHECK(equal(then, before));
    });
}
#else
int main() {
    test::run("nothing is known of processors", [] { CHECK(mtcnn::Placement::here() == -1); });
}
#endif
