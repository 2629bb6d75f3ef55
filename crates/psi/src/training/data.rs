//! Patches of scenes as batches of tensors.

use std::sync::Arc;

use candle_core::{Device, Tensor};
use volkit_core::{BoxError, VolumeSource};
use volkit_train::{BatchRequest, DataSet};

use super::NetInput;
use crate::{
    ClosedForm, Interferometer, PatchOptions, PatchPlace, PatchSampler, PsiError, Sensor, area_average, read_patch,
};

/// A scene to train on.
#[derive(Clone)]
pub struct PsiSample {
    /// Greys `[W, H, C]` (first axis fastest).
    pub images: Arc<dyn VolumeSource>,
    /// Heights in um, `[W, H]`; zeros are given where there are none.
    pub height: Option<Arc<dyn VolumeSource>>,
}

/// Epochs at coarser pixels before the fine ones: `factors[i]` for `epochs[i]` epochs, then 1.
///
/// A coarse patch is cut `factor` times as large; its height is averaged over squares and its images are simulated anew, which
/// needs a height. Networks of convolutions take any pixel size, so weights are handed on as they are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curriculum {
    /// `(factor, epochs, weight of the loss)`, coarsest first.
    pub stages: Vec<(usize, u64, f64)>,
}

impl Curriculum {
    /// Factor and weight of an epoch.
    #[must_use]
    pub fn at(&self, epoch: u64) -> (usize, f64) {
        let mut before = 0;
        for &(factor, epochs, weight) in &self.stages {
            before += epochs;
            if epoch < before {
                return (factor, weight);
            }
        }
        self.stages
            .iter()
            .rev()
            .find(|(factor, ..)| *factor == 1)
            .map_or((1, 1.0), |(factor, _, weight)| (*factor, *weight))
    }
}

/// Random patches of scenes, read when they are asked for: memory does not grow with the scenes.
///
/// A batch is the network's input `[N, C', S, S]`, the greys `[N, C, S, S]`, the heights `[N, 1, S, S]`; where neighbours are
/// wanted also the inputs of two patches each, `[N, C', S, S]` twice, the second `S - overlap` columns to the right.
pub struct PatchData {
    samples: Vec<PsiSample>,
    sampler: PatchSampler,
    coarse_samplers: Vec<(usize, PatchSampler)>,
    instrument: Interferometer,
    input: NetInput,
    solver: ClosedForm,
    patches_per_epoch: usize,
    overlap: Option<usize>,
    curriculum: Curriculum,
}

impl PatchData {
    /// `patches_per_epoch` patches of these scenes; the solver gives the beats.
    ///
    /// # Errors
    /// [`PsiError::Stack`] for images of another shape; [`PsiError::Option`] for patches that are larger than an image.
    pub fn new(
        samples: Vec<PsiSample>,
        instrument: &Interferometer,
        solver: ClosedForm,
        options: PatchOptions,
    ) -> Result<Self, PsiError> {
        let channels = instrument.channels();
        let mut sizes = Vec::with_capacity(samples.len());
        for sample in &samples {
            match *sample.images.meta().shape() {
                [width, height, found] if found == channels => sizes.push([width, height]),
                ref other => return Err(PsiError::Stack { got: other.to_vec(), channels }),
            }
        }
        let patches_per_epoch = samples.len();
        Ok(Self {
            samples,
            sampler: PatchSampler::new(options, sizes)?,
            coarse_samplers: Vec::new(),
            instrument: instrument.clone(),
            input: NetInput::Fringes,
            solver,
            patches_per_epoch,
            overlap: None,
            curriculum: Curriculum::default(),
        })
    }

    /// With another number of patches an epoch; by default one a scene.
    #[must_use]
    pub fn with_patches_per_epoch(self, patches_per_epoch: usize) -> Self {
        Self { patches_per_epoch, ..self }
    }

    /// With another input of the network.
    #[must_use]
    pub fn with_input(self, input: NetInput) -> Self {
        Self { input, ..self }
    }

    /// With pairs of neighbours that share so many columns.
    #[must_use]
    pub fn with_neighbours(self, overlap: usize) -> Self {
        Self { overlap: Some(overlap), ..self }
    }

    /// With coarser pixels first.
    ///
    /// # Errors
    /// [`PsiError::Option`] for a factor of 0, one whose patches are larger than an image, or scenes without heights.
    pub fn with_curriculum(mut self, curriculum: Curriculum) -> Result<Self, PsiError> {
        for &(factor, ..) in &curriculum.stages {
            let wrong =
                |why: &str| PsiError::Option { name: "curriculum", value: factor.to_string(), why: why.to_owned() };
            if factor == 0 {
                return Err(wrong("expected at least 1"));
            }
            if factor > 1 {
                if self.samples.iter().any(|sample| sample.height.is_none()) {
                    return Err(wrong("coarse pixels need the heights of all scenes"));
                }
                self.coarse_samplers.push((factor, self.sampler.enlarged(factor)?));
            }
        }
        self.curriculum = curriculum;
        Ok(self)
    }

