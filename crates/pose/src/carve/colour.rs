//! Colours of carved points: the mean of what the views show, of those first that see the point.

use super::{CarveGrid, Carver, Level, Pose};
use crate::PoseError;
use crate::views::{FrameViews, PIXEL};

/// How much farther than the nearest point of its pixel a point may be and still be seen, in distances of grid points.
const DEPTH_TOLERANCE: f64 = 1.5;

/// How colours of points are taken from the views.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct ColourRules {
    /// Weight of a view that another point hides this one from (default 0.02); 1 is the plain mean.
    pub occluded_weight: f32,
    /// Colour of points that are empty (default 0.38).
    pub fill: f32,
    /// Whether the colours of points that one view misses are mixed with the fill half by half, and pixels outside of the
    /// mask count as what they show: as published (default false).
    pub reference: bool,
}

impl Default for ColourRules {
    fn default() -> Self {
        Self { occluded_weight: 0.02, fill: 0.38, reference: false }
    }
}

impl ColourRules {
    /// As published: in effect the plain mean over all views.
    #[must_use]
    pub fn as_published(fill: f32) -> Self {
        Self { occluded_weight: 1.0, fill, reference: true }
    }

    /// The same with another colour of empty points.
    #[must_use]
    pub fn with_fill(self, fill: f32) -> Self {
        Self { fill, ..self }
    }
}

/// What the network sees.
#[derive(Clone, Debug, PartialEq)]
pub struct CarvedVolume {
    /// Points along each axis.
    pub dims: [usize; 3],
    /// `[4, n0, n1, n2]`: 0, 1/2 or 1 for empty, shell and core; red, green, blue.
    pub values: Vec<f32>,
    /// Points that are not empty, in order, and their levels.
    pub occupied: Vec<(usize, Level)>,
}

impl Carver {
    /// Carves a frame and colours what is left.
    ///
    /// # Errors
    /// Those of [`Carver::hull`].
    pub fn volume(
        &self,
        views: &FrameViews,
        grid: &CarveGrid,
        pose: &Pose,
        rules: &ColourRules,
    ) -> Result<CarvedVolume, PoseError> {
        let hull = self.hull(views, grid, pose)?;
        let occupied: Vec<_> = hull.occupied().collect();
        let mut colours = vec![Mean::default(); occupied.len()];
        for (view, camera) in self.observed() {
            let seen = Seen::new(&grid.projection(camera, pose), &occupied, grid, views.size);
            let reach = 0.5 * camera.intrinsic[0][0] * grid.spacing();
            let depths = seen.nearest_depths(reach, views.size);
            let pixels = views.view(*view);
            for (mean, place) in colours.iter_mut().zip(&seen.places) {
                let Some(place) = place else { continue };
                let is_seen = place.depth <= f64::from(depths[place.pixel]) + DEPTH_TOLERANCE * grid.spacing();
                let pixel = &pixels[place.pixel * PIXEL..];
                let inside = if rules.reference { 1.0 } else { f32::from(pixel[3]) / 255.0 };
                mean.add(pixel, inside * if is_seen { 1.0 } else { rules.occluded_weight });
            }
        }
        Ok(assembled(grid.dims(), &occupied, &colours, rules))
    }
}

/// A weighted mean of colours.
#[derive(Clone, Copy, Default)]
struct Mean {
    sum: [f32; 3],
    weight: f32,
}

impl Mean {
    fn add(&mut self, pixel: &[u8], weight: f32) {
        for (sum, c) in self.sum.iter_mut().zip(pixel) {
            *sum += weight * f32::from(*c) / 255.0;
        }
        self.weight += weight;
    }
}

fn assembled(dims: [usize; 3], occupied: &[(usize, Level)], colours: &[Mean], rules: &ColourRules) -> CarvedVolume {
    let n: usize = dims.iter().product();
    let mut values = vec![0.0; 4 * n];
    values[n..].fill(rules.fill);
    for ((index, level), mean) in occupied.iter().zip(colours) {
        values[*index] = if *level == Level::Core { 1.0 } else { 0.5 };
        if mean.weight <= 0.0 {
            continue;
        }
        for (channel, sum) in mean.sum.iter().enumerate() {
            let colour = sum / mean.weight;
            let is_mixed = rules.reference && *level == Level::Shell;
            values[(channel + 1) * n + index] = if is_mixed { 0.5 * (rules.fill + colour) } else { colour };
        }
    }
    CarvedVolume { dims, values, occupied: occupied.to_vec() }
}

/// Where a point lies in a picture.
#[derive(Clone, Copy)]
struct Place {
    pixel: usize,
    depth: f64,
}

/// The points of a hull as one view has them; none where the picture does not show them.
struct Seen {
    places: Vec<Option<Place>>,
}

impl Seen {
    fn new(p: &[[f64; 4]; 3], occupied: &[(usize, Level)], grid: &CarveGrid, [width, height]: [usize; 2]) -> Self {
        let place = |(index, _): &(usize, Level)| {
            let [i, j, k] = grid.unravel(*index).map(|x| x as f64);
            let [u, v, depth] = p.map(|row| row[0] * i + row[1] * j + row[2] * k + row[3]);
            let (x, y) = ((u / depth).round_ties_even(), (v / depth).round_ties_even());
            let is_shown = depth > 0.0 && x >= 0.0 && y >= 0.0 && x < width as f64 && y < height as f64;
            is_shown.then(|| Place { pixel: y as usize * width + x as usize, depth })
        };
        Self { places: occupied.iter().map(place).collect() }
    }

    /// The smallest depth of the points over each pixel; a point covers the square of pixels that is as wide as the
    /// distance to its neighbours, `reach_px / depth` pixels to each side.
    fn nearest_depths(&self, reach_px: f64, [width, height]: [usize; 2]) -> Vec<f32> {
        let mut depths = vec![f32::INFINITY; width * height];
        for place in self.places.iter().flatten() {
            let side = (reach_px / place.depth + 0.5) as usize;
            let (x, y) = (place.pixel % width, place.pixel / width);
            for row in y.saturating_sub(side)..=(y + side).min(height - 1) {
                let start = row * width;
                for depth in &mut depths[start + x.saturating_sub(side)..=start + (x + side).min(width - 1)] {
                    *depth = depth.min(place.depth as f32);
                }
            }
        }
        depths
    }
}
