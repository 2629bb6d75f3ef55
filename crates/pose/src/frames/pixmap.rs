//! Streams of portable pixmaps, as `ffmpeg -f image2pipe -vcodec ppm -` gives them.

use std::io::{BufRead, BufReader, Read};

use super::{Frame, FrameSource};
use crate::PoseError;

/// Most columns or rows of a picture.
const MOST_SIDE: usize = 1 << 15;

/// Binary pixmaps (`P6`) and greymaps (`P5`) of 8 bits, one behind the other.
pub struct PixmapStream {
    input: BufReader<Box<dyn Read + Send>>,
    what: String,
    size: Option<[usize; 3]>,
}

impl PixmapStream {
    /// The stream of `input`, which `what` names in errors.
    #[must_use]
    pub fn new(input: Box<dyn Read + Send>, what: impl Into<String>) -> Self {
        Self { input: BufReader::with_capacity(1 << 20, input), what: what.into(), size: None }
    }

    /// Columns, rows and channels of the next picture; none at the end of the stream.
    fn header(&mut self) -> Result<Option<[usize; 3]>, PoseError> {
        if self.input.fill_buf().map_err(|error| PoseError::read(&self.what, error))?.is_empty() {
            return Ok(None);
        }
        let magic = self.word()?;
        let channels = match magic.as_str() {
            "P5" => 1,
            "P6" => 3,
            _ => return Err(PoseError::input(&self.what, "magic", magic, "P5 or P6")),
        };
        let mut numbers = [0; 3];
        for (number, name) in numbers.iter_mut().zip(["width", "height", "largest value"]) {
            let word = self.word()?;
            let parsed = word.parse().ok().filter(|n| (1..=MOST_SIDE).contains(n));
            *number = parsed.ok_or_else(|| PoseError::input(&self.what, name, &word, "a number from 1 to 32768"))?;
        }
        if numbers[2] != 255 {
            return Err(PoseError::input(&self.what, "largest value", numbers[2], "255"));
        }
        let size = [numbers[0], numbers[1], channels];
        if *self.size.get_or_insert(size) != size {
            return Err(PoseError::input(&self.what, "size", format!("{size:?}"), "the size of the first picture"));
        }
        Ok(Some(size))
    }

    /// Letters up to the next white space, which is taken too.
    fn word(&mut self) -> Result<String, PoseError> {
        const MOST: usize = 16;
        let mut word = String::new();
        loop {
            let mut byte = [0];
            self.input.read_exact(&mut byte).map_err(|error| PoseError::read(&self.what, error))?;
            match byte[0] {
                byte if byte.is_ascii_whitespace() && !word.is_empty() => return Ok(word),
                byte if byte.is_ascii_whitespace() => {}
                byte if byte.is_ascii_graphic() && word.len() < MOST => word.push(char::from(byte)),
                byte => return Err(PoseError::input(&self.what, "header", format!("byte {byte}"), "a word")),
            }
        }
    }
}

impl FrameSource for PixmapStream {
    fn next(&mut self, frame: &mut Frame) -> Result<bool, PoseError> {
        let Some([width, height, channels]) = self.header()? else { return Ok(false) };
        (frame.width, frame.height, frame.channels) = (width, height, channels);
        frame.pixels.resize(width * height * channels, 0);
        self.input.read_exact(&mut frame.pixels).map_err(|error| PoseError::read(&self.what, error))?;
        Ok(true)
    }
}
