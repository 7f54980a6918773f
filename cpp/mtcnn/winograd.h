// Transforms of Winograd's method for a 3 x 3 convolution, F(4, 3) over rows and F(2, 3) over columns:
//
//     results = output_rows (W * (input_rows * window * input_columns^T)) output_columns^T
//     W = weight_rows * filter * weight_columns^T
//
// where * between two 6 x 4 matrices is the product of their elements. The kernel bound_differences contains
// input_rows, input_columns, output_rows and output_columns as code.
#pragma once

#include "kernels/kernels.h"
#include "model.h"
#include "tensor.h"

namespace mtcnn::winograd {

inline constexpr int kRows = 6, kColumns = 4;              // of a window
inline constexpr int kResultRows = 4, kResultColumns = 2;  // of its results

inline constexpr double kInputRows[kRows][kRows] = {{4, 0, -5, 0, 1, 0},  {0, -4, -4, 1, 1, 0}, {0, 4, -4, -1, 1, 0},
                                                    {0, -2, -1, 2, 1, 0}, {0, 2, -1, -2, 1, 0}, {0, 4, 0, -5, 0, 1}};
inline constexpr double kInputColumns[kColumns][kColumns] = {{1, 0, -1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, 1, 0, -1}};
inline constexpr double kWeightRows[kRows][3] = {{1. / 4, 0, 0},
                                                 {-1. / 6, -1. / 6, -1. / 6},
                                                 {-1. / 6, 1. / 6, -1. / 6},
                                                 {1. / 24, 1. / 12, 1. / 6},
                                                 {1. / 24, -1. / 12, 1. / 6},
                                                 {0, 0, 1}};
inline constexpr double kWeightColumns[kColumns][3] = {{1, 0, 0}, {.5, .5, .5}, {.5, -.5, .5}, {0, 0, 1}};
inline constexpr double kResultsOfRows[kResultRows][kRows] = {
    {1, 1, 1, 1, 1, 0}, {0, 1, -1, 2, -2, 0}, {0, 1, 1, 4, 4, 0}, {0, 1, -1, 8, -8, 1}};
inline constexpr double kResultsOfColumns[kResultColumns][kColumns] = {{1, 1, 1, 0}, {0, 1, -1, -1}};

// Element (row, column) of the transformed 3 x 3 filter, rounded to float once.
float transformed_weight(const float* filter, int row, int column);

// The same sum with the magnitudes of all factors.
double weight_magnitude(const float* filter, int row, int column);

// Loops from the outermost to the innermost: groups of output maps, rows and columns of the transformed filter, input
// maps, maps of the group. The last group is padded with zeros.
Buffer<float> pack_transformed(const Conv2d& conv, int group);

}  // namespace mtcnn::winograd
