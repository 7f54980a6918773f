# The original from source: the two files of an OpenFace checkout that contain the detector are compiled here.

set(MTCNN_OPENFACE_FILES src/FaceDetectorMTCNN.cpp src/CNN_utils.cpp include/FaceDetectorMTCNN.h include/CNN_utils.h)

# Adds the files to the target _openface. Defines the target openface_original and sets OPENFACE_LIBRARY_FILE (the
# folder), OPENFACE_KIND, OPENFACE_SHA256, OPENFACE_VERSION_FOUND, OPENFACE_SUMS and OPENFACE_MODEL (empty if the
# checkout has none). Fails with a message that says what was expected, what was found and what to do.
function(mtcnn_add_openface_source where sums)
  if(NOT sums)
    set(sums ordered)
  elseif(NOT sums MATCHES "^(ordered|blas)$")
    message(FATAL_ERROR "MTCNN_CPP_OPENFACE_SUMS: expected \"ordered\" (the default) or \"blas\", found \"${sums}\"")
  endif()
  _mtcnn_find_detector("${where}" folder)
  mtcnn_find_opencv()
  _mtcnn_require_imgproc()

  set(ours ${PROJECT_SOURCE_DIR}/cpp/openface/source)
  set(replacements ${ours}/read_matrix.cpp)
  set(blas)
  if(sums STREQUAL "ordered")
    list(APPEND replacements ${ours}/ordered_sums.cpp)
  else()
    find_package(BLAS QUIET)
    if(NOT BLAS_FOUND)
      message(FATAL_ERROR
        "MTCNN_CPP_OPENFACE_SUMS=blas: expected a BLAS, CMake found none. Install one (Debian: libopenblas-dev), give "
        "its folder with -C cmake.define.CMAKE_PREFIX_PATH=..., or leave the option out (ordered sums need no BLAS)")
    endif()
    set(blas ${BLAS_LIBRARIES})
    include(CheckCXXSourceCompiles)
    set(CMAKE_REQUIRED_LIBRARIES ${blas})
    check_cxx_source_compiles(
      "extern \"C\" void openblas_set_num_threads(int); int main() { openblas_set_num_threads(1); }" MTCNN_HAS_OPENBLAS)
    if(NOT MTCNN_HAS_OPENBLAS)
      list(APPEND replacements ${ours}/no_openblas.cpp)
    endif()
  endif()

  # Our headers come first: they replace those that include dlib, Boost, TBB and OpenBLAS.
  find_package(Threads REQUIRED)
  add_library(openface_original INTERFACE IMPORTED)
  set_target_properties(openface_original PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES "${ours}/include;${folder}/include"
    INTERFACE_LINK_LIBRARIES "${blas};mtcnn_opencv;Threads::Threads;${CMAKE_DL_LIBS}")
  set(sources ${folder}/src/FaceDetectorMTCNN.cpp ${folder}/src/CNN_utils.cpp)
  try_compile(works ${CMAKE_CURRENT_BINARY_DIR}/probe
    SOURCES ${PROJECT_SOURCE_DIR}/cpp/openface/probe.cpp ${sources} ${replacements}
    CMAKE_FLAGS -DCMAKE_CXX_FLAGS=-w
    LINK_LIBRARIES openface_original
    CXX_STANDARD 17
    CXX_STANDARD_REQUIRED ON
    OUTPUT_VARIABLE log)
  if(NOT works)
    mtcnn_missing_symbols("${log}" missing)
    message(FATAL_ERROR
      "OpenFace: the detector of ${folder} cannot be built with OpenCV ${MTCNN_OPENCV_VERSION} and "
      "${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION} (C++17). ${missing}Was the checkout changed? Does it "
      "belong to OpenFace 2? What the compiler printed:\n${log}")
  endif()

  # As in OpenFace's own build on x86-64: without -march GCC has no fused instruction, so it never contracts.
  add_library(openface_source OBJECT ${sources} ${replacements})
  target_link_libraries(openface_source PRIVATE openface_original)
  target_compile_options(openface_source PRIVATE -O3 -ffp-contract=off -w)
  set_target_properties(openface_source PROPERTIES CXX_STANDARD 17 CXX_CLANG_TIDY "")
  target_sources(_openface PRIVATE $<TARGET_OBJECTS:openface_source>)

  set(hashes)
  foreach(file FaceDetectorMTCNN.cpp CNN_utils.cpp)
    file(SHA256 ${folder}/src/${file} hash)
    string(APPEND hashes "${hash} (${file}) ")
  endforeach()
  string(STRIP "${hashes}" hashes)
  set(model ${folder}/model/mtcnn_detector/MTCNN_detector.txt)
  if(NOT EXISTS ${model})
    set(model "")
  endif()
  message(STATUS "OpenFace: source in ${folder}, ${sums} sums, OpenCV ${MTCNN_OPENCV_VERSION}")
  set(OPENFACE_LIBRARY_FILE ${folder} PARENT_SCOPE)
  set(OPENFACE_KIND source PARENT_SCOPE)
  set(OPENFACE_SHA256 "${hashes}" PARENT_SCOPE)
  set(OPENFACE_VERSION_FOUND "" PARENT_SCOPE)
  set(OPENFACE_SUMS ${sums} PARENT_SCOPE)
  set(OPENFACE_MODEL "${model}" PARENT_SCOPE)
