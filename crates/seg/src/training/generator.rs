//! Synthetic scans with their labels.

use volkit_core::{Affine, Volume};

use super::config::GeneratorConfig;
use super::contrast::FixedContrast;
use super::deform::{Placing, deformed};
use super::generation_labels::GenerationLabels;
use super::intensity::{Contrast, biased, painted, rescaled};
use super::label_map::LabelMap;
use super::random::{Purpose, Random};
use super::resolution::{Slices, sliced};
use crate::{SegError, Structures};

/// Makes synthetic scans of label maps: the generative model of `SynthSeg`.
///
/// A map is deformed (affine and smooth), cropped, mirrored at times; each class of labels gets a grey level of its own
/// with noise; a bias field, gamma, and slices of random spacing and thickness follow. What the network is to find is what
/// the deformed map says. Sample `index` depends on the settings and on `index` alone, for any number of threads.
#[derive(Clone, Debug)]
pub struct Generator {
    config: GeneratorConfig,
}

/// A synthetic scan and its labels: a cube, x fastest.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Sample {
    /// Voxels along each axis.
    pub size: usize,
    /// Values, between 0 and 1.
    pub image: Vec<f32>,
    /// Channel of each voxel, of the 33 of version 2.
    pub channels: Vec<u8>,
    /// Which map it was made of.
    pub map: usize,
    /// Spacing of its slices along each axis.
    pub slice_spacing_mm: [f64; 3],
}

impl Sample {
    /// The image (f32) and its labels (i16, those of the structures) as volumes of voxels of `spacing_mm`, RAS.
    ///
    /// # Errors
    /// [`SegError::Core`] for a voxel size that is not a number.
    pub fn to_volumes(&self, spacing_mm: f64) -> Result<[Volume; 2], SegError> {
        let affine = Affine::from_scale([spacing_mm; 3]);
        let structures = Structures::v2().channels();
        let label = |channel: &u8| structures[usize::from(*channel)].label as i16;
        let labels: Vec<i16> = self.channels.iter().map(label).collect();
        let size = [self.size; 3];
        Ok([Volume::new(size, self.image.clone(), affine)?, Volume::new(size, labels, affine)?])
    }
}

impl Generator {
    /// A generator with these settings.
    ///
    /// # Errors
    /// As [`GeneratorConfig::validate`].
    pub fn new(config: GeneratorConfig) -> Result<Self, SegError> {
        config.validate()?;
        Ok(Self { config })
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &GeneratorConfig {
        &self.config
    }

    /// Sample `index` of one of these maps, each as likely.
    ///
    /// # Errors
    /// [`SegError::Option`] when there is no map.
    pub fn sample(&self, maps: &[LabelMap], index: u64) -> Result<Sample, SegError> {
        let at = Random::of(self.config.seed, index, Purpose::Map).below(maps.len());
        let why = "there must be a map to make scans of";
        let map = maps.get(at).ok_or_else(|| SegError::Option { name: "maps", value: "0".into(), why })?;
        let config = &self.config;
        let contrast = Contrast::draw(&config.intensities, config.seed, index);
        let slices = Slices::draw(&config.resolution, config.spacing_mm, config.seed, index);
        Ok(Sample { map: at, ..self.made(map, &contrast, &slices, index) })
    }

    /// A scan of a map with a given contrast and slices of `slice_mm` from bottom to top, otherwise as sample `index`.
    #[must_use]
    pub fn scan(&self, map: &LabelMap, contrast: FixedContrast, slice_mm: f64, index: u64) -> Sample {
        let slices = Slices::along(2, slice_mm, self.config.spacing_mm);
        self.made(map, &contrast.levels(), &slices, index)
    }

    fn made(&self, map: &LabelMap, contrast: &Contrast, slices: &Slices, index: u64) -> Sample {
        let config = &self.config;
        let (n, seed) = (config.size, config.seed);
        let placing = Placing::draw(config, map, index);
        let positions = deformed(config, map, &placing, index);
        let mut image = painted(&positions, n * n, contrast, seed, index);
        biased(&mut image, n, config.spacing_mm, &config.bias, seed, index);
        rescaled(&mut image, &config.gamma, seed, index);
        let image = sliced(image, n, config.spacing_mm, &config.resolution, slices);
        let channel_of = GenerationLabels::get().channels();
        let channels = positions.into_iter().map(|position| channel_of[usize::from(position)]).collect();
        Sample { size: n, image, channels, map: 0, slice_spacing_mm: slices.spacing_mm }
    }
}
