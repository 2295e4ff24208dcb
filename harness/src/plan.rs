//! From configuration and kernels to jobs. Pure.
