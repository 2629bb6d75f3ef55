//! Settings of the generator of synthetic scans.

use serde::{Deserialize, Serialize};

use crate::SegError;

/// How synthetic scans are made of label maps.
///
/// The defaults are those that the published networks were trained with. Lengths are in mm, angles in degrees,
/// probabilities from 0 to 1, intensities in grey levels before they are brought to `[0, 1]`. `[low, high]` is a range
/// that values are drawn from uniformly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct GeneratorConfig {
    /// Voxels of a sample along each axis, 160.
    pub size: usize,
    /// Voxel size of samples, 1; the network sees scans at this size.
    pub spacing_mm: f64,
    /// Seed of everything random.
    pub seed: u64,
    /// Probability that left and right are swapped, 0.5.
    pub flip_probability: f64,
    /// Probability that the fluid around the brain (label 24) is erased from maps of the cerebrum alone, 0.3.
    pub erase_fluid_probability: f64,
    /// Where samples lie in the map.
    pub crop: CropConfig,
    /// Deformations.
    pub deformation: DeformationConfig,
    /// Intensities of the classes.
    pub intensities: IntensityConfig,
    /// Bias field.
    pub bias: BiasConfig,
    /// Range of values and gamma.
    pub gamma: GammaConfig,
    /// Slice spacing and thickness.
    pub resolution: ResolutionConfig,
}

impl Default for GeneratorConfig {
    fn default() -> Self {
        Self {
            size: 160,
            spacing_mm: 1.0,
            seed: 0,
            flip_probability: 0.5,
            erase_fluid_probability: 0.3,
            crop: CropConfig::default(),
            deformation: DeformationConfig::default(),
            intensities: IntensityConfig::default(),
            bias: BiasConfig::default(),
            gamma: GammaConfig::default(),
            resolution: ResolutionConfig::default(),
        }
    }
}

/// Where samples lie in the map.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct CropConfig {
    /// Deviation (normal) of the middle of a sample from the middle of the brain; uniform in the whole map if not given,
    /// which is the default.
    pub deviation_mm: Option<f64>,
}

/// Deformations: affine about the middle of the map, and a smooth flow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct DeformationConfig {
    /// Largest rotation about each axis, 15.
    pub rotation_degrees: f64,
    /// Largest shear, 0.012.
    pub shear: f64,
    /// Largest relative change of size along each axis, 0.2.
    pub scaling: f64,
    /// Largest translation along each axis, 0.
    pub translation_mm: f64,
    /// Range of the deviation of the flow's control points, `[0, 4]`.
    pub elastic_deviation_mm: [f64; 2],
    /// Control points a voxel of the map along each axis, 0.04.
    pub elastic_scale: f64,
    /// Voxels of the map to one of the grid that the flow is integrated on, 2.
    pub elastic_reduction: usize,
    /// Doublings in which the flow is integrated, 7.
    pub elastic_steps: u32,
}

impl Default for DeformationConfig {
    fn default() -> Self {
        Self {
            rotation_degrees: 15.0,
            shear: 0.012,
            scaling: 0.2,
            translation_mm: 0.0,
            elastic_deviation_mm: [0.0, 4.0],
            elastic_scale: 0.04,
            elastic_reduction: 2,
            elastic_steps: 7,
        }
    }
}

/// Intensities: a normal distribution for each class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct IntensityConfig {
    /// Range of the means, `[0, 250]`.
    pub mean: [f64; 2],
    /// Range of the deviations, `[0, 30]`.
    pub deviation: [f64; 2],
    /// Probability that the background is 0 everywhere, 0.05.
    pub empty_background_probability: f64,
    /// Probability that the background is dark, 0.25.
    pub dark_background_probability: f64,
    /// Range of the mean of a dark background, `[0, 15]`.
    pub dark_mean: [f64; 2],
    /// Range of the deviation of a dark background, `[0, 5]`.
    pub dark_deviation: [f64; 2],
}

impl Default for IntensityConfig {
    fn default() -> Self {
        Self {
            mean: [0.0, 250.0],
            deviation: [0.0, 30.0],
            empty_background_probability: 0.05,
            dark_background_probability: 0.25,
            dark_mean: [0.0, 15.0],
            dark_deviation: [0.0, 5.0],
        }
    }
}

/// A smooth factor: the exponential of a field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct BiasConfig {
    /// Probability that there is one, 0.95.
    pub probability: f64,
    /// Range of the deviation of its control points, `[0, 0.7]`.
    pub deviation: [f64; 2],
    /// Control points for each mm of the sample along each axis, 0.025.
    pub scale: f64,
}

impl Default for BiasConfig {
    fn default() -> Self {
        Self { probability: 0.95, deviation: [0.0, 0.7], scale: 0.025 }
    }
}

/// Clipping, scaling to `[0, 1]`, and gamma.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct GammaConfig {
    /// Values are clipped from 0 to this, 300.
    pub clip: f64,
    /// Deviation of the logarithm of gamma, 0.5.
    pub deviation: f64,
}

impl Default for GammaConfig {
    fn default() -> Self {
        Self { clip: 300.0, deviation: 0.5 }
    }
}

/// Slices: how far apart and how thick. Spacings are at least that of the sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ResolutionConfig {
    /// Whether slices are random; otherwise samples are blurred as if scanned at their own spacing. True.
    pub randomised: bool,
    /// Probability of a scan at the spacing of the sample, 0.05.
    pub full_probability: f64,
    /// Probability, where it is not that, that all axes have a random spacing, 0.1; otherwise one has.
    pub all_axes_probability: f64,
    /// Largest spacing where all axes are random, 4.
    pub all_axes_mm: f64,
    /// Largest spacing where one is, 8.
    pub one_axis_mm: f64,
    /// Factor of the deviation of the blur, one way or the other, 1.03.
    pub blur_range: f64,
}

