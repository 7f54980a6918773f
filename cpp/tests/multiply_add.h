// An expression that compilers may fuse.
#pragma once

namespace test {

// a * b + c, two roundings.
float multiply_add(float a, float b, float c);
double multiply_add(double a, double b, double c);

}  // namespace test
