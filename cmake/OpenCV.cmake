# Finds OpenCV's core module, and imgproc if it is installed: by the CMake package of OpenCV, or by a search if only
# headers and libraries of these modules are installed (libopencv-core-dev without libopencv-dev).

# Defines the target mtcnn_opencv and sets MTCNN_OPENCV_VERSION. Fails with a message if OpenCV is missing or too old.
function(mtcnn_find_opencv)
  if(NOT OpenCV_FOUND)
    find_package(OpenCV QUIET COMPONENTS core OPTIONAL_COMPONENTS imgproc)
  endif()
  add_library(mtcnn_opencv INTERFACE IMPORTED GLOBAL)
  if(OpenCV_FOUND)
    set(version ${OpenCV_VERSION})
    set_target_properties(mtcnn_opencv PROPERTIES
      INTERFACE_INCLUDE_DIRECTORIES "${OpenCV_INCLUDE_DIRS}"
      INTERFACE_LINK_LIBRARIES "${OpenCV_LIBS}")
  else()
    find_path(MTCNN_OPENCV_INCLUDE opencv2/core/version.hpp PATH_SUFFIXES opencv4)
    find_library(MTCNN_OPENCV_CORE opencv_core)
    find_library(MTCNN_OPENCV_IMGPROC opencv_imgproc)
    if(NOT MTCNN_OPENCV_INCLUDE OR NOT MTCNN_OPENCV_CORE)
      message(FATAL_ERROR
        "OpenCV: expected its headers and libraries, found none. Install the OpenCV that OpenFace was built with "
        "(Debian: libopencv-dev), or give its folder with -DOpenCV_DIR=...")
    endif()
    file(STRINGS ${MTCNN_OPENCV_INCLUDE}/opencv2/core/version.hpp lines REGEX "#define CV_VERSION_(MAJOR|MINOR|REVISION)")
    string(REGEX REPLACE "[^0-9]+" ";" numbers "${lines}")
    list(REMOVE_ITEM numbers "")
    string(REPLACE ";" "." version "${numbers}")
    set(libraries ${MTCNN_OPENCV_CORE})
    if(MTCNN_OPENCV_IMGPROC)
      list(PREPEND libraries ${MTCNN_OPENCV_IMGPROC})
    endif()
    set_target_properties(mtcnn_opencv PROPERTIES
      INTERFACE_INCLUDE_DIRECTORIES "${MTCNN_OPENCV_INCLUDE}"
      INTERFACE_LINK_LIBRARIES "${libraries}")
  endif()
  if(version VERSION_LESS 3.3)
    message(FATAL_ERROR "OpenCV: expected 3.3 or later, which OpenFace needs, found ${version}")
  endif()
  set(MTCNN_OPENCV_VERSION ${version} PARENT_SCOPE)
endfunction()
