//! What segments scans, and what comes out.

use std::sync::Arc;

use volkit_core::{ArrayStore, Progress, Volume};
use volkit_kernels::{ConvOptions, Isa, Threads};

use crate::{CompactNet, LabelTable, LabelVolume, MeshNet, NetworkBuild, SegError, SynthSeg};

/// Kinds of networks, recognised by what a store of weights holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ModelKind {
    /// A chain of dilated convolutions, see [`MeshNet`].
    MeshNet,
    /// SynthSeg 1: a U-Net of 32 labels, see [`SynthSeg`].
    SynthSeg1,
    /// SynthSeg 2: a U-Net of 33 labels.
    SynthSeg2,
    /// The robust chain of three networks of SynthSeg 2.
    SynthSegRobust,
    /// A U-Net of this project, see [`CompactNet`].
    Compact,
    /// Divides the cortex of a SynthSeg segmentation; segments nothing by itself.
    SynthSegParcellation,
    /// Scores a SynthSeg segmentation; segments nothing by itself.
    SynthSegQuality,
}

/// Names listed in the message about an unknown store.
const NAMES_SHOWN: usize = 3;

impl ModelKind {
    /// Which network a store holds.
    ///
    /// # Errors
    /// [`SegError::UnknownModel`] when it is none of these.
    pub fn recognise(store: &dyn ArrayStore) -> Result<Self, SegError> {
        let names = store.names();
        let has_layers = names.iter().any(|name| name == "layers.0.weight");
        if has_layers || store.metadata("config").is_some_and(|config| config.contains("\"layers\"")) {
            return Ok(Self::MeshNet);
        }
        if let Some(kind) = Self::synthseg(store, &names)? {
            return Ok(kind);
        }
        let mut found = match names.len() {
            0 => "no arrays".to_owned(),
            count => format!("{count} arrays ({}", names[..count.min(NAMES_SHOWN)].join(", ")),
        };
        if !names.is_empty() {
            found.push_str(if names.len() > NAMES_SHOWN { ", ..)" } else { ")" });
        }
        Err(SegError::UnknownModel { found })
    }

    /// Which of SynthSeg's networks a store holds, by the names of layers.
    fn synthseg(store: &dyn ArrayStore, names: &[String]) -> Result<Option<Self>, SegError> {
        let has = |layer: &str| names.iter().any(|name| name.starts_with(layer));
        // A file of a later network may also carry the layers of the one before.
        let kind = if has("unet2_conv_") || has("l2l_conv_") {
            Self::SynthSegRobust
        } else if has("unet_parc_conv_") {
            Self::SynthSegParcellation
        } else if has("qc_conv_") {
            Self::SynthSegQuality
        } else if has("unet_conv_") && CompactNet::is_in(store) {
            Self::Compact
        } else if has("unet_conv_") {
            let bias = "unet_likelihood/bias:0";
            let read = |source| SegError::ReadTensor { tensor: bias.into(), source };
            let labels = if has(bias) { store.get(bias).map_err(read)?.shape().first().copied() } else { None };
            if labels == Some(crate::Structures::v1().count()) { Self::SynthSeg1 } else { Self::SynthSeg2 }
        } else {
            return Ok(None);
        };
        Ok(Some(kind))
    }

    /// Whether a network of this kind labels scans; others follow one that does.
    #[must_use]
    pub fn is_segmenter(self) -> bool {
        !matches!(self, Self::SynthSegParcellation | Self::SynthSegQuality)
    }

    /// Name, as reports show it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::MeshNet => "MeshNet",
            Self::SynthSeg1 => "SynthSeg 1.0",
            Self::SynthSeg2 => "SynthSeg 2.0",
            Self::SynthSegRobust => "SynthSeg 2.0 robust",
            Self::Compact => "volkit compact",
            Self::SynthSegParcellation => "SynthSeg 2.0 parcellation",
            Self::SynthSegQuality => "SynthSeg 2.0 quality",
        }
    }
}

