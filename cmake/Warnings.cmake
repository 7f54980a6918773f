# Warnings of our own code; errors for those who work on it, so that a user's newer compiler does not stop the build.
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
