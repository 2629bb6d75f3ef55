//! Frames of videos, one after the other.

mod background;
mod jpeg;
mod pictures;
mod pixmap;
mod png_picture;
mod source;
mod y4m;

pub use background::Background;
pub use jpeg::read_jpeg;
pub use pictures::{Opener, PictureSequence};
pub use pixmap::PixmapStream;
pub use png_picture::read_png;
pub use source::{Frame, FrameSource};
pub use y4m::Y4mStream;
