# Every variant of the kernels is one file, and only this file gets the options of its instruction set.
# cpp/mtcnn/kernels/variants.inc selects the variants of a build; the file of another kind of CPU is empty after
# preprocessing.
file(GLOB MTCNN_KERNEL_SOURCES CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/cpp/mtcnn/kernels/kernels_*.cpp)

# mtcnn_isa_flags(NAME PROCESSOR FLAG…): options of kernels_NAME.cpp when it is compiled for that CPU.
function(mtcnn_isa_flags name processor)
  if(APPLE)
    # One command may compile for two kinds of CPU.
    list(TRANSFORM ARGN PREPEND "SHELL:-Xarch_${processor} ")
  elseif(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "^(${processor}|AMD64|amd64)$")
    set(ARGN "")
  endif()
  set(MTCNN_FLAGS_${name} ${ARGN} PARENT_SCOPE)
endfunction()

# The compiler may use everything that the options enable. kernels/features-inl.h requires it from the CPU.
if(MSVC AND CMAKE_CXX_COMPILER_ID STREQUAL "MSVC")
  mtcnn_isa_flags(avx2 x86_64 /arch:AVX2)
  mtcnn_isa_flags(avx512 x86_64 /arch:AVX512)
  message(WARNING
    "Microsoft's own compiler has no pragma that unrolls a loop, so the sums of a tile live in memory: the same "
    "results, several times as slow. Visual Studio's clang-cl is as fast as elsewhere: set CMAKE_GENERATOR_TOOLSET=ClangCL "
    "in the environment, or pass -T ClangCL.")
elseif(MSVC)
  # The /arch option of clang-cl names complete CPU models.
  mtcnn_isa_flags(avx2 x86_64 /clang:-mavx2 /clang:-mfma)
  mtcnn_isa_flags(avx512 x86_64 /clang:-mavx512f /clang:-mavx2 /clang:-mfma)
else()
  mtcnn_isa_flags(avx2 x86_64 -mavx2 -mfma)
  mtcnn_isa_flags(avx512 x86_64 -mavx512f -mavx2 -mfma)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  if(CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # GCC's own header leaves the registers of _mm512_undefined_ps uninitialised on purpose, and GCC warns about it.
    list(APPEND MTCNN_FLAGS_avx512 -Wno-maybe-uninitialized -Wno-uninitialized)
  endif()
  # GCC moves so many loads forward that the sums of a tile exceed the registers, and it copies sums between registers.
  # benchmarks/hot_loops.py checks the result.
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64") # on other CPUs the file is empty, and clang-tidy does not know these options
    set(MTCNN_FLAGS_neon -fno-schedule-insns -fira-algorithm=priority)
  endif()
endif()

# Adds every kernel file to a target, each with its flags.
function(mtcnn_add_kernels target)
  foreach(source IN LISTS MTCNN_KERNEL_SOURCES)
    string(REGEX REPLACE ".*/kernels_(.*)\\.cpp" "\\1" isa ${source})
    target_sources(${target} PRIVATE ${source})
    set(flags ${MTCNN_FLAGS_${isa}})
    if(NOT MSVC)
      list(APPEND flags -Wno-sign-conversion) # tile sizes are plain ints that also count array elements
    endif()
    set_property(SOURCE ${source} TARGET_DIRECTORY ${target} PROPERTY COMPILE_OPTIONS ${flags})
  endforeach()
endfunction()
