//! MGH and MGZ.

mod color_table;
mod format;
mod header;

pub use color_table::ColorEntry;
pub use format::MghFormat;
pub use header::MghHeader;
