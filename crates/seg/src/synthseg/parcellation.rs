//! The network that divides the cortex into parcels.

use volkit_core::ArrayStore;
use volkit_kernels::{ConvOptions, Isa, SliceSink};

use super::inputs::OneHotSource;
use super::posteriors::Posteriors;
use super::runner::{Work, check_input};
use super::smoothing::SmoothingSink;
use super::tables::parcels;
use super::unet::{UNet, UNetKind};
use super::weights::{Layers, kernel_name};
use crate::{NetPath, SegError};

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
    pub fn from_store(store: &dyn ArrayStore) -> Result<Self, SegError> {
        Self::from_store_for(store, Isa::detect())
    }

    /// The same for a given instruction set and mode.
    ///
    /// # Errors
    /// As [`ParcellationNet::from_store`]; [`SegError::Kernel`] when this machine lacks the instruction set.
    pub fn from_store_for<'a>(
        store: &'a dyn ArrayStore,
        options: impl Into<ConvOptions<'a>>,
    ) -> Result<Self, SegError> {
        Self::from_store_on(store, options, NetPath::Auto)
    }

    /// The same on another path.
    ///
    /// # Errors
    /// As [`ParcellationNet::from_store_for`]; [`SegError::Option`] for a path that this build does not have.
    pub fn from_store_on<'a>(
        store: &'a dyn ArrayStore,
        options: impl Into<ConvOptions<'a>>,
        path: NetPath,
    ) -> Result<Self, SegError> {
        let options = options.into();
        let net = UNet::read(&Layers::new(store, options).on_path(path)?, PARCELS)?;
        if net.labels() != parcels().len() {
            return Err(SegError::Tensor {
                tensor: kernel_name("unet_parc_likelihood"),
                field: "output channels",
                value: net.labels().to_string(),
                wanted: parcels().len().to_string(),
            });
        }
        Ok(Self { net, isa: options.isa })
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

    /// Bytes that a run over `size` voxels `[x, y, z]` takes: activations, and the posteriors that it returns.
    ///
    /// # Errors
    /// [`SegError::Kernel`] for a size that the network can not have.
    pub fn run_bytes(&self, size: [usize; 3], low_memory: bool) -> Result<usize, SegError> {
        let result = size.iter().product::<usize>().saturating_mul(self.net.labels() * size_of::<f32>());
        Ok(self.net.run_bytes(self.isa, low_memory, size)?.saturating_add(result))
    }

    /// Runs over an image and its mask (1 in the cortex, 0 elsewhere), both `[z][y][x]`.
    pub(super) fn run(
        &self,
        image: &[f32],
        mask: &[u8],
        size: [usize; 3],
        is_smoothed: bool,
        low_memory: bool,
        work: Work<'_>,
    ) -> Result<Posteriors, SegError> {
        check_input(size, image.len(), self.size_multiple())?;
        check_input(size, mask.len(), 1)?;
        let mut posteriors = Posteriors::zeros(size, self.net.labels())?;
        let mut engine = self.net.engine(self.isa, low_memory, size)?;
        let (stage, values) = ("parcellation network", &mut posteriors.values);
        let mut source = OneHotSource::behind(image, mask, 2);
        if is_smoothed {
            work.run_on(&mut engine, stage, &mut source, &mut SmoothingSink::new(values, 1.0))?;
        } else {
            work.run_on(&mut engine, stage, &mut source, &mut SliceSink::new(values))?;
        }
        Ok(posteriors)
    }
}
