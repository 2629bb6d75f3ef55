//! The networks that segment.

use volkit_core::{ArrayStore, Progress};
use volkit_kernels::{Isa, LabelSink, PlaneSink, PlaneSource, Threads};

use super::inputs::{ImageSource, OneHotSource};
use super::posterior_sink::{PosteriorSink, Unchanged};
use super::posteriors::Posteriors;
use super::runner::{Work, check_input};
use super::smoothing::SmoothingSink;
use super::tables::Structures;
use super::unet::{UNet, UNetKind, UNetRun};
use super::weights::Layers;
use crate::{NetworkBuild, SegError};

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

/// A run of a segmentation network.
#[derive(Clone, Copy, Debug)]
pub(super) struct SegmentationRun {
    /// Voxels along x, y and z.
    pub(super) size: [usize; 3],
    /// The robust chain never averages nor smooths.
    pub(super) averaging: Averaging,
    pub(super) low_memory: bool,
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
    pub fn from_store(store: &dyn ArrayStore, build: &NetworkBuild<'_>) -> Result<Self, SegError> {
        let layers = Layers::new(store, build)?;
        let is_robust = [DENOISER, REFINED].iter().any(|kind| layers.levels(kind.prefix) > 0);
        let plain = UNet::read(&layers, PLAIN)?;
        let chain = if is_robust {
            let (denoiser, refined) = (UNet::read(&layers, DENOISER)?, UNet::read(&layers, REFINED)?);
            plain.check_labels(&[GROUPS])?;
            denoiser.check_labels(&[GROUPS])?;
            Chain::Robust(Box::new(Robust { groups: plain, denoiser, refined, turned: Vec::new() }))
        } else {
            Chain::Plain(plain)
        };
        let last = chain.last();
        last.check_labels(if is_robust { &[33] } else { &[32, 33] })?;
        Ok(Self { structures: Structures::of_channels(last.labels())?, chain, isa: build.conv.isa })
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

    /// Bytes that a run over `size` voxels `[x, y, z]` takes at most beside the image: activations, and the labels of
    /// the chain's networks. `with_mirrored`: averaged with the mirror image.
    ///
    /// # Errors
    /// [`SegError::Kernel`] for a size that the network can not have.
    pub fn run_bytes(&self, size: [usize; 3], with_mirrored: bool, low_memory: bool) -> Result<usize, SegError> {
        let n_voxels: usize = size.iter().product();
        let run = UNetRun { size, with_mirrored: with_mirrored && !self.is_robust(), low_memory };
        let nets = self.chain.nets();
        // Labels of the network before are read while those of this one are written.
        let labels = if nets.len() > 1 { n_voxels.saturating_mul(2) } else { 0 };
        let mut most = 0;
        for net in nets {
            most = most.max(net.run_bytes(self.isa, &run)?.saturating_add(labels));
        }
        Ok(most)
    }

    /// Bytes that each of so many threads keeps beside [`SegmentationNet::run_bytes`] without a mirror image.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn scratch_bytes(&self, size: [usize; 3], n_threads: usize) -> Result<usize, SegError> {
        let run = UNetRun { size, with_mirrored: false, low_memory: false };
        let each = self.chain.nets().into_iter().map(|net| net.scratch_bytes(self.isa, &run, n_threads));
        each.reduce(|most, next| Ok(most?.max(next?))).unwrap_or(Ok(0))
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
        check_input(size, image.len(), self.size_multiple())?;
        let mut posteriors = Posteriors::zeros(size, self.structures.count())?;
        self.forward_into(image, &mut posteriors, threads, progress)?;
        Ok(posteriors)
    }

    /// [`SegmentationNet::forward`] for an image of the size of `posteriors`, into these.
    ///
    /// # Errors
    /// As there; [`SegError::Option`] when `posteriors` have another number of channels than the network.
    pub fn forward_into(
        &self,
        image: &[f32],
        posteriors: &mut Posteriors,
        threads: &Threads,
        progress: &dyn Progress,
    ) -> Result<(), SegError> {
        let (size, wanted) = (posteriors.size, self.structures.count());
        let n_values = size.iter().try_fold(wanted, |product, &n| product.checked_mul(n));
        if posteriors.channels != wanted || n_values != Some(posteriors.values.len()) {
            return Err(SegError::Option {
                name: "posteriors",
                value: format!("{} values, {} channels, {size:?} voxels", posteriors.values.len(), posteriors.channels),
                why: "the network has another number of channels, or values are missing",
            });
        }
        let how = SegmentationRun { size, averaging: Averaging::Raw, low_memory: false };
        self.run(image, &how, posteriors, Work { threads, progress })
    }

    /// Runs over an image `[z][y][x]`; planes of posteriors go to `sink`.
    pub(super) fn run(
        &self,
        image: &[f32],
        how: &SegmentationRun,
        sink: &mut dyn PosteriorSink,
        work: Work<'_>,
    ) -> Result<(), SegError> {
        let SegmentationRun { size, averaging, low_memory } = *how;
        check_input(size, image.len(), self.size_multiple())?;
        let mut run = UNetRun { size, with_mirrored: false, low_memory };
        let net = match &self.chain {
            Chain::Plain(net) => net,
            Chain::Robust(chain) => return self.run_robust(chain, image, &run, sink, work),
        };
        run.with_mirrored = averaging == Averaging::Flipped;
        let mut engine = net.engine(self.isa, &run)?;
        let (stage, mut source) = ("segmentation network", ImageSource::new(image, size[0]));
        let flip_channels = self.structures.flip_channels();
        let mut smoothing = match averaging {
            Averaging::Raw => return work.run_on(&mut engine, stage, &mut source, &mut Unchanged::new(sink)),
            Averaging::Single => SmoothingSink::new(size, net.labels(), sink),
            Averaging::Flipped => SmoothingSink::new(size, net.labels(), sink).with_mirrored(&flip_channels),
        };
        work.run_on(&mut engine, stage, &mut source, &mut smoothing)
    }

    fn run_robust(
        &self,
        chain: &Robust,
        image: &[f32],
        how: &UNetRun,
        posteriors: &mut dyn PosteriorSink,
        work: Work<'_>,
    ) -> Result<(), SegError> {
        let run = |net: &UNet, stage: &str, source: &mut dyn PlaneSource, sink: &mut dyn PlaneSink| {
            work.run_on(&mut net.engine(self.isa, how)?, stage, source, sink)
        };
        let (mut groups, mut denoised) = (vec![0u8; image.len()], vec![0u8; image.len()]);
        let mut source = ImageSource::new(image, how.size[0]);
        run(&chain.groups, "group network", &mut source, &mut LabelSink::new(&mut groups, self.isa))?;
        let mut source = OneHotSource::new(&groups, GROUPS);
        run(&chain.denoiser, "denoising network", &mut source, &mut LabelSink::new(&mut denoised, self.isa))?;
        drop(groups);
        for tie in &chain.turned {
            if let Some(group) = denoised.get_mut(tie.voxel) {
                *group = tie.other;
            }
        }
        let mut source = OneHotSource::behind(image, &denoised, GROUPS);
        run(&chain.refined, "segmentation network", &mut source, &mut Unchanged::new(posteriors))
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
        let run = UNetRun { size, with_mirrored: false, low_memory: false };
        work.run_on(&mut net.engine(self.isa, &run)?, "network", source, sink)
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