impl Default for ResolutionConfig {
    fn default() -> Self {
        Self {
            randomised: true,
            full_probability: 0.05,
            all_axes_probability: 0.1,
            all_axes_mm: 4.0,
            one_axis_mm: 8.0,
            blur_range: 1.03,
        }
    }
}

/// Most voxels of a sample along an axis.
const MOST_VOXELS: usize = 512;

impl GeneratorConfig {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with another size.
    #[must_use]
    pub fn with_size(self, size: usize) -> Self {
        Self { size, ..self }
    }

    /// The same with another voxel size.
    #[must_use]
    pub fn with_spacing_mm(self, spacing_mm: f64) -> Self {
        Self { spacing_mm, ..self }
    }

    /// The same with another seed.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// The same without anything random but the intensities: neither deformed, flipped, biased nor sliced.
    #[must_use]
    pub fn without_augmentation(self) -> Self {
        Self {
            flip_probability: 0.0,
            erase_fluid_probability: 0.0,
            deformation: DeformationConfig {
                rotation_degrees: 0.0,
                shear: 0.0,
                scaling: 0.0,
                translation_mm: 0.0,
                elastic_deviation_mm: [0.0; 2],
                ..self.deformation
            },
            bias: BiasConfig { probability: 0.0, ..self.bias },
            gamma: GammaConfig { deviation: 0.0, ..self.gamma },
            resolution: ResolutionConfig { randomised: false, blur_range: 1.0, ..self.resolution },
            ..self
        }
    }

    /// Checks all fields.
    ///
    /// # Errors
    /// [`SegError::Option`] with the first field out of its range.
    pub fn validate(&self) -> Result<(), SegError> {
        let refuse = |name, value: String, why| Err(SegError::Option { name, value, why });
        if self.size == 0 || self.size > MOST_VOXELS {
            return refuse("size", self.size.to_string(), "is from 1 to 512");
        }
        let (deformation, resolution) = (&self.deformation, &self.resolution);
        for (name, value) in [
            ("flip_probability", self.flip_probability),
            ("erase_fluid_probability", self.erase_fluid_probability),
            ("intensities.empty_background_probability", self.intensities.empty_background_probability),
            ("intensities.dark_background_probability", self.intensities.dark_background_probability),
            ("bias.probability", self.bias.probability),
            ("resolution.full_probability", resolution.full_probability),
            ("resolution.all_axes_probability", resolution.all_axes_probability),
            ("deformation.elastic_scale", deformation.elastic_scale),
            ("bias.scale", self.bias.scale),
        ] {
            if !(0.0..=1.0).contains(&value) {
                return refuse(name, value.to_string(), "is from 0 to 1");
            }
        }
        for (name, value) in [
            ("deformation.rotation_degrees", deformation.rotation_degrees),
            ("deformation.shear", deformation.shear),
            ("deformation.translation_mm", deformation.translation_mm),
            ("crop.deviation_mm", self.crop.deviation_mm.unwrap_or(0.0)),
            ("gamma.deviation", self.gamma.deviation),
        ] {
            if !(value.is_finite() && value >= 0.0) {
                return refuse(name, value.to_string(), "is finite and not negative");
            }
        }
        for (name, [low, high]) in [
            ("deformation.elastic_deviation_mm", deformation.elastic_deviation_mm),
            ("intensities.mean", self.intensities.mean),
            ("intensities.deviation", self.intensities.deviation),
            ("intensities.dark_mean", self.intensities.dark_mean),
            ("intensities.dark_deviation", self.intensities.dark_deviation),
            ("bias.deviation", self.bias.deviation),
        ] {
            if !(low >= 0.0 && high.is_finite() && low <= high) {
                return refuse(name, format!("[{low}, {high}]"), "is [low, high] with 0 <= low <= high");
            }
        }
        if !(0.0..1.0).contains(&deformation.scaling) {
            return refuse("deformation.scaling", deformation.scaling.to_string(), "is at least 0 and below 1");
        }
        if !(0.25..=8.0).contains(&self.spacing_mm) {
            return refuse("spacing_mm", self.spacing_mm.to_string(), "is from 0.25 to 8");
        }
        if !(1..=16).contains(&deformation.elastic_reduction) || deformation.elastic_steps > 16 {
            let value = format!("{}, {} steps", deformation.elastic_reduction, deformation.elastic_steps);
            return refuse("deformation.elastic_reduction", value, "is from 1 to 16, with at most 16 steps");
        }
        if !(self.gamma.clip.is_finite() && self.gamma.clip > 0.0) {
            return refuse("gamma.clip", self.gamma.clip.to_string(), "is positive");
        }
        if !(1.0..=4.0).contains(&resolution.blur_range) {
            return refuse("resolution.blur_range", resolution.blur_range.to_string(), "is from 1 to 4");
        }
        let coarsest = resolution.all_axes_mm.max(resolution.one_axis_mm);
        if !(coarsest <= 64.0 && resolution.all_axes_mm > 0.0 && resolution.one_axis_mm > 0.0) {
            return refuse("resolution.one_axis_mm", coarsest.to_string(), "is positive and at most 64");
        }
        Ok(())
    }
}
