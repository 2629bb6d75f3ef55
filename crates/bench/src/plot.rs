//! Curves as a picture.

use std::convert::Infallible;

use embedded_graphics::Pixel;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use embedded_graphics::mono_font::{MonoTextStyle, ascii::FONT_7X13};
use embedded_graphics::pixelcolor::{Rgb888, RgbColor as _};
use embedded_graphics::primitives::{Line, Primitive as _, PrimitiveStyle};
use embedded_graphics::{Drawable as _, text::Text};

use crate::BenchError;

const SIZE: [usize; 2] = [800, 480];
/// Pixels around the axes: left, top, right, bottom.
const MARGIN: [i32; 4] = [80, 40, 20, 40];
/// Marks along each axis.
const TICKS: i32 = 5;
const INK: Rgb888 = Rgb888::new(40, 40, 40);
const GRID: Rgb888 = Rgb888::new(225, 225, 225);
/// Colours of the curves (Okabe and Ito, told apart by colour-blind readers, too).
const COLOURS: [[u8; 3]; 5] = [[0, 114, 178], [213, 94, 0], [0, 158, 115], [204, 121, 167], [86, 180, 233]];

/// A line of a [`LinePlot`].
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// Its name in the legend.
    pub name: String,
    /// Points `[x, y]`, in order.
    pub points: Vec<[f64; 2]>,
}

impl Curve {
    /// A line through these points.
    #[must_use]
    pub fn new(name: impl Into<String>, points: Vec<[f64; 2]>) -> Self {
        Self { name: name.into(), points }
    }
}

/// Curves over a logarithmic axis, as losses over epochs. Points that are not finite or not positive are left out.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LinePlot {
    /// Text above; characters outside ASCII become `?`.
    pub title: String,
    /// Text below the axis of x.
    pub x_label: String,
    /// The curves; the first are drawn below the others.
    pub curves: Vec<Curve>,
}

impl LinePlot {
    /// A picture of these curves.
    #[must_use]
    pub fn new(title: impl Into<String>, x_label: impl Into<String>, curves: Vec<Curve>) -> Self {
        Self { title: title.into(), x_label: x_label.into(), curves }
    }

    /// The bytes of a PNG file of 800 x 480 pixels.
    ///
    /// # Errors
    /// [`BenchError::Workload`] when the encoder refuses.
    pub fn to_png(&self) -> Result<Vec<u8>, BenchError> {
        let canvas = self.draw();
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, SIZE[0] as u32, SIZE[1] as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let refused = |error: png::EncodingError| BenchError::Workload { name: "plot".into(), source: error.into() };
        let mut writer = encoder.write_header().map_err(refused)?;
        writer.write_image_data(&canvas.rgb).map_err(refused)?;
        writer.finish().map_err(refused)?;
        Ok(bytes)
    }

    fn draw(&self) -> Canvas {
        let mut canvas = Canvas { rgb: vec![255; 3 * SIZE[0] * SIZE[1]] };
        let curves: Vec<Vec<[f64; 2]>> = self.curves.iter().map(|curve| logarithmic(&curve.points)).collect();
        let axes = Axes::of(&curves);
        let [left, top, right, bottom] = MARGIN;
        let (width, height) = (SIZE[0] as i32 - left - right, SIZE[1] as i32 - top - bottom);
        let [[x0, x1], [y0, y1]] = axes.ranges;
        for tick in 0..=TICKS {
            let share = f64::from(tick) / f64::from(TICKS);
            let (x, y) = (left + width * tick / TICKS, top + height - height * tick / TICKS);
            canvas.line([left, y], [left + width, y], GRID);
            canvas.line([x, top], [x, top + height], GRID);
            canvas.text([8, y + 4], &format!("{:.2e}", 10.0_f64.powf(y0 + share * (y1 - y0))), INK);
            canvas.text([x - 14, top + height + 16], &format!("{:.4}", x0 + share * (x1 - x0)), INK);
        }
        canvas.text([left, 18], &self.title, INK);
        canvas.text([left + width / 2 - 20, top + height + 32], &self.x_label, INK);
        let place = |[x, y]: [f64; 2]| {
            let along =
                |value: f64, [low, high]: [f64; 2], length: i32| (value - low) / (high - low) * f64::from(length);
            let [x_range, y_range] = axes.ranges;
            [left + along(x, x_range, width).round() as i32, top + height - along(y, y_range, height).round() as i32]
        };
        for (index, (points, curve)) in curves.iter().zip(&self.curves).enumerate() {
            let [r, g, b] = COLOURS[index % COLOURS.len()];
            let colour = Rgb888::new(r, g, b);
            for pair in points.windows(2) {
                canvas.line(place(pair[0]), place(pair[1]), colour);
            }
            let y = top + 16 + 16 * index as i32;
            canvas.line([left + width - 150, y - 4], [left + width - 126, y - 4], colour);
            canvas.text([left + width - 120, y], &curve.name, INK);
        }
        canvas
    }
}

