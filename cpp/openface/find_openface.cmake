# Finds an installed OpenFace by its CMake package, or its header and library below a prefix.

# Defines the target openface_original and sets OPENFACE_LIBRARY_FILE, OPENFACE_KIND, OPENFACE_SHA256,
# OPENFACE_VERSION_FOUND, OPENFACE_SUMS and OPENFACE_MODEL (empty if none is installed). Fails with a message that names
# the searched places and the solution.
function(mtcnn_find_openface where)
  set(places)
  if(where STREQUAL "auto")
    set(said "the places that CMake looks in (MTCNN_CPP_OPENFACE=auto)")
    find_package(OpenFace CONFIG QUIET)
  else()
    if(NOT IS_ABSOLUTE "${where}" OR NOT IS_DIRECTORY "${where}")
      message(FATAL_ERROR
        "MTCNN_CPP_OPENFACE: expected \"auto\" or the full path of the folder that OpenFace is installed in (such as "
        "/usr/local), found \"${where}\"")
    endif()
    set(said "${where}")
    set(places PATHS ${where} NO_DEFAULT_PATH)
    find_package(OpenFace CONFIG QUIET ${places})
  endif()
  if(OpenFace_FOUND AND DEFINED OpenFace_VERSION AND OpenFace_VERSION AND OpenFace_VERSION VERSION_LESS 2)
    message(FATAL_ERROR
      "OpenFace: expected version 2 or later, which has the detector MTCNN, found ${OpenFace_VERSION} in ${OpenFace_DIR}")
  endif()

  find_path(OPENFACE_HEADERS FaceDetectorMTCNN.h PATH_SUFFIXES include/OpenFace OpenFace ${places})
  if(NOT OPENFACE_HEADERS)
    message(FATAL_ERROR
      "OpenFace: expected include/OpenFace/FaceDetectorMTCNN.h below ${said}, found none. Give the prefix that OpenFace "
      "was installed to: -C cmake.define.MTCNN_CPP_OPENFACE=PREFIX. To build without OpenFace, leave the option out")
  endif()
  mtcnn_find_opencv()

  set(target)
  foreach(name OpenFace::LandmarkDetector LandmarkDetector)
    if(NOT target AND TARGET ${name})
      set(target ${name})
    endif()
  endforeach()
  if(target)
    get_target_property(library ${target} LOCATION)
    set(links ${target})
    set(version "${OpenFace_VERSION}")
  else()
    find_library(OPENFACE_LIBRARY LandmarkDetector PATH_SUFFIXES lib lib64 ${places})
    if(NOT OPENFACE_LIBRARY)
      message(FATAL_ERROR
        "OpenFace: expected the library LandmarkDetector (lib/libLandmarkDetector.a or .so) below ${said}, found its "
        "header ${OPENFACE_HEADERS}/FaceDetectorMTCNN.h alone. Install OpenFace whole (cmake --install)")
    endif()
    set(library ${OPENFACE_LIBRARY})
    set(links ${library})
    set(version "")
    # Possible dependencies of a static library, in link order. The linker determines which of them are needed; an
    # unused library adds nothing.
    foreach(name opencv_objdetect opencv_calib3d opencv_highgui opencv_imgcodecs dlib boost_filesystem boost_system
            openblas tbb)
      find_library(OPENFACE_NEEDS_${name} ${name})
      if(OPENFACE_NEEDS_${name})
        list(APPEND links ${OPENFACE_NEEDS_${name}})
      endif()
    endforeach()
    if(NOT OPENFACE_NEEDS_openblas)
      find_package(BLAS QUIET)
      if(BLAS_FOUND)
        list(APPEND links ${BLAS_LIBRARIES})
      endif()
    endif()
  endif()
  if(NOT EXISTS "${library}")
    message(FATAL_ERROR "OpenFace: expected its library at ${library}, found no file there; install OpenFace again")
  endif()
  _mtcnn_check_opencv(${library})

  find_package(Threads REQUIRED)
  add_library(openface_original INTERFACE IMPORTED)
  set_target_properties(openface_original PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES "${OPENFACE_HEADERS}"
    INTERFACE_LINK_LIBRARIES "${links};mtcnn_opencv;Threads::Threads;${CMAKE_DL_LIBS}")
  try_compile(works ${CMAKE_CURRENT_BINARY_DIR}/probe
    SOURCES ${PROJECT_SOURCE_DIR}/cpp/openface/probe.cpp
    LINK_LIBRARIES openface_original
    CXX_STANDARD 17
    OUTPUT_VARIABLE log)
  if(NOT works)
    mtcnn_missing_symbols("${log}" missing)
    if(NOT missing)
      set(missing
        "Is the library of this machine's architecture (${CMAKE_SYSTEM_PROCESSOR}), and was it built with OpenCV "
        "${MTCNN_OPENCV_VERSION}, which was found here? ")
      string(CONCAT missing ${missing})
    endif()
    message(FATAL_ERROR
      "OpenFace: a small program cannot be built with ${OPENFACE_HEADERS} and ${library}. ${missing}"
      "What the compiler printed:\n${log}")
  endif()
  if(library MATCHES "\\.(so|dylib)[.0-9]*$")
    set(kind shared)
  else()
    set(kind static)
  endif()
  message(STATUS "OpenFace: ${library} (${kind}), OpenCV ${MTCNN_OPENCV_VERSION}")
  set(OPENFACE_LIBRARY_FILE ${library} PARENT_SCOPE)
  set(OPENFACE_KIND ${kind} PARENT_SCOPE)
  set(OPENFACE_VERSION_FOUND "${version}" PARENT_SCOPE)
  file(SHA256 ${library} hash)
  set(OPENFACE_SHA256 ${hash} PARENT_SCOPE)
  set(OPENFACE_SUMS blas PARENT_SCOPE)
  cmake_path(GET OPENFACE_HEADERS PARENT_PATH prefix)  # of PREFIX/include/OpenFace
  cmake_path(GET prefix PARENT_PATH prefix)
  set(model ${prefix}/etc/OpenFace/model/mtcnn_detector/MTCNN_detector.txt)
  if(NOT EXISTS ${model})
    set(model "")
  endif()
  set(OPENFACE_MODEL "${model}" PARENT_SCOPE)
endfunction()

# A shared library records the OpenCV that it was built with.
function(_mtcnn_check_opencv library)
  if(NOT library MATCHES "\\.so[.0-9]*$" OR NOT CMAKE_OBJDUMP)
    return()
  endif()
  execute_process(COMMAND ${CMAKE_OBJDUMP} -p ${library} OUTPUT_VARIABLE needs ERROR_QUIET)
  if(NOT needs MATCHES "NEEDED +libopencv_core\\.so\\.([0-9]+)(\\.([0-9]+))?")
    return()
  endif()
  if(CMAKE_MATCH_2)
    set(built ${CMAKE_MATCH_1}.${CMAKE_MATCH_3})
  else()
    math(EXPR major "${CMAKE_MATCH_1} / 100")  # 406 is 4.6
    math(EXPR minor "${CMAKE_MATCH_1} % 100")
    set(built ${major}.${minor})
  endif()
  string(REGEX MATCH "^[0-9]+\\.[0-9]+" found ${MTCNN_OPENCV_VERSION})
  if(NOT built STREQUAL found)
    message(FATAL_ERROR
      "OpenCV: ${library} was built with OpenCV ${built}, found ${MTCNN_OPENCV_VERSION} here. Two in one program share "
      "their names and end it. Give the folder of the right one with -C cmake.define.OpenCV_DIR=..., or build OpenFace "
      "again with this one")
  endif()
endfunction()
