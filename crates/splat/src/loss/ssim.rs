//! Structural similarity over windows of 11 x 11 pixels, with its gradient.
//!
//! Per channel, with `G` the blur by a Gaussian of standard deviation 1.5 and `x`, `y` the two pictures:
//! `mu1 = G x`, `mu2 = G y`, `s1 = G x^2 - mu1^2`, `s2 = G y^2 - mu2^2`, `s12 = G xy - mu1 mu2` and
//! `ssim = (2 mu1 mu2 + C1) (2 s12 + C2) / ((mu1^2 + mu2^2 + C1) (s1 + s2 + C2))`. (Wang et al., 2004.)

use std::sync::Arc;

use volkit_kernels::Threads;

use crate::SplatError;

use super::check_pair;

/// The window along one axis: a Gaussian of standard deviation 1.5, sum 1.
const TAPS: [f32; 11] = [
    0.001_028_38,
    0.007_598_76,
    0.036_000_77,
    0.109_360_69,
    0.213_005_54,
    0.266_011_72,
    0.213_005_54,
    0.109_360_69,
    0.036_000_77,
    0.007_598_76,
    0.001_028_38,
];
const RADIUS: usize = TAPS.len() / 2;
const C1: f32 = 1e-4;
const C2: f32 = 9e-4;

/// What a blurred plane holds of a pixel of either picture.
type Product = fn((&f32, &f32)) -> f32;

/// What happens where the window leaves the picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SsimBorder {
    /// Zeros are put around the picture, and the mean is over all pixels (INRIA; gsplat on the CPU).
    #[default]
    Same,
    /// The mean is over the pixels whose whole window lies within the picture (gsplat with `fused_ssim`).
    Valid,
}

/// Computes similarities; keeps its memory from call to call.
#[derive(Debug)]
pub struct Ssim {
    border: SsimBorder,
    threads: Arc<Threads>,
    channels: [Channel; 3],
}

/// Planes of one channel.
#[derive(Debug, Default)]
struct Channel {
    x: Vec<f32>,
    y: Vec<f32>,
    room: Vec<f32>,
    /// `mu1, mu2, G x^2, G y^2, G xy`; then the derivatives by `mu1`, `G x^2` and `G xy` in the first three.
    blurred: [Vec<f32>; 5],
    sum: f64,
}

impl Ssim {
    /// Similarities with that border.
    #[must_use]
    pub fn new(border: SsimBorder, threads: Arc<Threads>) -> Self {
        Self { border, threads, channels: Default::default() }
    }

    /// The mean similarity of two pictures `[H, W, 3]` of `size` rows and columns; adds `weight` times its gradient by
    /// the prediction to `gradient`.
    ///
    /// # Errors
    /// [`SplatError::Length`]; [`SplatError::Parameter`] for a picture without pixels, or below 11 x 11 with
    /// [`SsimBorder::Valid`].
    pub fn evaluate(
        &mut self,
        size: [usize; 2],
        [prediction, target]: [&[f32]; 2],
        weight: f32,
        gradient: &mut [f32],
    ) -> Result<f64, SplatError> {
        let n = size[0] * size[1];
        SplatError::check_len("prediction", prediction.len(), 3 * n)?;
        check_pair(prediction, target, gradient)?;
        let inside = match self.border {
            SsimBorder::Same => [0..size[0], 0..size[1]],
            SsimBorder::Valid => size.map(|len| RADIUS..len.saturating_sub(RADIUS)),
        };
        if inside.iter().any(std::ops::Range::is_empty) {
            let value = format!("{} x {}", size[1], size[0]);
            return Err(SplatError::Parameter { name: "picture", value, why: "at least one window" });
        }
        let count = 3 * inside[0].len() * inside[1].len();
        let step = (f64::from(weight) / count as f64) as f32;
        let mut numbered: Vec<_> = self.channels.iter_mut().enumerate().collect();
        self.threads.for_each_mut(&mut numbered, |(c, channel)| {
            channel.take([prediction, target], *c);
            channel.measure(size, &inside, step);
            for plane in 0..3 {
                blur(&mut channel.blurred[plane], &mut channel.room, size[1]);
            }
        });
        for (c, channel) in self.channels.iter().enumerate() {
            let [by_mean, by_square, by_product, ..] = &channel.blurred;
            for (i, g) in gradient.iter_mut().skip(c).step_by(3).enumerate() {
                *g += by_mean[i] + 2.0 * channel.x[i] * by_square[i] + channel.y[i] * by_product[i];
            }
        }
        Ok(self.channels.iter().map(|channel| channel.sum).sum::<f64>() / count as f64)
    }
}

