//! Surfaces made from a seed, and what a camera makes of them.

mod random_scene;
mod sensor;
mod shape;

pub use random_scene::{SceneOptions, Split};
pub use sensor::{Levels, Sensor};
pub use shape::Shape;

use crate::PsiError;
use crate::random::Draws;

/// A surface: a sum of [`Shape`]s.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PsiScene {
    /// What is added up, in order.
    pub shapes: Vec<Shape>,
}

impl PsiScene {
    /// The scene of the published training pipeline: `15 exp(-((x - 0.2)^2 + (y + 0.3)^2) / 0.2) + 5 x + 2.5 y +
    /// 10 |(x + 0.5, y - 0.4)|`, without any random number.
    #[must_use]
    pub fn reference() -> Self {
        Self {
            shapes: vec![
                Shape::Gaussian { amplitude_um: 15.0, centre: [0.2, -0.3], width: 0.2 },
                Shape::Plane { offset_um: 0.0, slope_um: [5.0, 2.5] },
                Shape::Cone { slope_um: 10.0, centre: [-0.5, 0.4] },
            ],
        }
    }

    /// The second scene of that pipeline: five cone-shaped bumps, 40 um high and 50 pixels wide, on whole pixels of a square
    /// image at least 25 pixels from its edges; here from a seed.
    ///
    /// # Errors
    /// [`PsiError::Option`] for an image in which no bump has room.
    pub fn cone_bumps(edge_px: usize, seed: u64) -> Result<Self, PsiError> {
        const BUMPS: usize = 5;
        const DIAMETER_PX: usize = 50;
        if edge_px < 2 * DIAMETER_PX + 1 {
            let why = format!("expected at least {} pixels, so that bumps have room", 2 * DIAMETER_PX + 1);
            return Err(PsiError::Option { name: "image_size", value: edge_px.to_string(), why });
        }
        let mut random = Draws::at(seed, &[edge_px as u64]);
        let scale = 2.0 / (edge_px - 1) as f64;
        let mut place = || (DIAMETER_PX + random.below(edge_px - 2 * DIAMETER_PX)) as f64 * scale - 1.0;
        let mut bump =
            |_| Shape::Bump { height_um: 40.0, centre: [place(), place()], radius: DIAMETER_PX as f64 / 2.0 * scale };
        Ok(Self { shapes: (0..BUMPS).map(&mut bump).collect() })
    }

    /// Heights in um of an image `[H, W]`, row by row: the first and last pixel of an axis lie on -1 and 1.
    #[must_use]
    pub fn height_um(&self, [height, width]: [usize; 2]) -> Vec<f64> {
        let along = |i: usize, n: usize| if n > 1 { -1.0 + 2.0 * i as f64 / (n - 1) as f64 } else { -1.0 };
        let mut heights = Vec::with_capacity(height * width);
        for row in 0..height {
            let y = along(row, height);
            for column in 0..width {
                let point = [along(column, width), y];
                heights.push(self.shapes.iter().map(|shape| shape.height_um(point)).sum());
            }
        }
        heights
    }

    /// Two heights in um between which the surface stays.
    #[must_use]
    pub fn bounds_um(&self) -> [f64; 2] {
        self.shapes.iter().map(Shape::bounds_um).fold([0.0; 2], |[low, high], [a, b]| [low + a, high + b])
    }
}
