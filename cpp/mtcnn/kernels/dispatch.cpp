#include "dispatch.h"

#include <cstdlib>
#include <stdexcept>
#include <string>

namespace mtcnn {

bool Kernels::supported() const { return cpu_has(features); }

const std::vector<const Kernels*>& kernel_variants() {
    static const std::vector<const Kernels*> variants = {
#define MTCNN_VARIANT(name) &kernels_##name,
#include "variants.inc"
#undef MTCNN_VARIANT
    };
    return variants;
}

const Kernels& select_kernels(std::string_view name) {
    std::string requested(name);
    std::string where = "isa";
    if (requested.empty()) {
        const char* forced = std::getenv("MTCNN_CPP_ISA");
        if (forced != nullptr) requested = forced;
        where = "MTCNN_CPP_ISA";
    }
    std::string known;
    const Kernels* best = &kernels_generic;
    for (const Kernels* k : kernel_variants()) {
        if (k->supported()) {
            best = k;
            known += (known.empty() ? "" : ", ") + std::string(k->name);
        }
        if (requested == k->name && !k->supported()) {
            throw std::invalid_argument(where + ": this processor cannot run \"" + requested + "\" (" + k->description +
                                        ")");
        }
        if (requested == k->name) return *k;
    }
    if (!requested.empty()) {
        throw std::invalid_argument(where + ": expected one of " + known + ", found \"" + requested + "\"");
    }
    return *best;
}

}  // namespace mtcnn
