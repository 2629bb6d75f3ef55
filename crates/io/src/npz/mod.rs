//! Arrays as the NumPy library writes them: `.npy`, and `.npz` archives of them.

mod array;
mod format;
mod store;
pub(crate) mod zip_read;
mod zip_write;

pub use format::NpzFormat;
pub use store::{NpzStore, write_npz};

pub(crate) use array::{MAGIC as NPY_MAGIC, NpyHeader};
