//! Sections of a file of settings, with their defaults.

use std::path::PathBuf;

use serde::Deserialize;
use volkit_psi::{ClosedFormOptions, Interferometer, SceneOptions};

/// The interferometer.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct InstrumentConfig {
    /// Wavelengths in um.
    pub(crate) wavelengths_um: Vec<f64>,
    /// Phase steps in equal parts of a period.
    pub(crate) buckets: usize,
    /// Phase steps in radians, instead of equal ones.
    pub(crate) phase_steps: Option<Vec<f64>>,
    /// Mean grey.
    pub(crate) background: f64,
    /// Amplitude of the fringes in greys.
    pub(crate) modulation: f64,
}

/// Which scenes are made.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ScenesConfig {
    /// Random scenes, the reference scene, or cone bumps.
    pub(crate) kind: SceneKind,
    /// Edge of the square images, in pixels.
    pub(crate) image_size: usize,
    /// Scenes to train on.
    pub(crate) num_train_samples: usize,
    /// Scenes to test on.
    pub(crate) num_test_samples: usize,
    /// Heights that random scenes keep to, in um.
    pub(crate) height_range_um: [f64; 2],
    /// Most Gaussians of a random scene.
    pub(crate) max_gaussians: usize,
    /// Most bumps of a random scene.
    pub(crate) max_bumps: usize,
    /// Largest sum of amplitudes of the band-limited noise of a random scene, in um.
    pub(crate) roughness_um: f64,
    /// Frequencies of that noise, in periods over an edge.
    pub(crate) roughness_band: [f64; 2],
}

/// Kinds of scenes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SceneKind {
    /// Every scene from a seed of its own.
    Random,
    /// The scene of the published pipeline, the same each time.
    Reference,
    /// Five cone-shaped bumps.
    ConeBumps,
}

/// The camera.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SensorConfig {
    /// Bits of a grey: 8, 16, or 32 for floats.
    pub(crate) bits: u32,
    /// Standard deviation of the noise, in greys.
    pub(crate) noise_sigma: f64,
    /// Standard deviation of the gain of an image, as a part of 1.
    pub(crate) gain_error: f64,
    /// Standard deviation of a phase step, in radians.
    pub(crate) phase_step_error: f64,
}

/// The solver without training.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ClosedFormConfig {
    /// Heights that are looked for, in um.
    pub(crate) height_range_um: [f64; 2],
    /// How fringe orders are found.
    pub(crate) fringe_order: FringeOrderName,
    /// Amplitude in greys below which a pixel does not count.
    pub(crate) min_modulation: f64,
}

/// Ways to find fringe orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FringeOrderName {
    BeatChain,
    Residual,
}

/// The network.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct NetworkConfig {
    /// A chain of 3 x 3 convolutions, or a U-Net.
    pub(crate) kind: NetworkName,
    /// Channels of the hidden layers of a chain.
    pub(crate) hidden: Vec<usize>,
    /// Features at the top of a U-Net.
    pub(crate) width: usize,
    /// Times that a U-Net halves the image.
    pub(crate) depth: usize,
    /// Whether a U-Net doubles it by interpolation, or else by transposed convolutions.
    pub(crate) bilinear: bool,
    /// Whether parts are computed again in the backward pass instead of being kept.
    pub(crate) checkpoint: bool,
    /// What it sees of the greys.
    pub(crate) input: InputName,
}

/// Kinds of networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum NetworkName {
    Simple,
    Unet,
}

/// What a network sees of the greys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum InputName {
    Fringes,
    Beats,
}

