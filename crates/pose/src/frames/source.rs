//! The seam of videos.

use crate::PoseError;

/// A decoded picture, row-major.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Numbers of a pixel: 1 for grey, 3 for red, green and blue.
    pub channels: usize,
    /// `[height, width, channels]`.
    pub pixels: Vec<u8>,
}

impl Frame {
    /// Red, green and blue of a pixel.
    #[must_use]
    pub fn rgb(&self, x: usize, y: usize) -> [u8; 3] {
        let at = (y * self.width + x) * self.channels;
        if self.channels == 1 { [self.pixels[at]; 3] } else { [0, 1, 2].map(|c| self.pixels[at + c]) }
    }

    /// Brightness of a pixel, `0.299 R + 0.587 G + 0.114 B` to the nearest integer.
    #[must_use]
    pub fn grey(&self, x: usize, y: usize) -> u8 {
        let [r, g, b] = self.rgb(x, y).map(u32::from);
        ((299 * r + 587 * g + 114 * b + 500) / 1000) as u8
    }
}

/// A video: frames of one size, one after the other.
///
/// # Protocol
/// `next` decodes the next frame into `frame`, whose memory it reuses, and tells whether there was one; after `false` it
/// gives `false` again. `skip` passes a frame over, without decoding it where that is possible. After an error the source
/// is not used any more.
pub trait FrameSource: Send {
    /// Decodes the next frame; false at the end.
    ///
    /// # Errors
    /// When the frame can not be decoded, or has another size than the first.
    fn next(&mut self, frame: &mut Frame) -> Result<bool, PoseError>;

    /// Passes over the next frame; false at the end.
    ///
    /// # Errors
    /// As [`FrameSource::next`].
    fn skip(&mut self) -> Result<bool, PoseError> {
        self.next(&mut Frame::default())
    }

    /// How many frames there are from the first on, where that is known without reading them.
    fn n_frames(&self) -> Option<usize> {
        None
    }
}
