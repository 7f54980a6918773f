// For a BLAS without OpenBLAS's own function.
extern "C" void openblas_set_num_threads(int) {}
