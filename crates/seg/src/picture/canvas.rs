//! A picture in memory, with boxes and text.

use std::convert::Infallible;

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle, ascii};
use embedded_graphics::pixelcolor::{Rgb888, RgbColor as _};
use embedded_graphics::text::{Baseline, Text};
use embedded_graphics::{Drawable as _, Pixel};

/// A picture: 8-bit red, green, blue, row by row from the top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
}

/// Sizes of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextSize {
    Small,
    Normal,
    Large,
}

impl TextSize {
    fn font(self) -> &'static MonoFont<'static> {
        match self {
            Self::Small => &ascii::FONT_6X13,
            Self::Normal => &ascii::FONT_7X13,
            Self::Large => &ascii::FONT_9X15_BOLD,
        }
    }

    /// Pixels from one character to the next.
    pub(super) fn advance(self) -> usize {
        self.font().character_size.width as usize
    }

    /// Pixels from the top of a line to its bottom.
    pub(super) fn height(self) -> usize {
        self.font().character_size.height as usize
    }
}

impl Picture {
    /// A picture of one colour.
    #[must_use]
    pub fn filled(width: usize, height: usize, colour: [u8; 3]) -> Self {
        Self { width, height, rgb: colour.repeat(width * height) }
    }

    /// Pixels of a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// The bytes, three a pixel, row by row from the top.
    #[must_use]
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// Colour of a pixel, if it is inside.
    #[must_use]
    pub fn pixel(&self, x: usize, y: usize) -> Option<[u8; 3]> {
        let at = 3 * (y * self.width + x);
        (x < self.width && y < self.height).then(|| [self.rgb[at], self.rgb[at + 1], self.rgb[at + 2]])
    }

    pub(super) fn set(&mut self, x: usize, y: usize, colour: [u8; 3]) {
        if x < self.width && y < self.height {
            let at = 3 * (y * self.width + x);
            self.rgb[at..at + 3].copy_from_slice(&colour);
        }
    }

    pub(super) fn fill(&mut self, [x, y]: [usize; 2], [width, height]: [usize; 2], colour: [u8; 3]) {
        for row in y..y + height {
            for column in x..x + width {
                self.set(column, row, colour);
            }
        }
    }

    /// Writes a line of text whose top left corner is `[x, y]`; characters outside ASCII become `?`.
    pub(super) fn text(&mut self, [x, y]: [usize; 2], text: &str, size: TextSize, [r, g, b]: [u8; 3]) {
        let text: String = text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect();
        let style = MonoTextStyle::new(size.font(), Rgb888::new(r, g, b));
        let origin = Point::new(x as i32, y as i32);
        // Drawing into memory can not fail.
        let _ = Text::with_baseline(&text, origin, style, Baseline::Top).draw(self);
    }
}

impl OriginDimensions for Picture {
    fn size(&self) -> Size {
        Size::new(self.width as u32, self.height as u32)
    }
}

impl DrawTarget for Picture {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(point, colour) in pixels {
            if let (Ok(x), Ok(y)) = (usize::try_from(point.x), usize::try_from(point.y)) {
                self.set(x, y, [colour.r(), colour.g(), colour.b()]);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Picture, TextSize};

    #[test]
    fn boxes_and_text_stay_inside() {
        let mut picture = Picture::filled(20, 16, [1, 2, 3]);
        picture.fill([18, 14], [10, 10], [9, 9, 9]);
        assert_eq!(picture.pixel(19, 15), Some([9, 9, 9]));
        assert_eq!(picture.pixel(17, 15), Some([1, 2, 3]));
        assert_eq!(picture.pixel(20, 0), None);
        picture.text([0, 0], "H\u{e9}", TextSize::Large, [255; 3]);
        let bright = picture.rgb().chunks(3).filter(|pixel| pixel == &[255; 3]).count();
        assert!((10..120).contains(&bright), "{bright}");
        assert_eq!(picture.rgb().len(), 3 * 20 * 16);
    }
}
