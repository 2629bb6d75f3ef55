//! Criterion suites of volkit-io: `benches/nifti.rs`, `benches/hdf5.rs` and `benches/zarr.rs`; the programs that `cargo xtask
//! peers` runs beside other libraries, `iotime` and `zarrtime`; and `conversion`, which shows what a conversion costs.
#![forbid(unsafe_code)]
