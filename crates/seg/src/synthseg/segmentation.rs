//! The networks that segment.

use volkit_core::ArrayStore;
use volkit_kernels::{Executor, Graph, Isa, KernelError, LabelSink, PlaneSink, PlaneSource, SliceSink};

use super::inputs::{ImageSource, OneHotSource};
use super::posteriors::Posteriors;
use super::runner::{Work, check_input, plan};
use super::smoothing::SmoothingSink;
use super::tables::Structures;
use super::unet::{UNet, UNetKind};
use super::weights::{Layers, kernel_name};
use crate::SegError;

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

    /// The same for a given instruction set.
    ///
    /// # Errors
    /// As [`SegmentationNet::from_store`]; [`SegError::Kernel`] when this machine lacks `isa`.
    pub fn from_store_for(store: &dyn ArrayStore, isa: Isa) -> Result<Self, SegError> {
        let layers = Layers::new(store, isa);
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
            Chain::Robust(Box::new(Robust { groups: plain, denoiser, refined }))
        } else {
            Chain::Plain(plain)
        };
        let last = chain.last();
        let wanted: &[usize] = if is_robust { &[33] } else { &[32, 33] };
        if !wanted.contains(&last.labels()) {
            let prefix = if is_robust { REFINED.prefix } else { PLAIN.prefix };
            return Err(wrong_labels(prefix, last.labels(), if is_robust { "33" } else { "32 or 33" }));
        }
        Ok(Self { structures: Structures::of_channels(last.labels())?, chain, isa })
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
            let bytes = plan(&self.graph(net, low_memory)?, size)?.peak_bytes();
            most = most.max(bytes.saturating_add(n_voxels.saturating_mul(result + read)));
        }
        Ok(most)
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
                let graph = self.graph(net, low_memory)?;
                self.run_plain(&graph, image, size, averaging, work)
            }
            Chain::Robust(chain) => self.run_robust(chain, image, size, low_memory, work),
        }
    }

    fn run_plain(
        &self,
        graph: &Graph,
        image: &[f32],
        size: [usize; 3],
        averaging: Averaging,
        work: Work<'_>,
    ) -> Result<Posteriors, SegError> {
        let stage = "segmentation network";
        let mut posteriors = Posteriors::zeros(size, self.structures.count())?;
        let mut executor = Executor::new(plan(graph, size)?)?;
        let mut straight = ImageSource::new(image, size[0], false);
        let sum = &mut posteriors.values;
        match averaging {
            Averaging::Raw => work.run(&mut executor, stage, &mut straight, &mut SliceSink::new(sum))?,
            Averaging::Single => work.run(&mut executor, stage, &mut straight, &mut SmoothingSink::new(sum, 1.0))?,
            Averaging::Flipped => {
                work.run(&mut executor, stage, &mut straight, &mut SmoothingSink::new(sum, 0.5))?;
                let flip_channels = self.structures.flip_channels();
                let mut mirrored = ImageSource::new(image, size[0], true);
                let mut sink = SmoothingSink::new(sum, 0.5).mirrored(&flip_channels);
                work.run(&mut executor, "segmentation network, mirrored", &mut mirrored, &mut sink)?;
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
            let mut executor = Executor::new(plan(&self.graph(net, low_memory)?, size)?)?;
            work.run(&mut executor, stage, source, sink)
        };
        let (mut groups, mut denoised) = (vec![0u8; image.len()], vec![0u8; image.len()]);
        let mut source = ImageSource::new(image, size[0], false);
        run(&chain.groups, "group network", &mut source, &mut LabelSink::new(&mut groups, self.isa))?;
        let mut source = OneHotSource::new(&groups, GROUPS);
        run(&chain.denoiser, "denoising network", &mut source, &mut LabelSink::new(&mut denoised, self.isa))?;
        drop(groups);
        let mut posteriors = Posteriors::zeros(size, self.structures.count())?;
        let mut source = OneHotSource::behind(image, &denoised, GROUPS);
        run(&chain.refined, "segmentation network", &mut source, &mut SliceSink::new(&mut posteriors.values))?;
        Ok(posteriors)
    }

    fn graph(&self, net: &UNet, low_memory: bool) -> Result<Graph, KernelError> {
        net.graph(self.isa, low_memory)
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

#[cfg(test)]
mod tests;
