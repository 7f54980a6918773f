#include "register.h"

#include <array>
#include <atomic>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstring>

namespace bindings {

namespace {

// FFmpeg's av_log callback. Arguments: the logging object, level, format and its arguments.
using Callback = void (*)(void*, int, const char*, std::va_list);

constexpr int kErrorLevel = 16;  // AV_LOG_ERROR; smaller values are more severe

std::atomic<Callback> next_callback{nullptr};

// Last error of the converter on this thread, or empty.
thread_local std::array<char, 256> conversion_error{};

// A logging object begins with a pointer to its class. The class begins with a pointer to its name.
bool is_converter(const void* object) {
    const char* const* const* const of_class = static_cast<const char* const* const*>(object);
    return of_class != nullptr && *of_class != nullptr && **of_class != nullptr &&
           std::strcmp(**of_class, "SWScaler") == 0;
}

// Runs on FFmpeg's threads without the GIL.
void on_log(void* object, int level, const char* format, std::va_list arguments) {
    if ((level & 0xff) <= kErrorLevel && is_converter(object)) {
        std::va_list copy;
        va_copy(copy, arguments);
        std::vsnprintf(conversion_error.data(), conversion_error.size(), format, copy);
        va_end(copy);
    }
    if (const Callback next = next_callback.load()) next(object, level, format, arguments);
}

}  // namespace

void register_ffmpeg_log(py::module_& m) {
    m.def(
        "ffmpeg_log_callback",
        [](std::uintptr_t next) {
            next_callback = reinterpret_cast<Callback>(next);  // NOLINT(performance-no-int-to-ptr)
            return reinterpret_cast<std::uintptr_t>(&on_log);
        },
        py::arg("next"),
        "Address of a callback for av_log_set_callback that notes errors of swscale and then calls the callback at "
        "the address `next`.");
    m.def(
        "take_conversion_error",
        [] {
            const py::str message = py::bytes(conversion_error.data()).attr("decode")("utf-8", "replace");
            conversion_error[0] = '\0';
            return message;
        },
        "The last error that swscale has logged on this thread since the previous call; empty if there was none.");
}

}  // namespace bindings
