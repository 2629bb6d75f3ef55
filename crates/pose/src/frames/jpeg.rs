//! JPEG pictures.

use std::io::Read;

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::Frame;
use crate::PoseError;

/// Most bytes of a file.
const MOST_BYTES: u64 = 1 << 28;
/// Most columns or rows of a picture.
const MOST_SIDE: usize = 1 << 15;

/// Decodes a JPEG picture, baseline or progressive, grey or colour, into three channels. `what` names it in errors.
///
/// # Errors
/// [`PoseError::Read`].
pub fn read_jpeg(input: impl Read, what: &str, frame: &mut Frame) -> Result<(), PoseError> {
    let mut bytes = Vec::new();
    input.take(MOST_BYTES).read_to_end(&mut bytes).map_err(|error| PoseError::read(what, error))?;
    let failed = |error: String| PoseError::read(what, error);
    let options = DecoderOptions::default()
        .set_max_width(MOST_SIDE)
        .set_max_height(MOST_SIDE)
        .set_strict_mode(true)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(&bytes), options);
    frame.pixels = decoder.decode().map_err(|error| failed(error.to_string()))?;
    let (width, height) = decoder.dimensions().ok_or_else(|| failed("it has no size".to_owned()))?;
    (frame.width, frame.height, frame.channels) = (width, height, 3);
    if frame.pixels.len() != 3 * width * height {
        return Err(failed(format!("{} bytes for {width} x {height} pixels", frame.pixels.len())));
    }
    Ok(())
}
