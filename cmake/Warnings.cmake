# Warnings for the code of this project. They are errors for developers only, so that a newer compiler does not stop a
# user's build.
option(MTCNN_CPP_WERROR "Take warnings as errors" OFF)

function(mtcnn_warnings target)
  if(MSVC)
    target_compile_options(${target} PRIVATE /W4 $<$<BOOL:${MTCNN_CPP_WERROR}>:/WX>)
  else()
    target_compile_options(
      ${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion
      $<$<BOOL:${MTCNN_CPP_WERROR}>:-Werror>
    )
  endif()
endfunction()