endfunction()

# The folder LandmarkDetector of a checkout. It may also be given directly.
function(_mtcnn_find_detector where result)
  if(NOT IS_ABSOLUTE "${where}" OR NOT IS_DIRECTORY "${where}")
    message(FATAL_ERROR
      "MTCNN_CPP_OPENFACE_SOURCE: expected the full path of a checkout of OpenFace (or of its "
      "lib/local/LandmarkDetector), found \"${where}\"")
  endif()
  set(folder ${where}/lib/local/LandmarkDetector)
  if(NOT IS_DIRECTORY ${folder})
    set(folder ${where})
  endif()
  set(missing)
  foreach(file IN LISTS MTCNN_OPENFACE_FILES)
    if(NOT EXISTS ${folder}/${file})
      list(APPEND missing ${file})
    endif()
  endforeach()
  if(missing)
    list(LENGTH MTCNN_OPENFACE_FILES all)
    list(LENGTH missing count)
    list(JOIN missing ", " names)
    if(count EQUAL all)
      set(advice "Give the folder that git cloned OpenFace 2 into, or an installation with MTCNN_CPP_OPENFACE=PREFIX")
    else()
      set(advice "The checkout is not complete, or of a version before 2: check it out again")
    endif()
    message(FATAL_ERROR "MTCNN_CPP_OPENFACE_SOURCE: expected ${names} below ${folder}, found none. ${advice}")
  endif()
  set(${result} ${folder} PARENT_SCOPE)
endfunction()

function(_mtcnn_require_imgproc)
  get_target_property(headers mtcnn_opencv INTERFACE_INCLUDE_DIRECTORIES)
  get_target_property(libraries mtcnn_opencv INTERFACE_LINK_LIBRARIES)
  find_path(MTCNN_OPENCV_IMGPROC_HEADER opencv2/imgproc.hpp PATHS ${headers} NO_DEFAULT_PATH)
  if(NOT MTCNN_OPENCV_IMGPROC_HEADER OR NOT libraries MATCHES "opencv_(imgproc|world)")
    message(FATAL_ERROR
      "OpenCV: expected its module imgproc (opencv2/imgproc.hpp and the library opencv_imgproc) beside core, which "
      "OpenFace's detector needs, found none. Install it (Debian: libopencv-imgproc-dev), or give another OpenCV with "
      "-C cmake.define.OpenCV_DIR=...")
  endif()
endfunction()
