//! Stacks of pictures: one BMP, PNG or TIFF file a channel, as an image `[W, H, C]` whose first axis is fastest.

mod bmp;
mod names;
mod png_rows;
mod row_sink;
mod sink;
mod source;
mod tiff_header;
mod tiff_rows;

pub use names::{is_picture, stack_files, stack_names};
pub use sink::create_stack;
pub use source::open_stack;
