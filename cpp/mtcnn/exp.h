// The two exponentials of the original, and the probabilities that are computed with them. Neither is correctly
// rounded; reference/exp.py has their sources and measured distances.
#pragma once

namespace mtcnn {

// e^x as cv::exp computes it for float maps (OpenCV 3.4 to 4.10 with FMA). It is not monotone. NaN stays NaN.
float exp_opencv(float x);

// e^x as glibc's expf computes it (2.27 or newer, on a processor with FMA). NaN stays NaN.
float exp_glibc(float x);

// 1 / (1 + exp_opencv(-v)), in float.
inline float sigmoid(float v) { return 1.0F / (1.0F + exp_opencv(-v)); }

// The probability of a face from the two logits at a place of PNet's map: computed in float throughout.
inline float map_probability(float not_face, float face) { return 1.0F / (1.0F + exp_opencv(not_face - face)); }

// The probability of a face from the two logits of a crop, RNet's or ONet's: computed in double after the exponential,
// rounded to float at the end.
inline float crop_probability(float not_face, float face) {
    return static_cast<float>(1.0 / (1.0 + static_cast<double>(exp_glibc(not_face - face))));
}

}  // namespace mtcnn
