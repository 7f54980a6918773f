# The instruction sets that kernels are built for: one file each, and only that file gets the flags.
set(MTCNN_ISAS "")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|amd64" AND NOT CMAKE_OSX_ARCHITECTURES MATCHES "arm64")
  set(MTCNN_ISAS avx2 avx512)
endif()

if(MSVC)
  set(MTCNN_FLAGS_avx2 /arch:AVX2)
  set(MTCNN_FLAGS_avx512 /arch:AVX512)
else()
  set(MTCNN_FLAGS_avx2 -mavx2 -mfma)
  set(MTCNN_FLAGS_avx512 -mavx512f -mavx2 -mfma)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # GCC's own header leaves the registers of _mm512_undefined_ps uninitialised, on purpose, and warns of it.
    list(APPEND MTCNN_FLAGS_avx512 -Wno-maybe-uninitialized -Wno-uninitialized)
  endif()
endif()

# Adds every kernel file to a target, each with its flags.
function(mtcnn_add_kernels target)
  foreach(isa IN LISTS MTCNN_ISAS ITEMS generic)
    set(source ${PROJECT_SOURCE_DIR}/cpp/mtcnn/kernels/kernels_${isa}.cpp)
    target_sources(${target} PRIVATE ${source})
    string(TOUPPER ${isa} upper)
    target_compile_definitions(${target} PRIVATE MTCNN_HAVE_${upper})
    set(flags ${MTCNN_FLAGS_${isa}})
    if(NOT MSVC)
      list(APPEND flags -Wno-sign-conversion) # tile sizes are plain ints that also count array elements
    endif()
    set_property(SOURCE ${source} TARGET_DIRECTORY ${target} PROPERTY COMPILE_OPTIONS ${flags})
  endforeach()
endfunction()