/// How to segment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SegmentOptions {
    /// Threads of the network. Default: one per core. The result does not depend on it.
    pub threads: Arc<Threads>,
    /// Whether [`Segmentation::conformed`] is wanted. Default: no.
    pub keep_conformed: bool,
}

impl SegmentOptions {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self { threads: Arc::new(Threads::new(0)), keep_conformed: false }
    }

    /// Runs on these threads.
    #[must_use]
    pub fn with_threads(self, threads: Arc<Threads>) -> Self {
        Self { threads, ..self }
    }

    /// Asks for the image that the network saw.
    #[must_use]
    pub fn with_conformed(self) -> Self {
        Self { keep_conformed: true, ..self }
    }
}

impl Default for SegmentOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// What a network says about itself.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ModelInfo {
    /// Kind of network.
    pub kind: ModelKind,
    /// One line: layers, channels, classes.
    pub summary: String,
    /// What its labels are.
    pub table: LabelTable,
}

/// A segmented scan.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Segmentation {
    /// Labels on the scan's own grid (its first three axes), in an integer type that holds them all.
    pub labels: Volume,
    /// Volume of each label of the network, in ascending order of the label, also of those that do not occur.
    pub volumes: Vec<LabelVolume>,
    /// The image that the network saw before normalisation, where it was asked for and the scan had to be resampled.
    pub conformed: Option<Volume>,
    /// What was unusual about the scan and how it was dealt with, one sentence each.
    pub warnings: Vec<String>,
}

/// A network with its pre- and post-processing: a scan in, its labels on the same grid out.
///
/// # Protocol
/// `segment` may be called any number of times, from any thread; each call allocates what it needs and gives it back.
/// The result depends on scan and network alone, to the bit. Work reports its stages to `progress` and ends with
/// [`SegError::Stopped`] soon after `progress.check` asks for it; an error leaves nothing behind.
pub trait Segmenter: Send + Sync {
    /// What the network is and what its labels mean.
    fn info(&self) -> &ModelInfo;

    /// Segments a scan: a volume of three spatial axes (further axes: the first volume is taken, with a warning when
    /// there are several) of real numbers. Voxels that are NaN or infinite count as the smallest finite value, with a
    /// warning.
    ///
    /// # Errors
    /// [`SegError::Scan`] for fewer than three axes, complex numbers or colours, an affine that is singular or not
    /// finite, no finite voxel; [`SegError::Stopped`]; whatever running the network gives.
    fn segment(
        &self,
        scan: &Volume,
        options: &SegmentOptions,
        progress: &dyn Progress,
    ) -> Result<Segmentation, SegError>;
}

/// Reads a network of any kind that segments by itself.
///
/// # Errors
/// [`SegError::UnknownModel`], [`SegError::Follower`] for a network that only follows another one, or what is wrong with
/// its configuration or tensors.
pub fn open_model(store: &dyn ArrayStore) -> Result<Box<dyn Segmenter>, SegError> {
    open_model_for(store, Isa::detect())
}

/// The same for a given instruction set and mode.
///
/// # Errors
/// As [`open_model`]; [`SegError::Kernel`] when this machine lacks the instruction set.
pub fn open_model_for<'a>(
    store: &'a dyn ArrayStore,
    options: impl Into<ConvOptions<'a>>,
) -> Result<Box<dyn Segmenter>, SegError> {
    match ModelKind::recognise(store)? {
        ModelKind::MeshNet => Ok(Box::new(MeshNet::from_store_for(store, options)?)),
        ModelKind::SynthSeg1 | ModelKind::SynthSeg2 | ModelKind::SynthSegRobust => {
            Ok(Box::new(SynthSeg::from_store(store, &NetworkBuild::new().with_conv(options))?))
        }
        ModelKind::Compact => Ok(Box::new(CompactNet::from_store(store, &NetworkBuild::new().with_conv(options))?)),
        kind @ (ModelKind::SynthSegParcellation | ModelKind::SynthSegQuality) => {
            Err(SegError::Follower { kind: kind.name() })
        }
    }
}