/// Points with the logarithm of y.
fn logarithmic(points: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let drawn = points.iter().filter(|[x, y]| x.is_finite() && y.is_finite() && *y > 0.0);
    drawn.map(|[x, y]| [*x, y.log10()]).collect()
}

/// What the axes show, as `[least, most]` of x and of the logarithm of y.
struct Axes {
    ranges: [[f64; 2]; 2],
}

impl Axes {
    fn of(curves: &[Vec<[f64; 2]>]) -> Self {
        let range = |axis: usize| {
            let values = || curves.iter().flatten().map(|point| point[axis]);
            let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
            match (low.is_finite(), high > low) {
                (true, true) => [low, high],
                (true, false) => [low - 0.5, low + 0.5],
                _ => [0.0, 1.0],
            }
        };
        Self { ranges: [range(0), range(1)] }
    }
}

/// 8-bit red, green, blue, row by row from the top.
struct Canvas {
    rgb: Vec<u8>,
}

impl Canvas {
    fn line(&mut self, [x0, y0]: [i32; 2], [x1, y1]: [i32; 2], colour: Rgb888) {
        let style = PrimitiveStyle::with_stroke(colour, 1);
        // Drawing into memory can not fail.
        let _ = Line::new(Point::new(x0, y0), Point::new(x1, y1)).into_styled(style).draw(self);
    }

    fn text(&mut self, [x, y]: [i32; 2], text: &str, colour: Rgb888) {
        let text: String = text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect();
        let _ = Text::new(&text, Point::new(x, y), MonoTextStyle::new(&FONT_7X13, colour)).draw(self);
    }
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(SIZE[0] as u32, SIZE[1] as u32)
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(point, colour) in pixels {
            if let (Ok(x), Ok(y)) = (usize::try_from(point.x), usize::try_from(point.y))
                && x < SIZE[0]
                && y < SIZE[1]
            {
                let at = 3 * (y * SIZE[0] + x);
                self.rgb[at..at + 3].copy_from_slice(&[colour.r(), colour.g(), colour.b()]);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{COLOURS, Curve, LinePlot, SIZE};

    fn count(plot: &LinePlot, colour: [u8; 3]) -> usize {
        plot.draw().rgb.chunks(3).filter(|pixel| *pixel == colour).count()
    }

    #[test]
    fn curves_are_drawn_and_bad_points_left_out() {
        let falling: Vec<[f64; 2]> = (0..50).map(|i| [f64::from(i), (-0.1 * f64::from(i)).exp()]).collect();
        let bad = vec![[0.0, f64::NAN], [1.0, -1.0], [2.0, 0.0]];
        let plot = LinePlot::new("loss \u{3bc}", "epoch", vec![Curve::new("train", falling), Curve::new("bad", bad)]);
        // A straight line from corner to corner of the logarithmic axes, and its legend.
        assert!(count(&plot, COLOURS[0]) > 600, "{}", count(&plot, COLOURS[0]));
        assert!((1..=30).contains(&count(&plot, COLOURS[1])), "the legend alone");
        let bytes = plot.to_png().unwrap();
        let reader = png::Decoder::new(std::io::Cursor::new(&bytes)).read_info().unwrap();
        assert_eq!((reader.info().width as usize, reader.info().height as usize), (SIZE[0], SIZE[1]));
    }

    #[test]
    fn no_curve_and_one_value_are_pictures_too() {
        assert!(LinePlot::new("", "", Vec::new()).to_png().is_ok());
        let flat = LinePlot::new("", "", vec![Curve::new("flat", vec![[1.0, 2.0], [1.0, 2.0], [2.0, 2.0]])]);
        assert!(count(&flat, COLOURS[0]) > 300);
    }
}
