//! 3-D convolution, stride 1, zero 'same' padding.

mod ahead;
mod check;
mod choose;
mod direct;
mod finish;
mod idle_rows;
mod panel;
mod rows;
mod scratch;
mod task;
mod tile;
mod winograd;

pub use choose::{Algorithm, ConvOptions, Mode};
pub(crate) use panel::even_parts;
#[cfg(test)]
pub(crate) use scratch::kept_by_this_thread;
pub(crate) use scratch::with_scratch;
pub(crate) use tile::most_scalars;

use std::ops::Range;

use crate::background::Background;
use crate::{Isa, KernelError, Planes, PlanesMut, Threads};

/// Sizes of a convolution with stride 1 and zero 'same' padding; axes are in the order `[d, h, w]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvShape {
    /// Input channels, all sources together.
    pub c_in: usize,
    /// Output channels.
    pub c_out: usize,
    /// Taps per axis, each odd.
    pub kernel: [usize; 3],
    /// Voxels from one tap to the next, per axis, each at least 1; may be larger than the image.
    pub dilation: [usize; 3],
}

impl ConvShape {
    /// A shape with dilation 1.
    #[must_use]
    pub fn new(c_in: usize, c_out: usize, kernel: [usize; 3]) -> Self {
        Self { c_in, c_out, kernel, dilation: [1; 3] }
    }

    /// The same with another dilation.
    #[must_use]
    pub fn with_dilation(self, dilation: [usize; 3]) -> Self {
        Self { dilation, ..self }
    }

    /// Taps of the kernel, all axes together.
    #[must_use]
    pub fn taps(&self) -> usize {
        self.kernel.iter().product()
    }

    /// Voxels that the kernel reaches on each side, per axis: `dilation * (kernel / 2)`.
    #[must_use]
    pub fn reach(&self) -> [usize; 3] {
        std::array::from_fn(|i| self.dilation[i].saturating_mul(self.kernel[i] / 2))
    }
}

/// Function applied to each output of a convolution.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Activation {
    /// `x`.
    #[default]
    Identity,
    /// `max(0, x)`; NaN stays NaN.
    Relu,
    /// `x` where it is positive, slope times `x` elsewhere.
    LeakyRelu(f32),
    /// `x` where it is positive, `exp(x) - 1` elsewhere.
    Elu,
    /// `x (1 + erf(x / sqrt 2)) / 2`, the exact form; within `2e-7 max(1, |x|)` of it.
    Gelu,
}

/// What follows the sum of a convolution: `activation(conv + bias) * scale + shift`.
///
/// Scale and shift carry a batch norm that comes after the activation; it can not be folded into weights.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Epilogue {
    /// Applied to the biased sum.
    pub activation: Activation,
    /// Scale and shift per output channel, applied after the activation with one rounding.
    pub scale_shift: Option<(Vec<f32>, Vec<f32>)>,
}

impl From<Activation> for Epilogue {
    fn from(activation: Activation) -> Self {
        Self { activation, scale_shift: None }
    }
}

/// A convolution whose weights are packed for one instruction set.
///
/// Output voxel `(z, y, x)`, channel `o`:
/// `act(bias[o] + sum over taps (i, j, k) and channels c of weight[o][c][i][j][k] * input[z + (i - kd / 2) * dilation_d, ..][c])`,
/// with zeros outside the volume. In [`Mode::Exact`] every product is added with one rounding and in an order that depends
/// on the shape alone; the other modes compute the same sum from fewer products. In all modes the same bits come out of
/// every instruction set, of any number of threads and however the output planes are cut into calls.
///
/// ```
/// use volkit_kernels::{Activation, Conv3d, ConvShape, Isa, Layout, Planes, PlanesMut, Threads};
///
/// // The mean of 3 x 3 x 3 voxels.
/// let shape = ConvShape::new(1, 1, [3; 3]);
/// let mean = Conv3d::new(shape, &[1.0 / 27.0; 27], None, Activation::Identity.into(), Isa::detect())?;
/// let layout = Layout::dense([4, 5, 6], 1);
/// let (input, mut output) = (vec![27.0; layout.len()], vec![0.0; layout.len()]);
/// let source = Planes::new(&input, layout)?;
/// mean.run(&[source], &mut PlanesMut::new(&mut output, layout)?, 0..4, &Threads::single())?;
/// assert_eq!(output[0].round(), 8.0); // a corner sees 8 of 27 voxels
/// # Ok::<(), volkit_kernels::KernelError>(())
/// ```
#[derive(Debug)]
pub struct Conv3d {
    shape: ConvShape,
    isa: Isa,
    algorithm: Algorithm,
    packed: Packed,
}

/// What the scratch of a convolution depends on in a source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SourceKind {
    pub(crate) channels: usize,
    pub(crate) upsampled: bool,
}

impl From<&Planes<'_>> for SourceKind {
    fn from(source: &Planes<'_>) -> Self {
        Self { channels: source.layout().channels, upsampled: source.is_upsampled() }
    }
}

/// Weights in the order of an algorithm.
#[derive(Debug)]
enum Packed {
    /// The sum itself, blocked for registers and caches.
    Direct(direct::Direct),
    /// Tiles with fewer products.
    Winograd(winograd::Winograd),
}

