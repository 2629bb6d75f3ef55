//! Integration tests of volkit-kernels.

mod carve;
mod conv;
mod conv_errors;
mod dense_conv;
mod dense_layers;
mod exec;
mod exec_background;
mod exec_modes;
mod exec_naive;
mod exec_streams;
mod exec_transposed;
mod ops;
mod winograd;
