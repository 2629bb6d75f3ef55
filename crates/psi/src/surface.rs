//! A measured surface as metrology sees it: without placement, as roughness numbers.

use crate::PsiError;

/// The plane `piston + tilt_x x + tilt_y y` with x and y in pixels from the middle of the image.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Plane {
    /// In um.
    pub piston_um: f64,
    /// Along a row, in um a pixel.
    pub tilt_x_um: f64,
    /// Along a column, in um a pixel.
    pub tilt_y_um: f64,
}

/// Roughness of a surface (ISO 25178-2), in um, about its mean.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct SurfaceParameters {
    /// Arithmetical mean height.
    pub sa_um: f64,
    /// Root mean square height.
    pub sq_um: f64,
    /// Highest peak to lowest valley (Sz).
    pub pv_um: f64,
    /// Pixels that were counted.
    pub n_pixels: usize,
}

/// A height map `[H, W]` and which of its pixels count.
#[derive(Clone, Debug, PartialEq)]
pub struct Surface {
    size: [usize; 2],
    height_um: Vec<f64>,
    is_valid: Vec<bool>,
}

impl Surface {
    /// A map `[H, W]` of heights in um, row by row; pixels that are not finite do not count.
    ///
    /// # Errors
    /// [`PsiError::Length`] when the size and the number of heights differ.
    pub fn new(size: [usize; 2], height_um: Vec<f64>) -> Result<Self, PsiError> {
        let wanted = size[0] * size[1];
        if height_um.len() != wanted {
            return Err(PsiError::Length { what: "height map", got: height_um.len(), wanted });
        }
        let is_valid = height_um.iter().map(|h| h.is_finite()).collect();
        Ok(Self { size, height_um, is_valid })
    }

    /// Leaves out pixels whose fringes are weaker than `least` greys: dust, holes and shadow, whose phase is noise.
    ///
    /// # Errors
    /// [`PsiError::Length`] for another number of pixels.
    pub fn mask_low_modulation(&mut self, modulation: &[f32], least: f64) -> Result<(), PsiError> {
        if modulation.len() != self.height_um.len() {
            let (got, wanted) = (modulation.len(), self.height_um.len());
            return Err(PsiError::Length { what: "modulation", got, wanted });
        }
        for (is_valid, &m) in self.is_valid.iter_mut().zip(modulation) {
            *is_valid &= f64::from(m) >= least;
        }
        Ok(())
    }

    /// `[H, W]`.
    #[must_use]
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// Heights in um, row by row, those that do not count too.
    #[must_use]
    pub fn height_um(&self) -> &[f64] {
        &self.height_um
    }

    /// Which pixels count.
    #[must_use]
    pub fn is_valid(&self) -> &[bool] {
        &self.is_valid
    }

    /// The plane of least squares through the pixels that count; where they do not fix a tilt (one row, one column, one
    /// pixel) it is 0. None without any pixel.
    #[must_use]
    pub fn plane(&self) -> Option<Plane> {
        let [mut n, mut sx, mut sy, mut sh] = [0.0; 4];
        for (x, y, h) in self.points() {
            n += 1.0;
            sx += x;
            sy += y;
            sh += h;
        }
        if n == 0.0 {
            return None;
        }
        let (mx, my, mh) = (sx / n, sy / n, sh / n);
        let [mut xx, mut xy, mut yy, mut xh, mut yh] = [0.0; 5];
        for (x, y, h) in self.points() {
            let (x, y, h) = (x - mx, y - my, h - mh);
            xx += x * x;
            xy += x * y;
            yy += y * y;
            xh += x * h;
            yh += y * h;
        }
        let determinant = xx * yy - xy * xy;
        let ratio = |a: f64, b: f64| if b > 0.0 { a / b } else { 0.0 };
        let (tilt_x_um, tilt_y_um) = if determinant > 1e-9 * xx * yy {
            ((xh * yy - yh * xy) / determinant, (yh * xx - xh * xy) / determinant)
        } else if xx >= yy {
            (ratio(xh, xx), 0.0)
        } else {
            (0.0, ratio(yh, yy))
        };
        Some(Plane { piston_um: mh - tilt_x_um * mx - tilt_y_um * my, tilt_x_um, tilt_y_um })
    }

    /// Takes a plane away from all pixels.
    pub fn subtract(&mut self, plane: &Plane) {
        let width = self.size[1].max(1);
        for (i, h) in self.height_um.iter_mut().enumerate() {
            let [x, y] = from_middle(self.size, i, width);
            *h -= plane.piston_um + plane.tilt_x_um * x + plane.tilt_y_um * y;
        }
    }

    /// Roughness of the pixels that count; none without any.
    #[must_use]
    pub fn parameters(&self) -> Option<SurfaceParameters> {
        let heights = || self.points().map(|(_, _, h)| h);
        let n_pixels = heights().count();
        let low = heights().reduce(f64::min)?;
        let high = heights().reduce(f64::max)?;
        let n = n_pixels as f64;
        let mean = heights().sum::<f64>() / n;
        let sa_um = heights().map(|h| (h - mean).abs()).sum::<f64>() / n;
        let sq_um = (heights().map(|h| (h - mean) * (h - mean)).sum::<f64>() / n).sqrt();
        Some(SurfaceParameters { sa_um, sq_um, pv_um: high - low, n_pixels })
    }

    /// `(x, y, height)` of the pixels that count.
    fn points(&self) -> impl Iterator<Item = (f64, f64, f64)> {
        let width = self.size[1].max(1);
        let all = self.height_um.iter().zip(&self.is_valid).enumerate();
        all.filter(|(_, (_, is_valid))| **is_valid).map(move |(i, (h, _))| {
            let [x, y] = from_middle(self.size, i, width);
            (x, y, *h)
        })
    }
}

fn from_middle([height, columns]: [usize; 2], index: usize, width: usize) -> [f64; 2] {
    let place = |i: usize, n: usize| i as f64 - n.saturating_sub(1) as f64 / 2.0;
    [place(index % width, columns), place(index / width, height)]
}
