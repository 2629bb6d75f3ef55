//! MATLAB files of version 5 to 7, and the calibrations of DANNCE in them.

mod read;
mod value;

pub use read::read_mat;
pub use value::MatValue;
