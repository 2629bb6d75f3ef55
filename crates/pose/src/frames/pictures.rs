//! Pictures in files of their own, as a video.

use std::io::{BufRead as _, BufReader, Read, Seek};

use volkit_core::BoxError;

use super::{Frame, FrameSource, read_jpeg, read_png};
use crate::PoseError;

/// How JPEG files begin.
const JPEG: [u8; 2] = [0xff, 0xd8];

/// What a picture's bytes are read from.
pub trait Picture: Read + Seek + Send {}

impl<T: Read + Seek + Send> Picture for T {}

/// Opens picture `i` and names it.
pub type Opener = Box<dyn FnMut(usize) -> Result<(String, Box<dyn Picture>), BoxError> + Send>;

/// A sequence of PNG or JPEG pictures, told apart by how they begin. Those that are skipped are not opened.
pub struct PictureSequence {
    opener: Opener,
    n: usize,
    at: usize,
    size: Option<[usize; 2]>,
}

impl PictureSequence {
    /// `n` pictures that `opener` opens by their number.
    #[must_use]
    pub fn new(n: usize, opener: Opener) -> Self {
        Self { opener, n, at: 0, size: None }
    }
}

impl FrameSource for PictureSequence {
    fn next(&mut self, frame: &mut Frame) -> Result<bool, PoseError> {
        if self.at >= self.n {
            return Ok(false);
        }
        let (name, input) =
            (self.opener)(self.at).map_err(|error| PoseError::read(format!("picture {}", self.at), error))?;
        let mut input = BufReader::new(input);
        let is_jpeg = input.fill_buf().map_err(|error| PoseError::read(&name, error))?.starts_with(&JPEG);
        if is_jpeg {
            read_jpeg(input, &name, frame)?;
        } else {
            read_png(input, &name, frame)?;
        }
        let size = [frame.width, frame.height];
        let wanted = *self.size.get_or_insert(size);
        if size != wanted {
            let value = format!("{} x {}", size[0], size[1]);
            return Err(PoseError::input(&name, "size", value, "the size of the first picture"));
        }
        self.at += 1;
        Ok(true)
    }

    fn skip(&mut self) -> Result<bool, PoseError> {
        let is_there = self.at < self.n;
        self.at += usize::from(is_there);
        Ok(is_there)
    }

    fn n_frames(&self) -> Option<usize> {
        Some(self.n)
    }
}
