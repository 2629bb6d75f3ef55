//! The networks that segment.

use volkit_core::{ArrayStore, Progress};
use volkit_kernels::{ConvOptions, Isa, LabelSink, PlaneSink, PlaneSource, SliceSink, Threads};

use super::inputs::{ImageSource, OneHotSource};
use super::posteriors::Posteriors;
use super::runner::{Engine, Work, check_input};
use super::smoothing::SmoothingSink;
use super::tables::Structures;
use super::unet::{UNet, UNetKind};
use super::weights::{Layers, kernel_name};
use crate::{NetPath, SegError};

pub use inspect::{LayerValues, NearTie};

/// The published segmentation networks.
const PLAIN: UNetKind = UNetKind { prefix: "unet", c_in: 1, kernel: 3, n_skipless: 0 };
/// Groups of structures that the first network of the robust chain finds.
const GROUPS: usize = 5;
const DENOISER: UNetKind = UNetKind { prefix: "l2l", c_in: GROUPS, kernel: 5, n_skipless: 2 };
const REFINED: UNetKind = UNetKind { prefix: "unet2", c_in: 1 + GROUPS, kernel: 3, n_skipless: 0 };

/// A segmentation network: version 1, version 2, or the robust chain of three.
#[derive(Debug)]
pub struct SegmentationNet {
    chain: Chain,
    structures: &'static Structures,
    isa: Isa,
}

#[derive(Debug)]
enum Chain {
    Plain(UNet),
    Robust(Box<Robust>),
}

#[derive(Debug)]
struct Robust {
    groups: UNet,
    denoiser: UNet,
    refined: UNet,
    /// Voxels whose group is the next best of the denoiser's.
    turned: Vec<NearTie>,
}

/// How posteriors of a plain network are made of its results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Averaging {
    /// Smoothed, and averaged with those of the mirror image.
    Flipped,
    /// Smoothed.
    Single,
    /// As they come out of the network.
    Raw,
}

impl SegmentationNet {
    /// Reads a network from a store whose arrays are named `<layer>/<weight>`, as `unet_conv_downarm_0_0/kernel:0`.
    ///
    /// Features and levels are those of the weights; which network it is follows from the names of layers and from the
    /// number of labels (32: version 1, 33: version 2). Other layers in the store are left alone.
    ///
    /// # Errors
    /// [`SegError::Tensor`] for an array that is missing or has another shape, with its name and both shapes;
    /// [`SegError::ReadTensor`]; [`SegError::Kernel`] for a network that can not be built.
    pub fn from_store(store: &dyn ArrayStore) -> Result<Self, SegError> {
        Self::from_store_for(store, Isa::detect())
    }

