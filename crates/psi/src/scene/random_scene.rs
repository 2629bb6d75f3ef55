//! Scenes from a seed.

use std::f64::consts::TAU;

use super::{PsiScene, Shape};
use crate::PsiError;
use crate::random::{Draws, mix};

/// What a scene is for. No training scene is a test scene, whatever the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// Seen while training.
    Train,
    /// Held out.
    Test,
}

impl Split {
    /// The seed of scene `index`. For one `seed`, all scenes of both splits have different seeds: `2 index + split` goes
    /// through a bijection.
    #[must_use]
    pub fn scene_seed(self, seed: u64, index: u64) -> u64 {
        let split = match self {
            Self::Train => 0,
            Self::Test => 1,
        };
        mix(mix(seed) ^ mix(index.wrapping_mul(2).wrapping_add(split)))
    }
}

/// What random scenes are made of.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct SceneOptions {
    /// Heights that no pixel leaves, in um. Default: -5 to 35.
    pub height_range_um: [f64; 2],
    /// Most Gaussians; there is at least one. Default: 8.
    pub max_gaussians: usize,
    /// Most cone-shaped bumps. Default: 3.
    pub max_bumps: usize,
    /// Largest sum of amplitudes of the band-limited noise, in um. Default: 0.2.
    pub roughness_um: f64,
    /// Lowest and highest frequency of that noise, in periods over an edge. Default: 4 to 24.
    pub roughness_band: [f64; 2],
}

impl Default for SceneOptions {
    fn default() -> Self {
        Self {
            height_range_um: [-5.0, 35.0],
            max_gaussians: 8,
            max_bumps: 3,
            roughness_um: 0.2,
            roughness_band: [4.0, 24.0],
        }
    }
}

impl SceneOptions {
    /// With another range of heights in um.
    #[must_use]
    pub fn with_height_range_um(self, height_range_um: [f64; 2]) -> Self {
        Self { height_range_um, ..self }
    }

    /// With other numbers of Gaussians and bumps.
    #[must_use]
    pub fn with_counts(self, max_gaussians: usize, max_bumps: usize) -> Self {
        Self { max_gaussians, max_bumps, ..self }
    }

    /// With another roughness: amplitudes in um, periods over an edge.
    #[must_use]
    pub fn with_roughness(self, roughness_um: f64, roughness_band: [f64; 2]) -> Self {
        Self { roughness_um, roughness_band, ..self }
    }

    /// Checks that ranges are in order and not negative where that has no meaning.
    ///
    /// # Errors
    /// [`PsiError::Option`].
    pub fn validate(&self) -> Result<(), PsiError> {
        let wrong = |name, value: String, why: &str| Err(PsiError::Option { name, value, why: why.to_owned() });
        let [low, high] = self.height_range_um;
        if !(low.is_finite() && high.is_finite() && low < high) {
            let why = "expected two finite numbers, the first below the second";
            return wrong("height_range_um", format!("[{low}, {high}]"), why);
        }
        if !(1..=1000).contains(&self.max_gaussians) || self.max_bumps > 1000 {
            let counts = format!("{} and {}", self.max_gaussians, self.max_bumps);
            return wrong("max_gaussians, max_bumps", counts, "expected 1 to 1000 and 0 to 1000");
        }
        if !(self.roughness_um.is_finite() && (0.0..=high - low).contains(&self.roughness_um)) {
            return wrong("roughness_um", self.roughness_um.to_string(), "expected 0 to the range of heights");
        }
        let [first, last] = self.roughness_band;
        if !(first >= 0.0 && last.is_finite() && first <= last) {
            let why = "expected two numbers, not negative and in order";
            return wrong("roughness_band", format!("[{first}, {last}]"), why);
        }
        Ok(())
    }
}

/// Waves of the band-limited noise.
const WAVES: usize = 12;
/// Least part of the height range that a scene uses.
const LEAST_USE: f64 = 0.4;

impl PsiScene {
    /// The scene of a seed: a plane, 1 to `max_gaussians` Gaussians, perhaps a cone, up to `max_bumps` bumps, and noise of a
    /// band of frequencies. It is the same surface at every image size and stays in the range of heights.
    ///
    /// # Errors
    /// [`PsiError::Option`] of [`SceneOptions::validate`].
    pub fn random(seed: u64, options: &SceneOptions) -> Result<Self, PsiError> {
        options.validate()?;
        let mut random = Draws::at(seed, &[0]);
        let [low, high] = options.height_range_um;
        // Each part takes its share of the range that this scene uses; then the sum is in the range too.
        let budget_um = (high - low - options.roughness_um) * random.range([LEAST_USE, 1.0]);
        let n_gaussians = 1 + random.below(options.max_gaussians);
        let n_bumps = random.below(options.max_bumps + 1);
        let n_cones = random.below(2);
        let mut shares: Vec<f64> = (0..1 + n_gaussians + n_bumps + n_cones).map(|_| random.range([0.2, 1.0])).collect();
        let total: f64 = shares.iter().sum();
        shares.iter_mut().for_each(|share| *share *= budget_um / total);
        let mut shapes = Vec::with_capacity(shares.len() + WAVES + 1);
        for (i, &share) in shares.iter().enumerate() {
            let sign = if random.below(2) == 0 { 1.0 } else { -1.0 };
            let centre = [random.range([-1.0, 1.0]), random.range([-1.0, 1.0])];
            shapes.push(if i == 0 {
                let angle = TAU * random.uniform();
                let sum = angle.cos().abs() + angle.sin().abs();
                let slope = share / 2.0 / sum;
                Shape::Plane { offset_um: 0.0, slope_um: [slope * angle.cos(), slope * angle.sin()] }
            } else if i <= n_gaussians {
                let radius = random.range([0.15, 0.8]);
                Shape::Gaussian { amplitude_um: sign * share, centre, width: radius * radius }
            } else if i <= n_gaussians + n_bumps {
                Shape::Bump { height_um: sign * share, centre, radius: random.range([0.1, 0.5]) }
            } else {
                Shape::Cone { slope_um: sign * share / (2.0 * std::f64::consts::SQRT_2), centre }
            });
        }
        if options.roughness_um > 0.0 {
            let roughness_um = options.roughness_um * random.range([0.0, 1.0]);
            for _ in 0..WAVES {
                let (frequency, angle) = (random.range(options.roughness_band), TAU * random.uniform());
                shapes.push(Shape::Wave {
                    amplitude_um: roughness_um / 2.0 / WAVES as f64,
                    frequency: [frequency * angle.cos(), frequency * angle.sin()],
                    phase: TAU * random.uniform(),
                });
            }
        }
        let mut scene = Self { shapes };
        let [lowest, highest] = scene.bounds_um();
        let offset_um = random.range([low - lowest, high - highest]);
        scene.shapes.push(Shape::Plane { offset_um, slope_um: [0.0; 2] });
        Ok(scene)
    }
}
