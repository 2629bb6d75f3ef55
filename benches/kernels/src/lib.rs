//! Criterion suite of volkit-kernels.
