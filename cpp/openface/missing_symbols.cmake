# Derives the names of missing libraries from the output of a linker.

set(MTCNN_LIBRARY_OF_SYMBOL
  "cv::(CascadeClassifier|HOGDescriptor)=OpenCV's objdetect (Debian: libopencv-objdetect-dev)"
  "cv::(solvePnP|Rodrigues|projectPoints|calib)=OpenCV's calib3d (Debian: libopencv-calib3d-dev)"
  "cv::im(read|write|decode|encode)=OpenCV's imgcodecs (Debian: libopencv-imgcodecs-dev)"
  "cv::(imshow|namedWindow|waitKey|destroy)=OpenCV's highgui (Debian: libopencv-highgui-dev)"
  "cv::Video(Capture|Writer)=OpenCV's videoio (Debian: libopencv-videoio-dev)"
  "cv::(resize|cvtColor|warpAffine|filter2D|matchTemplate|rectangle|line|circle|ellipse|fillConvexPoly)=OpenCV's imgproc (Debian: libopencv-imgproc-dev)"
  "dlib::=dlib (Debian: libdlib-dev)"
  "boost::filesystem=Boost.Filesystem (Debian: libboost-filesystem-dev)"
  "tbb::=TBB (Debian: libtbb-dev)"
  "sgemm_|openblas_=OpenBLAS (Debian: libopenblas-dev)"
  "LandmarkDetector::|ReadMatBin=a part of OpenFace itself"
)

# One sentence with the missing libraries and an example symbol of each, or empty if none is missing.
function(mtcnn_missing_symbols log result)
  string(REPLACE ";" "," log "${log}")
  string(REGEX MATCHALL "undefined (reference to symbol|reference to|symbol:?) [`'\"]?[^\n'\"]+" lines "${log}")
  list(TRANSFORM lines REPLACE "undefined (reference to symbol|reference to|symbol:?) [`'\"]?" "")
  list(REMOVE_DUPLICATES lines)
  set(found)
  foreach(symbol IN LISTS lines)
    set(library "a library that is not known here")
    foreach(entry IN LISTS MTCNN_LIBRARY_OF_SYMBOL)
      string(REGEX MATCH "^(.*)=(.*)$" _ "${entry}")
      set(pattern "${CMAKE_MATCH_1}")
      set(name "${CMAKE_MATCH_2}")
      if(symbol MATCHES "${pattern}")
        set(library "${name}")
        break()
      endif()
    endforeach()
    list(FIND found "${library}" known)
    if(known EQUAL -1)
      list(APPEND found "${library}")
      list(APPEND words "${library}, for ${symbol}")
    endif()
  endforeach()
  set(sentence "")
  if(words)
    list(JOIN words "\n  " sentence)
    set(sentence "Missing when it was linked:\n  ${sentence}\n")
  endif()
  set(${result} "${sentence}" PARENT_SCOPE)
endfunction()
