//! PNG files.

use std::fs::File;
use std::io::{BufReader, Write as _};
use std::path::{Path, PathBuf};

use crate::{Camera, Rendering, SplatError};

/// Most bytes that decoding a picture may take.
const MOST_BYTES: usize = 1 << 30;

/// A picture and the camera that took it.
#[derive(Clone, Debug, PartialEq)]
pub struct PosedImage {
    /// Name of its file.
    pub path: PathBuf,
    /// The camera; its size is that of the picture.
    pub camera: Camera,
    /// `[H, W, 3]`, 0 to 1.
    pub colour: Vec<f32>,
    /// `[H, W]`, 0 to 1, where the file has an alpha channel.
    pub alpha: Option<Vec<f32>>,
}

/// A decoded picture.
pub(super) struct Pixels {
    /// Rows and columns.
    pub(super) size: [usize; 2],
    pub(super) colour: Vec<f32>,
    pub(super) alpha: Option<Vec<f32>>,
}

/// Reads a picture of 8 or 16 bits; grey becomes colour. Transparent pixels are laid over `background`.
pub(super) fn read_png(path: &Path, background: [f32; 3]) -> Result<Pixels, SplatError> {
    let failed = |source: png::DecodingError| SplatError::Png { path: path.to_owned(), source: Box::new(source) };
    let file = File::open(path).map_err(|source| SplatError::Io { path: path.to_owned(), source })?;
    let limits = png::Limits { bytes: MOST_BYTES };
    let mut decoder = png::Decoder::new_with_limits(BufReader::new(file), limits);
    decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(failed)?;
    let n_bytes = reader.output_buffer_size().filter(|n| *n <= MOST_BYTES);
    let n_bytes = n_bytes.ok_or_else(|| failed(png::DecodingError::LimitsExceeded))?;
    let mut bytes = vec![0; n_bytes];
    let info = reader.next_frame(&mut bytes).map_err(failed)?;
    let size = [info.height as usize, info.width as usize];
    let samples = info.color_type.samples();
    let has_alpha = samples % 2 == 0;
    let mut colour = Vec::with_capacity(3 * size[0] * size[1]);
    let mut alpha = Vec::with_capacity(if has_alpha { size[0] * size[1] } else { 0 });
    let unit = |byte: u8| f32::from(byte) / 255.0;
    for pixel in bytes[..info.buffer_size()].chunks_exact(samples) {
        let a = if has_alpha { unit(pixel[samples - 1]) } else { 1.0 };
        let channel = |c: usize| unit(pixel[if samples < 3 { 0 } else { c }]);
        colour.extend((0..3).map(|c| a * channel(c) + (1.0 - a) * background[c]));
        if has_alpha {
            alpha.push(a);
        }
    }
    Ok(Pixels { size, colour, alpha: has_alpha.then_some(alpha) })
}

/// A PNG of 8 bits with `[width, height]` pixels, row-major: grey for one byte a pixel, red, green and blue for three.
///
/// # Errors
/// [`SplatError::Parameter`] for a picture without pixels, or another number of bytes.
pub fn encode_png([width, height]: [usize; 2], pixels: &[u8]) -> Result<Vec<u8>, SplatError> {
    let refused = |value: String, why| SplatError::Parameter { name: "picture", value, why };
    if width == 0 || height == 0 {
        return Err(refused(format!("{width} x {height}"), "at least one pixel"));
    }
    let colour = match pixels.len() / (width * height) {
        1 => png::ColorType::Grayscale,
        3 => png::ColorType::Rgb,
        _ => return Err(refused(format!("{} bytes", pixels.len()), "one or three bytes a pixel")),
    };
    let encoded = || {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
        encoder.set_color(colour);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::Fast);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(pixels)?;
        writer.finish()?;
        Ok::<_, png::EncodingError>(bytes)
    };
    encoded().map_err(|error| refused(error.to_string(), "sizes that a PNG can have, and as many bytes"))
}

/// Writes the colours of a rendering as a PNG of 8 bits; values beyond 0..1 are cut. The file appears under its name once
/// it is complete.
///
/// # Errors
/// [`SplatError::Io`]; those of [`encode_png`].
pub fn write_png(path: impl AsRef<Path>, picture: &Rendering) -> Result<(), SplatError> {
    let bytes = encode_png([picture.width, picture.height], &picture.to_bytes())?;
    crate::atomic::write_whole(path.as_ref(), |mut file| file.write_all(&bytes))
}
