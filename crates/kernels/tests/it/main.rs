//! Integration tests of volkit-kernels.

mod conv;
mod conv_errors;
mod exec;
mod exec_modes;
mod exec_naive;
mod exec_streams;
mod exec_transposed;
mod ops;
mod winograd;
