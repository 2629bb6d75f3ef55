//! The error of this crate.

use volkit_core::{BoxError, CoreError, Stopped};
use volkit_geom::GeomError;
use volkit_kernels::KernelError;

/// What a segmentation, a network or a label table refuses.
///
/// Messages name the field and the value; whoever opened the file puts its name in front.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SegError {
    /// A scan that can not be segmented.
    #[error("scan: {field} = {value}: {why}")]
    Scan {
        /// Field of the scan.
        field: &'static str,
        /// Value that it has.
        value: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A store of weights that holds no network known here.
    #[error(
        "weights: {found}: not a network of a known kind (SynthSeg: arrays 'unet_conv_downarm_0_0/kernel:0', ..; MeshNet: a config or arrays 'layers.0.weight', ..)"
    )]
    UnknownModel {
        /// What the store holds.
        found: String,
    },
    /// A network that segments nothing by itself.
    #[error("weights: {kind} network: it follows a segmentation network and segments nothing by itself")]
    Follower {
        /// Name of its kind.
        kind: &'static str,
    },
    /// A network's configuration that is missing or can not be.
    #[error("weights: config: {field} = {value}: {why}")]
    Config {
        /// Field, as `layers[2].dilation`.
        field: String,
        /// Value that it has.
        value: String,
        /// What it should be.
        why: String,
    },
    /// A tensor of a network that is missing or does not fit its configuration.
    #[error("weights: tensor '{tensor}': {field} = {value}, expected {wanted}")]
    Tensor {
        /// Name of the tensor.
        tensor: String,
        /// What of it.
        field: &'static str,
        /// Value that it has.
        value: String,
        /// Value that it should have.
        wanted: String,
    },
    /// A tensor that could not be read.
    #[error("weights: tensor '{tensor}'")]
    ReadTensor {
        /// Name of the tensor.
        tensor: String,
        /// What reading gave.
        #[source]
        source: BoxError,
    },
    /// A label table that can not be read.
    #[error("label table: line {line}: {field} = {value}: {why}")]
    Table {
        /// Line, from 1.
        line: usize,
        /// Field of the line.
        field: &'static str,
        /// Text found.
        value: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// An option that can not be.
    #[error("option {name} = {value}: {why}")]
    Option {
        /// Name of the option.
        name: &'static str,
        /// Value that it has.
        value: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A picture that can not be encoded as PNG.
    #[error("picture: can not be encoded as PNG")]
    Png(#[source] BoxError),
    /// The work was stopped through its `Progress`.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// A volume or an affine that can not be.
    #[error("volume")]
    Core(#[from] CoreError),
    /// Reorientation, resampling or statistics failed.
    #[error("geometry")]
    Geom(#[from] GeomError),
    /// The memory of the device does not hold the network's tensors.
    #[cfg(feature = "candle")]
    #[error(
        "network on {device}: out of memory for {} x {} x {} voxels, whose tensors take about {:.1} GB: fewer voxels, or the \
         kernels of the CPU, need less",
        .size[0], .size[1], .size[2], *.needed_bytes as f64 * 1e-9
    )]
    DeviceMemory {
        /// The device.
        device: String,
        /// Voxels along x, y and z.
        size: [usize; 3],
        /// Bytes that the run was expected to take.
        needed_bytes: usize,
        /// What the device said.
        #[source]
        source: Box<volkit_nn3d::Nn3dError>,
    },
    /// A device gave numbers that are none.
    #[cfg(feature = "candle")]
    #[error(
        "network on {device}: NaN or infinite results ({n_values}, from plane {plane} on): the device computes wrongly"
    )]
    DeviceValues {
        /// The device.
        device: String,
        /// How many in a slab of planes.
        n_values: usize,
        /// First plane of the slab.
        plane: usize,
    },
    /// The network could not be built or run on the composite path.
    #[cfg(feature = "candle")]
    #[error("network, composite path")]
    Composite(#[source] Box<volkit_nn3d::Nn3dError>),
    /// The network could not be built or run.
    #[error("network")]
    Kernel(#[source] KernelError),
}

#[cfg(feature = "candle")]
impl From<volkit_nn3d::Nn3dError> for SegError {
    fn from(error: volkit_nn3d::Nn3dError) -> Self {
        Self::Composite(Box::new(error))
    }
}

impl From<KernelError> for SegError {
    /// A stop that travelled through the executor comes out as [`SegError::Stopped`].
    fn from(error: KernelError) -> Self {
        match error {
            KernelError::Cancelled => Self::Stopped(Stopped),
            other => Self::Kernel(other),
        }
    }
}
