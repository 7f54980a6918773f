// What the processor and the operating system can run.
#pragma once

namespace mtcnn {

bool cpu_has_avx2();    // AVX2 and FMA
bool cpu_has_avx512();  // AVX-512F, AVX2 and FMA

}  // namespace mtcnn
