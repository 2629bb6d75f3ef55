//! PNG pictures.

use std::io::{BufRead, Seek};

use super::Frame;
use crate::PoseError;

/// Most bytes that decoding a picture may take.
const MOST_BYTES: usize = 1 << 30;

/// Decodes a PNG picture of 8 or 16 bits into `frame`; transparency is left out. `what` names it in errors.
///
/// # Errors
/// [`PoseError::Read`].
pub fn read_png(input: impl BufRead + Seek, what: &str, frame: &mut Frame) -> Result<(), PoseError> {
    let failed = |error: png::DecodingError| PoseError::read(what, error);
    let mut decoder = png::Decoder::new_with_limits(input, png::Limits { bytes: MOST_BYTES });
    decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(failed)?;
    let n_bytes = reader.output_buffer_size().filter(|n| *n <= MOST_BYTES);
    let n_bytes = n_bytes.ok_or_else(|| failed(png::DecodingError::LimitsExceeded))?;
    frame.pixels.resize(n_bytes, 0);
    let info = reader.next_frame(&mut frame.pixels).map_err(failed)?;
    frame.pixels.truncate(info.buffer_size());
    (frame.width, frame.height) = (info.width as usize, info.height as usize);
    let samples = info.color_type.samples();
    frame.channels = if samples < 3 { 1 } else { 3 };
    if samples != frame.channels {
        // Alpha is the last sample.
        let kept: Vec<u8> =
            frame.pixels.chunks_exact(samples).flat_map(|pixel| &pixel[..samples - 1]).copied().collect();
        frame.pixels = kept;
    }
    Ok(())
}
