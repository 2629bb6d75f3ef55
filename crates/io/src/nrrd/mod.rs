//! NRRD, read only: attached (`.nrrd`) and detached (`.nhdr`), raw and gzip.

mod format;
mod header;

pub use format::NrrdFormat;