    /// Channels of the network's input.
    #[must_use]
    pub fn input_channels(&self) -> usize {
        match self.input {
            NetInput::Fringes => self.instrument.channels(),
            NetInput::Beats => 2 * self.solver.n_beats(),
        }
    }

    /// The network's input `[C', n]` of greys `[C, n]`.
    ///
    /// # Errors
    /// [`PsiError::Length`].
    pub fn input_of(&self, greys: &[f32]) -> Result<Vec<f32>, PsiError> {
        network_input(self.input, &self.instrument, &self.solver, greys)
    }

    /// Greys and heights of a place in that epoch.
    fn patch(&self, epoch: u64, draw: u64) -> Result<(Vec<f32>, Vec<f32>), PsiError> {
        let (factor, _) = self.curriculum.at(epoch);
        let size = self.sampler.patch_size();
        let Some((_, sampler)) = self.coarse_samplers.iter().find(|(known, _)| *known == factor) else {
            let place = self.sampler.place(draw);
            return Ok((self.greys(&place)?, self.heights(&place, size)?.unwrap_or_else(|| vec![0.0; size * size])));
        };
        let place = sampler.place(draw);
        let edge = sampler.patch_size();
        let fine = self.heights(&place, edge)?.unwrap_or_default();
        let fine: Vec<f64> = fine.iter().map(|h| f64::from(*h)).collect();
        let (coarse, _) = area_average(&fine, [edge, edge], factor)?;
        let greys = Sensor::default().record(&self.instrument, &coarse, draw)?.into_real()?;
        Ok((greys, coarse.iter().map(|h| *h as f32).collect()))
    }

    fn greys(&self, place: &PatchPlace) -> Result<Vec<f32>, PsiError> {
        read_patch(self.samples[place.image].images.as_ref(), place, self.sampler.patch_size())
    }

    fn heights(&self, place: &PatchPlace, size: usize) -> Result<Option<Vec<f32>>, PsiError> {
        let source = self.samples[place.image].height.as_ref();
        source.map(|source| read_patch(source.as_ref(), place, size)).transpose()
    }
}

/// What a network sees of greys `[C, n]`: `[C', n]`.
///
/// # Errors
/// [`PsiError::Length`] for a number of greys that the channels do not divide.
pub fn network_input(
    input: NetInput,
    instrument: &Interferometer,
    solver: &ClosedForm,
    greys: &[f32],
) -> Result<Vec<f32>, PsiError> {
    Ok(match input {
        NetInput::Fringes => {
            let (scale, offset) = (1.0 / instrument.modulation, -instrument.background / instrument.modulation);
            greys.iter().map(|grey| (f64::from(*grey) * scale + offset) as f32).collect()
        }
        NetInput::Beats => solver.beats(greys)?,
    })
}

impl DataSet for PatchData {
    fn len(&self) -> usize {
        self.patches_per_epoch
    }

    fn batch(&self, request: &BatchRequest) -> Result<Vec<Tensor>, BoxError> {
        let (size, n) = (self.sampler.patch_size(), request.samples.len());
        let [mut inputs, mut greys, mut heights] = [const { Vec::new() }; 3];
        let mut neighbours = [const { Vec::new() }; 2];
        for &sample in &request.samples {
            let mut random = request.random(sample);
            let (patch, height) = self.patch(request.epoch, random.next_u64())?;
            inputs.extend(self.input_of(&patch)?);
            greys.extend(patch);
            heights.extend(height);
            if let Some(overlap) = self.overlap {
                // An even draw: neighbours along a row.
                let pair = self.sampler.neighbours(random.next_u64() & !1, overlap).ok_or_else(|| {
                    let why = format!("no image has room for two patches that share {overlap} columns");
                    PsiError::Option { name: "interface_overlap", value: overlap.to_string(), why }
                })?;
                for (inputs, place) in neighbours.iter_mut().zip(&pair) {
                    inputs.extend(self.input_of(&self.greys(place)?)?);
                }
            }
        }
        let tensor =
            |values: Vec<f32>, channels: usize| Tensor::from_vec(values, (n, channels, size, size), &Device::Cpu);
        let mut batch = vec![
            tensor(inputs, self.input_channels())?,
            tensor(greys, self.instrument.channels())?,
            tensor(heights, 1)?,
        ];
        if self.overlap.is_some() {
            for inputs in neighbours {
                batch.push(tensor(inputs, self.input_channels())?);
            }
        }
        Ok(batch)
    }
}
