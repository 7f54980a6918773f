// exp for floats, correctly rounded, and the probabilities that are computed with it.
#pragma once

namespace mtcnn {

// e^x, correctly rounded for every float: a fixed sequence of double operations, the same bits on every machine.
float exp(float x);

// 1 / (1 + exp(-v)), in float.
inline float sigmoid(float v) { return 1.0F / (1.0F + exp(-v)); }

// The probability of a face from the two logits, as PNet has it: computed in float throughout.
inline float probability(float not_face, float face) { return 1.0F / (1.0F + exp(not_face - face)); }

// The same as RNet and ONet have it: computed in double after the exponential, rounded to float at the end.
inline float probability_in_double(float not_face, float face) {
    return static_cast<float>(1.0 / (1.0 + static_cast<double>(exp(not_face - face))));
}

}  // namespace mtcnn
