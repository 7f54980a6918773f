// The two exponential functions of the original and the probabilities computed with them. Neither is correctly rounded.
// reference/exp.py has their sources and measured errors.
#pragma once

namespace mtcnn {

// e^x as cv::exp computes it for float maps (OpenCV 3.4 to 4.10 with FMA). It is not monotone. NaN gives NaN.
float exp_opencv(float x);

// e^x as the expf of glibc computes it (2.27 or later, on a CPU with FMA). NaN gives NaN.
float exp_glibc(float x);

// 1 / (1 + exp_opencv(-v)), in float.
inline float sigmoid(float v) { return 1.0F / (1.0F + exp_opencv(-v)); }

// Probability of a face from the two logits of one position in PNet's heat map, computed in float.
inline float map_probability(float not_face, float face) { return 1.0F / (1.0F + exp_opencv(not_face - face)); }

// Probability of a face from the two logits of a crop (RNet, ONet). After the exponential it is computed in double and
// finally rounded to float.
inline float crop_probability(float not_face, float face) {
    return static_cast<float>(1.0 / (1.0 + static_cast<double>(exp_glibc(not_face - face))));
}

}  // namespace mtcnn
