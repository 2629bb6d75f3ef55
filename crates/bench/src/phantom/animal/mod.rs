//! A moving animal of ellipsoids, seen by several cameras: multi-view pictures whose truth is known.

mod body;
mod rig;
mod view;

pub use body::{AnimalPart, AnimalPose};
pub use rig::AnimalCamera;
pub use view::AnimalView;

use crate::BenchError;
use body::{pose, world_parts};

/// A rodent of 15 ellipsoids, about 126 mm long, that walks a figure eight on a floor at z = 0, and the cameras around it.
///
/// Everything is a closed formula of time but the noise of the pictures, which is seeded by camera and frame. World: z up,
/// millimetres. All cameras but one stand on a ring of 400 mm around (0, 0, 20), the last above.
///
/// ```
/// let animal = volkit_bench::AnimalPhantom::new([64, 48]);
/// let cameras = animal.cameras()?;
/// let view = animal.render(&cameras[0], 0.5, 10)?;
/// assert_eq!((view.colour.len(), view.mask.len()), (3 * 64 * 48, 64 * 48));
/// assert!(view.mask.contains(&255) && view.mask[0] == 0);
/// # Ok::<(), volkit_bench::BenchError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct AnimalPhantom {
    /// Columns and rows of the pictures.
    pub size: [usize; 2],
    /// Cameras, 4 to 12 (default 6).
    pub n_cameras: usize,
    /// By what the animal is enlarged (default 1).
    pub scale: f64,
    /// Standard deviation of the noise of the colours, of 255 (default 2).
    pub noise: f64,
    /// Colour of the background, 0 to 1 (default 0.6).
    pub background: f64,
    /// Seed of the noise (default 0).
    pub seed: u64,
}

impl AnimalPhantom {
    /// Six cameras with pictures of `size` columns and rows.
    #[must_use]
    pub fn new(size: [usize; 2]) -> Self {
        Self { size, n_cameras: 6, scale: 1.0, noise: 2.0, background: 0.6, seed: 0 }
    }

    /// The same with another number of cameras.
    #[must_use]
    pub fn with_cameras(self, n_cameras: usize) -> Self {
        Self { n_cameras, ..self }
    }

    /// The same with other noise, of 255.
    #[must_use]
    pub fn with_noise(self, noise: f64) -> Self {
        Self { noise, ..self }
    }

    /// The same before another grey, 0 to 1.
    #[must_use]
    pub fn with_background(self, background: f64) -> Self {
        Self { background, ..self }
    }

    /// Centre and heading at a time in seconds.
    #[must_use]
    pub fn pose(&self, time_secs: f64) -> AnimalPose {
        pose(time_secs)
    }

    /// The ellipsoids at a time in seconds, in the world.
    #[must_use]
    pub fn parts(&self, time_secs: f64) -> Vec<AnimalPart> {
        world_parts(time_secs, self.scale)
    }

    /// The cameras.
    ///
    /// # Errors
    /// [`BenchError::Parameter`] for a picture without pixels, or fewer than 4 or more than 12 cameras.
    pub fn cameras(&self) -> Result<Vec<AnimalCamera>, BenchError> {
        self.validate()?;
        Ok(rig::cameras(self.n_cameras, self.size))
    }

    /// What a camera sees at a time; `frame` seeds the noise.
    ///
    /// # Errors
    /// As [`AnimalPhantom::cameras`].
    pub fn render(&self, camera: &AnimalCamera, time_secs: f64, frame: u64) -> Result<AnimalView, BenchError> {
        self.validate()?;
        Ok(view::render(self, camera, time_secs, frame))
    }

    fn validate(&self) -> Result<(), BenchError> {
        let refuse = |name, value: String, why| Err(BenchError::Parameter { name, value, why });
        const MOST_PIXELS: usize = 1 << 15;
        if !self.size.iter().all(|n| (1..=MOST_PIXELS).contains(n)) {
            return refuse("size", format!("{:?}", self.size), "1 to 32768 pixels along an axis");
        }
        if !(4..=12).contains(&self.n_cameras) {
            return refuse("n_cameras", self.n_cameras.to_string(), "4 to 12");
        }
        if !(self.scale > 0.0 && self.scale.is_finite()) {
            return refuse("scale", self.scale.to_string(), "positive");
        }
        if !(self.noise >= 0.0 && self.noise.is_finite() && (0.0..=1.0).contains(&self.background)) {
            let value = format!("{}, {}", self.noise, self.background);
            return refuse("noise, background", value, "not negative; 0 to 1");
        }
        Ok(())
    }
}
