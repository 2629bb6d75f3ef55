//! Pictures as PNG.

use super::Picture;
use crate::SegError;

impl Picture {
    /// The bytes of a PNG file: 8-bit red, green, blue.
    ///
    /// # Errors
    /// [`SegError::Png`] when the encoder refuses, as for a picture without pixels.
    pub fn to_png(&self) -> Result<Vec<u8>, SegError> {
        let refused = |error: png::EncodingError| SegError::Png(error.into());
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.width() as u32, self.height() as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::High);
        let mut writer = encoder.write_header().map_err(refused)?;
        writer.write_image_data(self.rgb()).map_err(refused)?;
        writer.finish().map_err(refused)?;
        Ok(bytes)
    }
}