/// Training on patches.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TrainingConfig {
    /// What `pretrain` minimises.
    pub(crate) loss: LossName,
    /// Epochs.
    pub(crate) epochs: u64,
    /// Patches of a batch.
    pub(crate) batch_size: usize,
    /// Learning rate of Adam, halved after each third of the epochs.
    pub(crate) learning_rate: f64,
    /// Edge of a patch in pixels.
    pub(crate) patch_size: usize,
    /// Patches of an epoch; as many as scenes where nothing is said.
    pub(crate) patches_per_epoch: Option<usize>,
    /// Whether patches are flipped and turned.
    pub(crate) augment: bool,
    /// Weight of the squared Laplacian in the self-supervised loss.
    pub(crate) smoothness_weight: f64,
    /// Batches whose gradients make a step.
    pub(crate) grad_accum_steps: usize,
    /// Longest gradient.
    pub(crate) clip_grad_norm: Option<f64>,
    /// Steps from one checkpoint to the next, beside those of epochs.
    pub(crate) checkpoint_steps: Option<u64>,
    /// Element type of convolutions.
    pub(crate) precision: PrecisionName,
    /// Coarser pixels first.
    pub(crate) curriculum: Vec<CurriculumStage>,
    /// Measured stacks instead of generated scenes, from the folder of the file of settings.
    pub(crate) stacks: Vec<PathBuf>,
}

/// Losses of `pretrain`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LossName {
    /// Squared difference to the true height.
    Height,
    /// Self-supervised.
    Fringes,
}

/// Element types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PrecisionName {
    Auto,
    F32,
    Bf16,
    F16,
}

/// Epochs at one pixel size.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CurriculumStage {
    /// Pixels along an edge that are averaged to one.
    pub(crate) factor: usize,
    /// Epochs.
    pub(crate) epochs: u64,
    /// Weight of the loss.
    #[serde(default = "one")]
    pub(crate) weight: f64,
}

fn one() -> f64 {
    1.0
}

/// Self-supervised training after `pretrain`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct FinetuneConfig {
    /// Epochs; `all` leaves it out where there are none.
    pub(crate) epochs: u64,
    /// Patches of a batch.
    pub(crate) batch_size: usize,
    /// Learning rate of Adam, halved after each third of the epochs.
    pub(crate) learning_rate: f64,
    /// Weight of the agreement of neighbouring patches; 0 for none.
    pub(crate) interface_weight: f64,
    /// Columns that neighbours share.
    pub(crate) interface_overlap: usize,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self {
            kind: NetworkName::Simple,
            hidden: vec![32, 64, 32],
            width: 64,
            depth: 4,
            bilinear: true,
            checkpoint: false,
            input: InputName::Fringes,
        }
    }
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            loss: LossName::Height,
            epochs: 50,
            batch_size: 4,
            learning_rate: 1e-3,
            patch_size: 256,
            patches_per_epoch: None,
            augment: true,
            smoothness_weight: 1e-4,
            grad_accum_steps: 1,
            clip_grad_norm: None,
            checkpoint_steps: None,
            precision: PrecisionName::Auto,
            curriculum: Vec::new(),
            stacks: Vec::new(),
        }
    }
}

impl Default for FinetuneConfig {
    fn default() -> Self {
        Self { epochs: 0, batch_size: 2, learning_rate: 1e-5, interface_weight: 0.0, interface_overlap: 16 }
    }
}

impl Default for InstrumentConfig {
    fn default() -> Self {
        let Interferometer { wavelengths_um, background, modulation, .. } = Interferometer::default();
        Self { wavelengths_um, buckets: 4, phase_steps: None, background, modulation }
    }
}

impl Default for ScenesConfig {
    fn default() -> Self {
        let options = SceneOptions::default();
        Self {
            kind: SceneKind::Random,
            image_size: 256,
            num_train_samples: 20,
            num_test_samples: 5,
            height_range_um: options.height_range_um,
            max_gaussians: options.max_gaussians,
            max_bumps: options.max_bumps,
            roughness_um: options.roughness_um,
            roughness_band: options.roughness_band,
        }
    }
}

impl Default for SensorConfig {
    fn default() -> Self {
        Self { bits: 8, noise_sigma: 0.0, gain_error: 0.0, phase_step_error: 0.0 }
    }
}

impl Default for ClosedFormConfig {
    fn default() -> Self {
        let height_range_um = ClosedFormOptions::default().height_range_um;
        Self { height_range_um, fringe_order: FringeOrderName::BeatChain, min_modulation: 10.0 }
    }
}