impl Channel {
    /// Copies channel `c` out of both pictures.
    fn take(&mut self, pictures: [&[f32]; 2], c: usize) {
        for (plane, picture) in [&mut self.x, &mut self.y].into_iter().zip(pictures) {
            plane.clear();
            plane.extend(picture.iter().skip(c).step_by(3));
        }
    }

    /// Sums the similarity of the pixels `inside`, and puts `step` times its derivatives into the planes.
    fn measure(&mut self, size: [usize; 2], inside: &[std::ops::Range<usize>; 2], step: f32) {
        let pairs = || self.x.iter().zip(&self.y);
        self.blurred[0].clone_from(&self.x);
        self.blurred[1].clone_from(&self.y);
        let products: [Product; 3] = [|(x, _)| x * x, |(_, y)| y * y, |(x, y)| x * y];
        for (plane, product) in self.blurred[2..].iter_mut().zip(products) {
            plane.clear();
            plane.extend(pairs().map(product));
        }
        for plane in &mut self.blurred {
            blur(plane, &mut self.room, size[1]);
        }
        self.sum = 0.0;
        let [mu1, mu2, xx, yy, xy] = &mut self.blurred;
        for row in 0..size[0] {
            let mut sum = 0.0;
            // Five planes at once.
            #[allow(clippy::needless_range_loop)]
            for i in row * size[1]..(row + 1) * size[1] {
                let is_inside = inside[0].contains(&row) && inside[1].contains(&(i - row * size[1]));
                if !is_inside {
                    (mu1[i], xx[i], xy[i]) = (0.0, 0.0, 0.0);
                    continue;
                }
                let (m1, m2) = (mu1[i], mu2[i]);
                let a1 = 2.0 * m1 * m2 + C1;
                let a2 = 2.0 * (xy[i] - m1 * m2) + C2;
                let b1 = m1 * m1 + m2 * m2 + C1;
                let b2 = (xx[i] - m1 * m1) + (yy[i] - m2 * m2) + C2;
                let scale = 1.0 / (b1 * b2);
                let q = a1 * a2 * scale;
                sum += f64::from(q);
                mu1[i] = step * (2.0 * m2 * (a2 - a1) * scale - 2.0 * m1 * q * (1.0 / b1 - 1.0 / b2));
                xx[i] = -step * q / b2;
                xy[i] = step * 2.0 * a1 * scale;
            }
            self.sum += sum;
        }
        // The maps stand in planes 0, 2 and 4; the last is moved beside the others.
        self.blurred.swap(1, 2);
        self.blurred.swap(2, 4);
    }
}

/// Blurs a plane of `width` columns in both directions; zeros lie around it.
fn blur(plane: &mut Vec<f32>, room: &mut Vec<f32>, width: usize) {
    let mut padded = vec![0.0; width + 2 * RADIUS];
    for row in plane.chunks_exact_mut(width) {
        padded[RADIUS..RADIUS + width].copy_from_slice(row);
        for (i, out) in row.iter_mut().enumerate() {
            let window = &padded[i..i + TAPS.len()];
            *out = window.iter().zip(TAPS).map(|(x, tap)| x * tap).sum();
        }
    }
    room.clear();
    room.resize(plane.len(), 0.0);
    let height = plane.len() / width;
    for (y, out) in room.chunks_exact_mut(width).enumerate() {
        for (k, tap) in TAPS.into_iter().enumerate() {
            let Some(from) = (y + k).checked_sub(RADIUS).filter(|from| *from < height) else { continue };
            for (out, x) in out.iter_mut().zip(&plane[from * width..(from + 1) * width]) {
                *out += tap * x;
            }
        }
    }
    std::mem::swap(plane, room);
}

#[cfg(test)]
mod tests {
    use super::{Ssim, SsimBorder};
    use std::sync::Arc;
    use volkit_kernels::Threads;

    fn of(border: SsimBorder) -> Ssim {
        Ssim::new(border, Arc::new(Threads::single()))
    }

    fn picture(n: usize, seed: usize) -> Vec<f32> {
        (0..n).map(|i| 0.5 + 0.4 * ((i * 7 + seed * 13) as f32 * 0.37).sin() + 0.1 * (i as f32 * 0.05).cos()).collect()
    }

