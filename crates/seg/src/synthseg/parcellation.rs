//! The network that divides the cortex into parcels.

use volkit_core::ArrayStore;
use volkit_kernels::Isa;

use super::inputs::OneHotSource;
use super::posterior_sink::{PosteriorSink, Unchanged};
use super::runner::{Work, check_input};
use super::smoothing::SmoothingSink;
use super::tables::parcels;
use super::unet::{UNet, UNetKind, UNetRun};
use super::weights::Layers;
use crate::{NetworkBuild, SegError};

const PARCELS: UNetKind = UNetKind { prefix: "unet_parc", c_in: 3, kernel: 3, n_skipless: 0 };

/// The parcellation network: the image and where the cortex is in, 69 posteriors out.
#[derive(Debug)]
pub struct ParcellationNet {
    net: UNet,
    isa: Isa,
}

impl ParcellationNet {
    /// Reads the network (layers `unet_parc_..`); features and levels are those of the weights.
    ///
    /// # Errors
    /// As [`SegmentationNet::from_store`](super::SegmentationNet::from_store).
    pub fn from_store(store: &dyn ArrayStore, build: &NetworkBuild<'_>) -> Result<Self, SegError> {
        let net = UNet::read(&Layers::new(store, build)?, PARCELS)?;
        net.check_labels(&[parcels().len()])?;
        Ok(Self { net, isa: build.conv.isa })
    }

    /// The network with its levels, features and labels.
    #[must_use]
    pub fn summary(&self) -> String {
        self.net.summary()
    }

    /// Sizes of the input must be multiples of this.
    #[must_use]
    pub fn size_multiple(&self) -> usize {
        self.net.size_multiple()
    }

    /// Bytes of activations that a run over `size` voxels `[x, y, z]` takes.
    ///
    /// # Errors
    /// [`SegError::Kernel`] for a size that the network can not have.
    pub fn run_bytes(&self, size: [usize; 3], low_memory: bool) -> Result<usize, SegError> {
        self.net.run_bytes(self.isa, &UNetRun { size, with_mirrored: false, low_memory })
    }

    /// Runs over an image and its mask (1 in the cortex, 0 elsewhere), both `[z][y][x]`; planes go to `sink`.
    pub(super) fn run(
        &self,
        (image, mask): (&[f32], &[u8]),
        run: &UNetRun,
        is_smoothed: bool,
        sink: &mut dyn PosteriorSink,
        work: Work<'_>,
    ) -> Result<(), SegError> {
        check_input(run.size, image.len(), self.size_multiple())?;
        check_input(run.size, mask.len(), 1)?;
        let mut engine = self.net.engine(self.isa, run)?;
        let stage = "parcellation network";
        let mut source = OneHotSource::behind(image, mask, 2);
        if is_smoothed {
            let mut smoothing = SmoothingSink::new(run.size, self.net.labels(), sink);
            work.run_on(&mut engine, stage, &mut source, &mut smoothing)
        } else {
            work.run_on(&mut engine, stage, &mut source, &mut Unchanged::new(sink))
        }
    }
}
