//! A map of heights as a picture, with its scale of colours.

use anyhow::Result;
use embedded_graphics::draw_target::DrawTarget as _;
use embedded_graphics::geometry::{Point, Size};
use embedded_graphics::image::{Image, ImageRaw};
use embedded_graphics::mono_font::{MonoTextStyle, ascii};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::primitives::Rectangle;
use embedded_graphics::text::{Baseline, Text};
use embedded_graphics::{Drawable as _, prelude::RgbColor as _};
use volkit_psi::{ColourScale, Surface};
use volkit_seg::Picture;

const MARGIN: usize = 12;
const TITLE: usize = 26;
const BAR: usize = 16;
/// Room for a number beside the bar.
const NUMBERS: usize = 84;
/// Marks along the bar.
const MARKS: usize = 5;
/// Maps of fewer pixels are drawn larger.
const LEAST_EDGE: usize = 256;
/// Maps of more pixels are drawn smaller.
const MOST_EDGE: usize = 1024;

/// How a map is drawn.
pub(crate) struct MapPicture<'a> {
    /// Line above it.
    pub(crate) title: &'a str,
    /// Colours.
    pub(crate) scale: ColourScale,
    /// `[H, W]`.
    pub(crate) size: [usize; 2],
}

impl MapPicture<'_> {
    /// A surface; pixels that do not count are grey.
    pub(crate) fn of_surface(title: &str, surface: &Surface) -> Result<Vec<u8>> {
        let pixels = surface.height_um().iter().zip(surface.is_valid());
        let values: Vec<f64> = pixels.map(|(h, is_valid)| if *is_valid { *h } else { f64::NAN }).collect();
        MapPicture { title, scale: ColourScale::Sequential, size: surface.size() }.png(&values)
    }

    /// The bytes of a PNG of values in um, row by row.
    pub(crate) fn png(&self, values: &[f64]) -> Result<Vec<u8>> {
        let [height, width] = self.size;
        let longest = height.max(width).max(1);
        let (up, down) = ((LEAST_EDGE / longest).max(1), longest.div_ceil(MOST_EDGE));
        let (columns, rows) = (width.div_ceil(down) * up, height.div_ceil(down) * up);
        let range = self.scale.range(values);
        // Nearest neighbour: a pixel of the map is a square, or every nth is shown.
        let shown: Vec<f64> = (0..rows)
            .flat_map(|y| (0..columns).map(move |x| (y / up * down, x / up * down)))
            .map(|(y, x)| values.get(y * width + x).copied().unwrap_or(f64::NAN))
            .collect();
        let bar_height = rows.max(120);
        let total = [MARGIN * 3 + columns + BAR + NUMBERS, MARGIN * 2 + TITLE + bar_height];
        let mut picture = Picture::filled(total[0].max(9 * self.title.len()), total[1], [255; 3]);
        let text = |picture: &mut Picture, x: usize, y: usize, text: &str| {
            let style = MonoTextStyle::new(&ascii::FONT_7X13, Rgb888::BLACK);
            // Drawing into memory can not fail.
            let _ = Text::with_baseline(text, Point::new(x as i32, y as i32), style, Baseline::Top).draw(picture);
        };
        text(&mut picture, MARGIN, MARGIN, self.title);
        let colours = self.scale.paint(&shown, range);
        let top = MARGIN + TITLE;
        let raw: ImageRaw<'_, Rgb888> = ImageRaw::new(&colours, columns as u32);
        let _ = Image::new(&raw, Point::new(MARGIN as i32, top as i32)).draw(&mut picture);
        let left = MARGIN * 2 + columns;
        for row in 0..bar_height {
            let [r, g, b] = self.scale.colour(1.0 - row as f64 / (bar_height - 1) as f64);
            let area = Rectangle::new(Point::new(left as i32, (top + row) as i32), Size::new(BAR as u32, 1));
            let _ = picture.fill_solid(&area, Rgb888::new(r, g, b));
        }
        for mark in 0..MARKS {
            let part = mark as f64 / (MARKS - 1) as f64;
            let value = range[1] - part * (range[1] - range[0]);
            let y = top + (part * (bar_height - 13) as f64) as usize;
            text(&mut picture, left + BAR + 4, y, &format!("{} um", number(value, range[1] - range[0])));
        }
        Ok(picture.to_png()?)
    }
}

/// A number with the digits that its scale needs.
fn number(value: f64, span: f64) -> String {
    if span >= 1.0 {
        format!("{value:.2}")
    } else if span >= 0.01 {
        format!("{value:.4}")
    } else {
        format!("{value:.1e}")
    }
}

#[cfg(test)]
mod tests {
    use super::{MapPicture, number};
    use volkit_psi::ColourScale;

    #[test]
    fn numbers_show_their_scale() {
        assert_eq!((number(1.234, 10.0), number(0.01234, 0.1)), ("1.23".to_owned(), "0.0123".to_owned()));
        assert_eq!(number(1.2e-5, 1e-4), "1.2e-5");
    }

    #[test]
    fn maps_of_all_sizes_are_pictures() {
        for size in [[1, 1], [3, 500], [1500, 2], [0, 4]] {
            let values = vec![0.5; size[0] * size[1]];
            let map = MapPicture { title: "a map", scale: ColourScale::Diverging, size };
            assert!(map.png(&values).unwrap().starts_with(b"\x89PNG"), "{size:?}");
        }
    }
}
