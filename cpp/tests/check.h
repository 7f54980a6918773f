// Shared by all test programs: a check that reports a failure and ends the program, and the variants to test.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "mtcnn/kernels/dispatch.h"

namespace test {

inline long& checks() {
    static long count = 0;
    return count;
}

template <class... Details>
void check(bool ok, const char* what, const char* file, int line, const Details&... details) {
    ++checks();
    if (ok) return;
    std::cerr << file << ":" << line << ": failed: " << what;
    ((std::cerr << " " << details), ...);
    std::cerr << '\n';
    std::exit(1);
}

// CHECK(condition, details to print if it is false...)
#define CHECK(condition, ...) \
    test::check(static_cast<bool>(condition), #condition, __FILE__, __LINE__ __VA_OPT__(, ) __VA_ARGS__)

// Runs one part of a program and prints its number of checks. A part without checks is a failure.
template <class Part>
void run(const std::string& name, const Part& part) {
    const long before = checks();
    part();
    std::cout << name << ": " << checks() - before << " checks" << '\n' << std::flush;
    CHECK(checks() > before, name, "checked nothing");
}

// Whether `action` throws exactly an Exception. Its message is stored in `message`.
template <class Exception, class Action>
bool throws(const Action& action, std::string* message = nullptr) {
    try {
        action();
    } catch (const Exception& e) {
        if (message != nullptr) *message = e.what();
        return true;
    }
    return false;
}

// The variants that this CPU supports. Prints the unsupported ones.
inline const std::vector<const mtcnn::Kernels*>& variants() {
    static const std::vector<const mtcnn::Kernels*> all = [] {
        std::vector<const mtcnn::Kernels*> supported;
        for (const mtcnn::Kernels* k : mtcnn::kernel_variants()) {
            if (k->supported()) {
                supported.push_back(k);
            } else {
                std::cout << "SKIPPED: this processor cannot run " << k->name << '\n' << std::flush;
            }
        }
#ifdef __SANITIZE_THREAD__
        supported = {supported.back()};  // all variants use the threads in the same way
#endif
        return supported;
    }();
    return all;
}

}  // namespace test
