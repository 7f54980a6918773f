// Compiled for a CPU with a fused multiply-add if the compiler has such an option.
#include "multiply_add.h"

float test::multiply_add(float a, float b, float c) { return a * b + c; }
double test::multiply_add(double a, double b, double c) { return a * b + c; }