    /// By the definition, in `f64`.
    fn plain(size: [usize; 2], x: &[f32], y: &[f32], border: SsimBorder) -> f64 {
        let [h, w] = size.map(|n| n as isize);
        let tap = |d: isize| (-(d * d) as f64 / 4.5).exp();
        let total: f64 = (-5..=5).map(tap).sum();
        let margin = if border == SsimBorder::Valid { 5 } else { 0 };
        let (mut sum, mut count) = (0.0, 0.0);
        for c in 0..3 {
            for row in margin..h - margin {
                for column in margin..w - margin {
                    let mut m = [0.0; 5];
                    for dy in -5..=5 {
                        for dx in -5..=5 {
                            let (r, k) = (row + dy, column + dx);
                            if r < 0 || k < 0 || r >= h || k >= w {
                                continue;
                            }
                            let at = (3 * (r * w + k)) as usize + c;
                            let (a, b) = (f64::from(x[at]), f64::from(y[at]));
                            let weight = tap(dy) * tap(dx) / (total * total);
                            for (m, v) in m.iter_mut().zip([a, b, a * a, b * b, a * b]) {
                                *m += weight * v;
                            }
                        }
                    }
                    let [m1, m2, xx, yy, xy] = m;
                    let top = (2.0 * m1 * m2 + 1e-4) * (2.0 * (xy - m1 * m2) + 9e-4);
                    let bottom = (m1 * m1 + m2 * m2 + 1e-4) * (xx - m1 * m1 + yy - m2 * m2 + 9e-4);
                    sum += top / bottom;
                    count += 1.0;
                }
            }
        }
        sum / count
    }

    #[test]
    fn value_and_gradient_by_the_definition() {
        let size = [13, 17];
        let (x, y) = (picture(3 * 13 * 17, 1), picture(3 * 13 * 17, 2));
        for border in [SsimBorder::Same, SsimBorder::Valid] {
            let mut gradient = vec![0.0; x.len()];
            let mut ssim = of(border);
            let got = ssim.evaluate(size, [&x, &y], 1.0, &mut gradient).unwrap();
            assert!((got - plain(size, &x, &y, border)).abs() < 2e-6, "{border:?}");
            let largest = gradient.iter().fold(0.0f32, |most, g| most.max(g.abs()));
            for at in [0, 100, 333, 340, 500, 662] {
                let side = |h: f32| {
                    let mut x = x.clone();
                    x[at] += h;
                    plain(size, &x, &y, border)
                };
                let wanted = (side(5e-3) - side(-5e-3)) / 1e-2;
                assert!((wanted - f64::from(gradient[at])).abs() < 2e-3 * f64::from(largest), "{border:?} {at}");
            }
            // The same bits again, from used memory and on two threads.
            for ssim in [&mut ssim, &mut Ssim::new(border, Arc::new(Threads::new(2)))] {
                let mut again = vec![0.0; x.len()];
                assert_eq!(ssim.evaluate(size, [&x, &y], 1.0, &mut again).unwrap(), got);
                assert_eq!(again, gradient);
            }
        }
    }

    #[test]
    fn equal_pictures_are_as_similar_as_can_be() {
        let x = picture(3 * 144, 5);
        let mut gradient = vec![0.0; x.len()];
        let got = of(SsimBorder::Same).evaluate([12, 12], [&x, &x], 1.0, &mut gradient).unwrap();
        assert!((got - 1.0).abs() < 1e-6 && gradient.iter().all(|g| g.abs() < 1e-6));
    }

    #[test]
    fn bad_input() {
        let mut valid = of(SsimBorder::Valid);
        assert!(valid.evaluate([10, 20], [&[0.0; 600]; 2], 1.0, &mut [0.0; 600]).is_err());
        assert!(valid.evaluate([11, 11], [&[0.0; 363]; 2], 1.0, &mut [0.0; 363]).is_ok());
        let mut same = of(SsimBorder::Same);
        assert!(same.evaluate([0, 5], [&[], &[]], 1.0, &mut []).is_err());
        assert!(same.evaluate([2, 2], [&[0.0; 12], &[0.0; 11]], 1.0, &mut [0.0; 12]).is_err());
        assert!(same.evaluate([1, 1], [&[0.0; 3]; 2], 1.0, &mut [0.0; 3]).is_ok());
    }
}