impl Conv3d {
    /// Packs `weight` `[C_out][C_in][kd][kh][kw]` and `bias` `[C_out]`.
    ///
    /// The options may be an [`Isa`] alone, which means [`Mode::Exact`] on it.
    ///
    /// # Errors
    /// [`KernelError::Parameter`] for an even kernel, a zero size or an algorithm that does not compute such a
    /// convolution, [`KernelError::Shape`] for arrays of another length, [`KernelError::IsaUnavailable`] when this
    /// machine lacks the instruction set.
    pub fn new<'a>(
        shape: ConvShape,
        weight: &[f32],
        bias: Option<&[f32]>,
        epilogue: Epilogue,
        options: impl Into<ConvOptions<'a>>,
    ) -> Result<Self, KernelError> {
        let options = options.into();
        check::parameters(&shape, weight, bias, &epilogue)?;
        let isa = options.isa.require()?;
        let algorithm = options.algorithm_for(&shape)?;
        let single = Threads::single();
        let threads = options.threads.unwrap_or(&single);
        let winograd = winograd::Winograd::new(&shape, (weight, bias), epilogue.clone(), (algorithm, isa), threads);
        let packed = match winograd {
            Some(winograd) => Packed::Winograd(winograd),
            None => Packed::Direct(direct::Direct::new(&shape, weight, bias, epilogue, isa)),
        };
        Ok(Self { shape, isa, algorithm, packed })
    }

    /// Sizes of the convolution.
    #[must_use]
    pub fn shape(&self) -> &ConvShape {
        &self.shape
    }

    /// Instruction set that it is packed for.
    #[must_use]
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// How it is computed.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Bytes of the packed weights.
    #[must_use]
    pub fn packed_bytes(&self) -> usize {
        match &self.packed {
            Packed::Direct(direct) => direct.packed_bytes(),
            Packed::Winograd(winograd) => winograd.packed_bytes(),
        }
    }

    /// Output planes of a tensor of `depth` planes that are computed together: calls for ranges that begin and end at
    /// multiples of it (or at the end of the volume) compute nothing twice. 1 for [`Algorithm::Direct`].
    #[must_use]
    pub fn plane_step(&self, depth: usize) -> usize {
        match &self.packed {
            Packed::Direct(_) => 1,
            Packed::Winograd(winograd) => winograd.plane_step(depth),
        }
    }

    /// Input planes that [`Conv3d::run`] reads for the output planes `planes` of a tensor of `depth` planes: `planes` grown
    /// to multiples of [`Conv3d::plane_step`], and the kernel's reach on both sides, inside the volume.
    #[must_use]
    pub fn planes_read(&self, planes: &Range<usize>, depth: usize) -> Range<usize> {
        if planes.is_empty() {
            return planes.clone();
        }
        let (step, reach) = (self.plane_step(depth).max(1), self.shape.reach()[0]);
        let end = planes.end.checked_next_multiple_of(step).unwrap_or(depth);
        (planes.start / step * step).saturating_sub(reach)..end.saturating_add(reach).min(depth)
    }

    /// Zero voxels that a source needs at both ends of its rows: none, because rows are copied into a padded scratch.
    /// More padding is accepted and not read.
    #[must_use]
    pub fn pad_w(&self) -> usize {
        0
    }

    /// Computes the output planes `planes` from the concatenation of `sources` along channels.
    ///
    /// A source that is a ring must hold the planes [`Conv3d::planes_read`] (halved for an up-sampled source). Scratch memory is kept by each thread between calls.
    ///
    /// # Errors
    /// [`KernelError::Shape`] where channels or sizes disagree, `planes` lies outside the volume, or a ring has fewer
    /// slots than the planes that are read or written; [`KernelError::Memory`] where a row is too long for 32-bit offsets.
    pub fn run(
        &self,
        sources: &[Planes<'_>],
        out: &mut PlanesMut<'_>,
        planes: Range<usize>,
        threads: &Threads,
    ) -> Result<(), KernelError> {
        self.run_beside(sources, out, planes, threads, None)
    }

    /// Floats of scratch that each of so many threads keeps after computing `planes`, which are not empty, of a tensor of
    /// `size` `[d, h, w]`.
    pub(crate) fn scratch_floats(
        &self,
        sources: &[SourceKind],
        size: [usize; 3],
        planes: Range<usize>,
        n_threads: usize,
    ) -> usize {
        scratch::kept_floats(match &self.packed {
            Packed::Direct(direct) => direct.scratch_floats(size, planes, n_threads),
            Packed::Winograd(winograd) => winograd.scratch_floats(sources, size, &planes, n_threads),
        })
    }

    /// What comes of a source whose voxels are all `value`, far from the ends of the volume; nothing where that takes a
    /// large volume to find out.
    pub(crate) fn on_background(&self, value: &[f32]) -> Option<Vec<f32>> {
        match &self.packed {
            Packed::Direct(direct) => direct.on_background(value),
            Packed::Winograd(winograd) => Some(winograd.on_background(value)),
        }
    }

    /// [`Conv3d::run`] that leaves out what reads background only, where `background` tells of it; with more than one
    /// source or an up-sampled one it can not.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn run_beside(
        &self,
        sources: &[Planes<'_>],
        out: &mut PlanesMut<'_>,
        planes: Range<usize>,
        threads: &Threads,
        background: Option<Background<'_>>,
    ) -> Result<(), KernelError> {
        let reads = self.planes_read(&planes, out.layout().depth);
        check::tensors(&self.shape, sources, out.layout(), &planes, &reads)?;
        if planes.is_empty() || out.layout().is_empty() {
            return Ok(());
        }
        match &self.packed {
            Packed::Direct(direct) => direct.run(sources, out, planes, threads, background),
            Packed::Winograd(winograd) => {
                winograd.run(sources, out, &planes, threads, background);
                Ok(())
            }
        }
    }
}
