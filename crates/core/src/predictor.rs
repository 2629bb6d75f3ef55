//! Networks, seen from outside.

use crate::{BoxError, CoreError};

/// A batch of channel-first samples, row-major: `[B, C, s..]`, where the last spatial axis is fastest.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    shape: Vec<usize>,
    values: Vec<f32>,
}

impl Batch {
    /// A batch of shape `[B, C, s..]` with one to four spatial axes.
    ///
    /// # Errors
    /// [`CoreError::Shape`] for another rank, [`CoreError::Length`] when the number of values is not that of the shape.
    pub fn new(shape: impl Into<Vec<usize>>, values: Vec<f32>) -> Result<Self, CoreError> {
        let shape = shape.into();
        let wanted = shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
        let (3..=6, Some(wanted)) = (shape.len(), wanted) else {
            return Err(CoreError::Shape(shape));
        };
        if wanted != values.len() {
            return Err(CoreError::Length { shape, wanted, got: values.len() });
        }
        Ok(Self { shape, values })
    }

    /// `[B, C, s..]`.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The spatial axes `s..`.
    #[must_use]
    pub fn spatial(&self) -> &[usize] {
        &self.shape[2..]
    }

    /// The values.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The values, taken out.
    #[must_use]
    pub fn into_values(self) -> Vec<f32> {
        self.values
    }
}

/// Output voxels per input voxel along one axis, as a fraction in lowest terms or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// Output voxels.
    pub numerator: usize,
    /// Input voxels.
    pub denominator: usize,
}

impl Scale {
    /// The output has the size of the input.
    pub const ONE: Self = Self { numerator: 1, denominator: 1 };
}

/// One output of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputSpec {
    /// Name, for messages and file names.
    pub name: String,
    /// Channels.
    pub channels: usize,
    /// Size relative to the input, the same along every spatial axis.
    pub scale: Scale,
}

/// What a network takes and gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PredictorSpec {
    /// Channels of the input.
    pub input_channels: usize,
    /// Spatial axes of the input.
    pub n_spatial_axes: usize,
    /// Outputs, in order.
    pub outputs: Vec<OutputSpec>,
    /// Sizes must be multiples of this along every spatial axis.
    pub multiple_of: usize,
    /// Voxels on each side, per spatial axis, that an output voxel depends on; none when it depends on all.
    pub receptive_radius: Option<Vec<usize>>,
}

/// What a [`Predictor`] answers, or gives as a cause, when there is no memory for a batch: a smaller one may fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no memory for {needed_bytes} bytes")]
pub struct OutOfMemory {
    /// Bytes that were asked for; 0 where that is not known.
    pub needed_bytes: usize,
}

/// A network, or anything that turns a batch of samples into batches of outputs.
///
/// # Protocol
/// `spec` never changes. `predict` takes `[B, C, s..]` and gives one `[B, K, s'..]` per output, in the order of the
/// specification; samples of a batch do not influence each other. It may be called from one thread at a time.
pub trait Predictor: Send {
    /// What the network takes and gives.
    fn spec(&self) -> &PredictorSpec;

    /// Runs a batch.
    ///
    /// # Errors
    /// When the shape does not fit the specification, or running fails; the predictor stays usable. [`OutOfMemory`], itself
    /// or as a cause, where a smaller batch may fit.
    fn predict(&mut self, input: &Batch) -> Result<Vec<Batch>, BoxError>;

    /// Runs a batch that the caller needs no more: the outputs, and memory of the batch that is free again. A model that can
    /// work in place gives the batch back as an output and so spares a copy; by default this is [`Predictor::predict`].
    ///
    /// # Errors
    /// As there.
    fn predict_owned(&mut self, input: Batch) -> Result<(Vec<Batch>, Vec<f32>), BoxError> {
        Ok((self.predict(&input)?, input.into_values()))
    }
}
