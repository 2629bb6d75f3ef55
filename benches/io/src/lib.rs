//! Criterion suites of volkit-io: `benches/nifti.rs` and `benches/hdf5.rs`; and `iotime`, the program that `cargo xtask
//! peers io` runs beside nibabel and `SimpleITK`.
#![forbid(unsafe_code)]
