//! Pictures and masks of the animal, by intersection of rays with its ellipsoids.

use super::AnimalPhantom;
use super::body::{AnimalPart, V3, add, apply, apply_transposed};
use super::rig::{AnimalCamera, unit};
use crate::Random;

/// Towards the light, and how bright what it does not reach is.
const LIGHT: V3 = [0.3, 0.2, 0.93];
const AMBIENT: f64 = 0.45;
/// How much stripes brighten and darken.
const STRIPES: f64 = 0.30;
/// Brightest colour: no pixel of the animal is white.
const BRIGHTEST: f64 = 0.97;
/// Samples of a pixel along each axis.
const SAMPLES: usize = 2;

/// What a camera sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnimalView {
    /// `[rows, columns, 3]`.
    pub colour: Vec<u8>,
    /// `[rows, columns]`: how much of each pixel the animal covers, 0 to 255.
    pub mask: Vec<u8>,
}

/// A part as one camera sees it.
struct Seen<'a> {
    part: &'a AnimalPart,
    /// The camera's place in the axes of the part, in units of its semi-axes.
    origin: V3,
    /// First and last column, first and last row that it may touch.
    bounds: [[f64; 2]; 2],
}

pub(super) fn render(phantom: &AnimalPhantom, camera: &AnimalCamera, time_secs: f64, frame: u64) -> AnimalView {
    let parts = phantom.parts(time_secs);
    let eye = apply_transposed(&camera.rotation, camera.translation).map(|x| -x);
    let seen: Vec<_> = parts.iter().map(|part| Seen::new(part, camera, eye)).collect();
    let [width, height] = camera.size;
    let mut view =
        AnimalView { colour: Vec::with_capacity(3 * width * height), mask: Vec::with_capacity(width * height) };
    let camera_seed = camera.translation.iter().fold(phantom.seed, |seed, x| seed.rotate_left(17) ^ x.to_bits());
    let mut random = Random::new(camera_seed ^ frame.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let mut spare = None;
    for row in 0..height {
        for column in 0..width {
            let (mut sum, mut hits) = ([0.0; 3], 0);
            for sample in 0..SAMPLES * SAMPLES {
                let offset = |k: usize| (k as f64 + 0.5) / SAMPLES as f64 - 0.5;
                let (x, y) = (column as f64 + offset(sample % SAMPLES), row as f64 + offset(sample / SAMPLES));
                let along = [x - camera.centre_px[0], y - camera.centre_px[1], camera.focal_px];
                let direction = apply_transposed(&camera.rotation, along);
                match nearest(&seen, [x, y], direction) {
                    Some(colour) => {
                        sum = add(sum, colour);
                        hits += 1;
                    }
                    None => sum = add(sum, [phantom.background; 3]),
                }
            }
            let n = (SAMPLES * SAMPLES) as f64;
            for channel in sum {
                let noise = spare.take().unwrap_or_else(|| {
                    let [now, later] = random.normal_pair();
                    spare = Some(later);
                    now
                });
                let value = 255.0 * channel / n + phantom.noise * noise;
                view.colour.push(value.round_ties_even().clamp(0.0, 255.0) as u8);
            }
            view.mask.push((255.0 * f64::from(hits) / n).round_ties_even() as u8);
        }
    }
    view
}

impl<'a> Seen<'a> {
    fn new(part: &'a AnimalPart, camera: &AnimalCamera, eye: V3) -> Self {
        let from_centre: V3 = std::array::from_fn(|k| eye[k] - part.centre[k]);
        let own = apply_transposed(&part.rotation, from_centre);
        let origin = std::array::from_fn(|k| own[k] / part.semi_axes[k]);
        let p = add(apply(&camera.rotation, part.centre), camera.translation);
        let radius = part.semi_axes.iter().fold(0.0, |most: f64, a| most.max(*a));
        let nearest = p[2] - radius;
        let bounds = if nearest > 0.0 {
            // The sphere around it lies within this many pixels of its centre's image.
            let tangent = (p[0].abs() + p[1].abs()) / p[2];
            let reach = camera.focal_px * radius * (1.0 + tangent) / nearest + 1.0;
            [0, 1].map(|k| {
                let centre = camera.focal_px * p[k] / p[2] + camera.centre_px[k];
                [centre - reach, centre + reach]
            })
        } else {
            [[f64::NEG_INFINITY, f64::INFINITY]; 2]
        };
        Self { part, origin, bounds }
    }

    /// How far along the ray the part is hit, and the direction in its own axes.
    fn hit(&self, direction: V3) -> Option<(f64, V3)> {
        let own = apply_transposed(&self.part.rotation, direction);
        let q: V3 = std::array::from_fn(|k| own[k] / self.part.semi_axes[k]);
        let dot = |a: V3, b: V3| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
        let (qq, qo, oo) = (dot(q, q), dot(q, self.origin), dot(self.origin, self.origin));
        let root = (qo * qo - qq * (oo - 1.0)).sqrt();
        // NaN for a miss.
        let s = (-qo - root) / qq;
        (s > 0.0).then_some((s, q))
    }

    /// Colour where the ray hits.
    fn colour(&self, s: f64, q: V3) -> V3 {
        let part = self.part;
        // The point in units of the semi-axes; the normal is that divided by them again.
        let point: V3 = std::array::from_fn(|k| self.origin[k] + s * q[k]);
        let normal = apply(&part.rotation, unit(std::array::from_fn(|k| point[k] / part.semi_axes[k])));
        let light = unit(LIGHT);
        let facing = (0..3).map(|k| normal[k] * light[k]).sum::<f64>().max(0.0);
        let texture = if part.stripes > 0.0 {
            let wave = (part.stripes * point[0] * part.semi_axes[0]).sin();
            1.0 + STRIPES
                * if wave > 0.0 {
                    1.0
                } else if wave < 0.0 {
                    -1.0
                } else {
                    0.0
                }
        } else {
            1.0
        };
        part.colour.map(|c| (c * texture * (AMBIENT + (1.0 - AMBIENT) * facing)).clamp(0.0, BRIGHTEST))
    }
}

/// Colour of what the ray through `pixel` hits first.
fn nearest(seen: &[Seen<'_>], pixel: [f64; 2], direction: V3) -> Option<V3> {
    let within = |part: &&Seen<'_>| (0..2).all(|k| (part.bounds[k][0]..=part.bounds[k][1]).contains(&pixel[k]));
    let hits = seen.iter().filter(within).filter_map(|part| part.hit(direction).map(|(s, q)| (s, q, part)));
    let first = hits.min_by(|a, b| a.0.total_cmp(&b.0))?;
    Some(first.2.colour(first.0, first.1))
}
