//! Uncompressed YUV4MPEG2 streams.

use std::io::{BufRead, BufReader, Read};

use super::{Frame, FrameSource};
use crate::PoseError;

/// Most columns or rows of a picture.
const MOST_SIDE: usize = 1 << 15;
/// Longest header line.
const MOST_LINE: usize = 4096;

/// How many chroma samples there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chroma {
    Mono,
    /// Columns and rows that share a sample.
    Shared([usize; 2]),
}

/// A Y4M stream of 8 bits: 4:2:0, 4:2:2, 4:4:4 or mono. Chroma is repeated, colours are those of BT.601, in the range
/// 16..235 unless the header says `XCOLORRANGE=FULL`. Mono pictures are taken as they are.
pub struct Y4mStream {
    input: BufReader<Box<dyn Read + Send>>,
    what: String,
    size: [usize; 2],
    chroma: Chroma,
    is_full_range: bool,
    planes: Vec<u8>,
}

impl Y4mStream {
    /// Reads the header of `input`, which `what` names in errors.
    ///
    /// # Errors
    /// [`PoseError::Input`] for a header of another form, interlaced or deeper than 8 bits.
    pub fn new(input: Box<dyn Read + Send>, what: impl Into<String>) -> Result<Self, PoseError> {
        let what = what.into();
        let mut input = BufReader::with_capacity(1 << 20, input);
        let line = line(&mut input, &what)?.unwrap_or_default();
        let mut words = line.split(' ');
        if words.next() != Some("YUV4MPEG2") {
            return Err(PoseError::input(&what, "magic", line, "YUV4MPEG2"));
        }
        let (mut size, mut chroma, mut is_full_range) = ([0; 2], Chroma::Shared([2, 2]), false);
        for word in words.filter(|word| !word.is_empty()) {
            let (tag, value) = word.split_at(word.chars().next().map_or(0, char::len_utf8));
            match (tag, value) {
                ("W", n) => size[0] = n.parse().unwrap_or(0),
                ("H", n) => size[1] = n.parse().unwrap_or(0),
                ("I", "p" | "?") | ("F" | "A", _) => {}
                ("I", other) => return Err(PoseError::input(&what, "I", other, "progressive video")),
                ("C", "420" | "420jpeg" | "420mpeg2" | "420paldv") => chroma = Chroma::Shared([2, 2]),
                ("C", "422") => chroma = Chroma::Shared([2, 1]),
                ("C", "444") => chroma = Chroma::Shared([1, 1]),
                ("C", "mono") => chroma = Chroma::Mono,
                ("C", other) => return Err(PoseError::input(&what, "C", other, "420, 422, 444 or mono of 8 bits")),
                ("X", "COLORRANGE=FULL") => is_full_range = true,
                _ => {}
            }
        }
        if !size.iter().all(|n| (1..=MOST_SIDE).contains(n)) {
            return Err(PoseError::input(&what, "W, H", format!("{size:?}"), "1 to 32768"));
        }
        Ok(Self { input, what, size, chroma, is_full_range, planes: Vec::new() })
    }

    fn chroma_size(&self) -> [usize; 2] {
        match self.chroma {
            Chroma::Mono => [0; 2],
            Chroma::Shared(by) => [0, 1].map(|k| self.size[k].div_ceil(by[k])),
        }
    }

    /// Reads the planes of the next frame; false at the end.
    fn read_planes(&mut self) -> Result<bool, PoseError> {
        match line(&mut self.input, &self.what)? {
            None => return Ok(false),
            Some(line) if line == "FRAME" || line.starts_with("FRAME ") => {}
            Some(line) => return Err(PoseError::input(&self.what, "frame header", line, "FRAME")),
        }
        let [width, height] = self.chroma_size();
        self.planes.resize(self.size[0] * self.size[1] + 2 * width * height, 0);
        self.input.read_exact(&mut self.planes).map_err(|error| PoseError::read(&self.what, error))?;
        Ok(true)
    }
}

impl FrameSource for Y4mStream {
    fn next(&mut self, frame: &mut Frame) -> Result<bool, PoseError> {
        if !self.read_planes()? {
            return Ok(false);
        }
        let [width, height] = self.size;
        (frame.width, frame.height) = (width, height);
        let (luma, chroma) = self.planes.split_at(width * height);
        frame.pixels.clear();
        let Chroma::Shared(by) = self.chroma else {
            frame.channels = 1;
            frame.pixels.extend_from_slice(luma);
            return Ok(true);
        };
        frame.channels = 3;
        let (blue, red) = chroma.split_at(chroma.len() / 2);
        let columns = self.chroma_size()[0];
        for (i, y) in luma.iter().enumerate() {
            let at = (i / width / by[1]) * columns + i % width / by[0];
            frame.pixels.extend(rgb([*y, blue[at], red[at]], self.is_full_range));
        }
        Ok(true)
    }

    fn skip(&mut self) -> Result<bool, PoseError> {
        self.read_planes()
    }
}

/// BT.601.
fn rgb([y, cb, cr]: [u8; 3], is_full_range: bool) -> [u8; 3] {
    let [y, cb, cr] = [y, cb, cr].map(f32::from);
    let (y, scale) = if is_full_range { (y, 1.0) } else { ((y - 16.0) * (255.0 / 219.0), 255.0 / 224.0) };
    let (cb, cr) = ((cb - 128.0) * scale, (cr - 128.0) * scale);
    let to_byte = |x: f32| x.round().clamp(0.0, 255.0) as u8;
    [to_byte(y + 1.402 * cr), to_byte(y - 0.344_136 * cb - 0.714_136 * cr), to_byte(y + 1.772 * cb)]
}

/// The next line without its end; none at the end of the stream.
fn line(input: &mut BufReader<Box<dyn Read + Send>>, what: &str) -> Result<Option<String>, PoseError> {
    let mut bytes = Vec::new();
    let n = input.take(MOST_LINE as u64).read_until(b'\n', &mut bytes);
    if n.map_err(|error| PoseError::read(what, error))? == 0 {
        return Ok(None);
    }
    if bytes.pop() != Some(b'\n') {
        return Err(PoseError::input(what, "header", "no end of line", "a line of at most 4096 bytes"));
    }
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}
