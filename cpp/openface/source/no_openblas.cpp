// For a BLAS without the function that is specific to OpenBLAS.
extern "C" void openblas_set_num_threads(int) {}