    /// The same for a given instruction set and mode.
    ///
    /// # Errors
    /// As [`SegmentationNet::from_store`]; [`SegError::Kernel`] when this machine lacks the instruction set.
    pub fn from_store_for<'a>(
        store: &'a dyn ArrayStore,
        options: impl Into<ConvOptions<'a>>,
    ) -> Result<Self, SegError> {
        Self::from_store_on(store, options, NetPath::Auto)
    }

    /// The same on another path.
    ///
    /// # Errors
    /// As [`SegmentationNet::from_store_for`]; [`SegError::Option`] for a path that this build does not have.
    pub fn from_store_on<'a>(
        store: &'a dyn ArrayStore,
        options: impl Into<ConvOptions<'a>>,
        path: NetPath,
    ) -> Result<Self, SegError> {
        let options = options.into();
        let layers = Layers::new(store, options).on_path(path)?;
        let is_robust = [DENOISER, REFINED].iter().any(|kind| layers.levels(kind.prefix) > 0);
        let plain = UNet::read(&layers, PLAIN)?;
        let wrong_labels = |prefix: &str, labels: usize, wanted: &str| SegError::Tensor {
            tensor: kernel_name(&format!("{prefix}_likelihood")),
            field: "output channels",
            value: labels.to_string(),
            wanted: wanted.into(),
        };
        let chain = if is_robust {
            let (denoiser, refined) = (UNet::read(&layers, DENOISER)?, UNet::read(&layers, REFINED)?);
            for (unet, kind) in [(&plain, PLAIN), (&denoiser, DENOISER)] {
                if unet.labels() != GROUPS {
                    return Err(wrong_labels(kind.prefix, unet.labels(), "5"));
                }
            }
            Chain::Robust(Box::new(Robust { groups: plain, denoiser, refined, turned: Vec::new() }))
        } else {
            Chain::Plain(plain)
        };
        let last = chain.last();
        let wanted: &[usize] = if is_robust { &[33] } else { &[32, 33] };
        if !wanted.contains(&last.labels()) {
            let prefix = if is_robust { REFINED.prefix } else { PLAIN.prefix };
            return Err(wrong_labels(prefix, last.labels(), if is_robust { "33" } else { "32 or 33" }));
        }
        Ok(Self { structures: Structures::of_channels(last.labels())?, chain, isa: options.isa })
    }

    /// What the channels of the posteriors mean.
    #[must_use]
    pub fn structures(&self) -> &'static Structures {
        self.structures
    }

    /// Whether this is the robust chain, which neither averages nor smooths.
    #[must_use]
    pub fn is_robust(&self) -> bool {
        matches!(self.chain, Chain::Robust(_))
    }

    /// The networks with their levels, features and labels.
    #[must_use]
    pub fn summary(&self) -> String {
        let nets: Vec<String> = self.chain.nets().iter().map(|net| net.summary()).collect();
        nets.join("; ")
    }

    /// Sizes of the input must be multiples of this.
    #[must_use]
    pub fn size_multiple(&self) -> usize {
        self.chain.nets().iter().map(|net| net.size_multiple()).max().unwrap_or(1)
    }

    /// Bytes that a run over `size` voxels `[x, y, z]` takes at most: activations, and the posteriors that it returns.
    ///
    /// # Errors
    /// [`SegError::Kernel`] for a size that the network can not have.
    pub fn run_bytes(&self, size: [usize; 3], low_memory: bool) -> Result<usize, SegError> {
        let n_voxels: usize = size.iter().product();
        let (mut most, nets) = (0, self.chain.nets());
        for net in &nets {
            let is_last = net.labels() == self.structures.count();
            let result = if is_last { net.labels() * size_of::<f32>() } else { 1 };
            // Labels of the network before are read while those of this one are written.
            let read = if nets.len() > 1 { 1 } else { 0 };
            let bytes = net.run_bytes(self.isa, low_memory, size)?;
            most = most.max(bytes.saturating_add(n_voxels.saturating_mul(result + read)));
        }
        Ok(most)
    }

    /// What the network says of an image `[z][y][x]` of `size` `[x, y, z]`: neither smoothed nor averaged.
    ///
    /// # Errors
    /// As [`super::Networks::run`].
    pub fn forward(
        &self,
        image: &[f32],
        size: [usize; 3],
        threads: &Threads,
        progress: &dyn Progress,
    ) -> Result<Posteriors, SegError> {
        self.run(image, size, Averaging::Raw, false, Work { threads, progress })
    }

    /// Runs over an image `[z][y][x]` of `size` `[x, y, z]`.
    pub(super) fn run(
        &self,
        image: &[f32],
        size: [usize; 3],
        averaging: Averaging,
        low_memory: bool,
        work: Work<'_>,
    ) -> Result<Posteriors, SegError> {
        check_input(size, image.len(), self.size_multiple())?;
        match &self.chain {
            Chain::Plain(net) => {
                let mut engine = net.engine(self.isa, low_memory, size)?;
                self.run_plain(&mut engine, image, size, averaging, work)
            }
            Chain::Robust(chain) => self.run_robust(chain, image, size, low_memory, work),
        }
    }

    fn run_plain(
        &self,
        engine: &mut Engine,
        image: &[f32],
        size: [usize; 3],
        averaging: Averaging,
        work: Work<'_>,
    ) -> Result<Posteriors, SegError> {
        let stage = "segmentation network";
        let mut posteriors = Posteriors::zeros(size, self.structures.count())?;
        let mut straight = ImageSource::new(image, size[0], false);
        let sum = &mut posteriors.values;
        match averaging {
            Averaging::Raw => work.run_on(engine, stage, &mut straight, &mut SliceSink::new(sum))?,
            Averaging::Single => work.run_on(engine, stage, &mut straight, &mut SmoothingSink::new(sum, 1.0))?,
            Averaging::Flipped => {
                work.run_on(engine, stage, &mut straight, &mut SmoothingSink::new(sum, 0.5))?;
                let flip_channels = self.structures.flip_channels();
                let mut mirrored = ImageSource::new(image, size[0], true);
                let mut sink = SmoothingSink::new(sum, 0.5).mirrored(&flip_channels);
                work.run_on(engine, "segmentation network, mirrored", &mut mirrored, &mut sink)?;
            }
        }
        Ok(posteriors)
    }

    fn run_robust(
        &self,
        chain: &Robust,
        image: &[f32],
        size: [usize; 3],
        low_memory: bool,
        work: Work<'_>,
    ) -> Result<Posteriors, SegError> {
        let run = |net: &UNet, stage: &str, source: &mut dyn PlaneSource, sink: &mut dyn PlaneSink| {
            work.run_on(&mut net.engine(self.isa, low_memory, size)?, stage, source, sink)
        };
        let (mut groups, mut denoised) = (vec![0u8; image.len()], vec![0u8; image.len()]);
        let mut source = ImageSource::new(image, size[0], false);
        run(&chain.groups, "group network", &mut source, &mut LabelSink::new(&mut groups, self.isa))?;
        let mut source = OneHotSource::new(&groups, GROUPS);
        run(&chain.denoiser, "denoising network", &mut source, &mut LabelSink::new(&mut denoised, self.isa))?;
        drop(groups);
        for tie in &chain.turned {
            if let Some(group) = denoised.get_mut(tie.voxel) {
                *group = tie.other;
            }
        }
        let mut posteriors = Posteriors::zeros(size, self.structures.count())?;
        let mut source = OneHotSource::behind(image, &denoised, GROUPS);
        run(&chain.refined, "segmentation network", &mut source, &mut SliceSink::new(&mut posteriors.values))?;
        Ok(posteriors)
    }

    /// Runs one network of the chain, telling nobody.
    fn run_net(
        &self,
        net: &UNet,
        size: [usize; 3],
        work: Work<'_>,
        source: &mut dyn PlaneSource,
        sink: &mut dyn PlaneSink,
    ) -> Result<(), SegError> {
        work.run_on(&mut net.engine(self.isa, false, size)?, "network", source, sink)
    }
}

impl Chain {
    /// In the order in which they run.
    fn nets(&self) -> Vec<&UNet> {
        match self {
            Self::Plain(net) => vec![net],
            Self::Robust(chain) => vec![&chain.groups, &chain.denoiser, &chain.refined],
        }
    }

    fn last(&self) -> &UNet {
        match self {
            Self::Plain(net) => net,
            Self::Robust(chain) => &chain.refined,
        }
    }
}

mod inspect;

#[cfg(test)]
mod tests;
