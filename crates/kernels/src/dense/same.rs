//! Correlations of stride 1 on the engine of networks, which computes as many outputs as there are inputs.

use super::Cores;
use super::channels_last::Frame;
use super::correlation::{Correlation, Direction, Filter};
use super::elements::{ElementsMut, Operand};
use crate::{Activation, Conv3d, ConvOptions, ConvShape, Epilogue, KernelError, Layout, Mode, Planes, PlanesMut};

/// Largest ratio of the voxels computed to those wanted: beyond, the general kernel is faster.
const MOST_WASTE: usize = 2;

/// Fewest channels on either side for fewer products than the sum itself has, and fewest voxels that earn back what
/// transforming the weights costs at each call: with 8 channels, or 120 voxels of 128 channels, the sum itself takes half
/// the time.
const MIN_CHANNELS: usize = 16;
const MIN_VOXELS: usize = 1024;

/// A correlation, or the transpose of one, as a convolution with 'same' padding of a frame that holds both its input and
/// its output.
pub(super) struct Same<'a> {
    correlation: &'a Correlation,
    direction: Direction,
    input: Frame,
    output: Frame,
    /// Voxels of input and output.
    sizes: [[usize; 3]; 2],
}

impl<'a> Same<'a> {
    /// Nothing where the engine does not compute such a convolution, or would compute far more than is wanted.
    pub(super) fn new(correlation: &'a Correlation, direction: Direction) -> Option<Self> {
        let shape = correlation.shape();
        let odd = shape.kernel.iter().all(|k| k % 2 == 1);
        if !odd || shape.stride != [1; 3] || shape.groups != 1 {
            return None;
        }
        let [c_in, c_out] = shape.channels;
        let (channels, sizes) = match direction {
            Direction::Forward => ([c_in, c_out], [shape.size_in, correlation.size_out()]),
            Direction::Transposed => ([c_out, c_in], [correlation.size_out(), shape.size_in]),
        };
        let mut input = Frame::dense([0; 3], channels[0]);
        let mut output = Frame::dense([0; 3], channels[1]);
        for (a, (n_from, n_to)) in sizes[0].into_iter().zip(sizes[1]).enumerate() {
            let reach = (shape.dilation[a] * (shape.kernel[a] - 1) / 2) as isize;
            let padding = match direction {
                Direction::Forward => shape.padding[a] as isize,
                Direction::Transposed => 2 * reach - shape.padding[a] as isize,
            };
            // Output `i` reads from input `i - padding` on, and the engine's from `i - reach` on.
            input.start[a] = (padding - reach).max(0) as usize;
            output.start[a] = (reach - padding).max(0) as usize;
            let size = (input.start[a] + n_from).max(output.start[a] + n_to);
            (input.size[a], output.size[a]) = (size, size);
        }
        let volume = |size: [usize; 3]| size.iter().try_fold(1_usize, |v, n| v.checked_mul(*n));
        let fits = volume(input.size)? <= volume(sizes[1])?.saturating_mul(MOST_WASTE);
        fits.then_some(Self { correlation, direction, input, output, sizes })
    }

    pub(super) fn run(
        &self,
        from: Operand<'_>,
        filter: &Filter<'_>,
        mut to: ElementsMut<'_>,
        cores: &Cores<'_>,
    ) -> Result<(), KernelError> {
        let shape = self.correlation.shape();
        let turned = self.turned(filter.weight);
        let weight = turned.as_deref().unwrap_or(filter.weight);
        let conv = ConvShape::new(self.input.channels, self.output.channels, shape.kernel);
        let isa = if cores.isa.is_available() { cores.isa } else { crate::Isa::Scalar };
        let options = ConvOptions::new(isa).with_mode(self.mode()).with_threads(cores.threads);
        let conv = Conv3d::new(conv.with_dilation(shape.dilation), weight, filter.bias, self.epilogue(), options)?;
        let [in_layout, out_layout] = [self.input, self.output].map(|f| Layout::dense(f.size, f.channels));
        let (mut source, mut target) = (self.input.memory_around(self.sizes[0])?, self.output.memory()?);
        let [n_from, n_to] = [from.len() / shape.batch.max(1), to.len() / shape.batch.max(1)];
        let to = to.share();
        let planes = self.output.start[0]..self.output.start[0] + self.sizes[1][0];
        for n in 0..shape.batch {
            self.input.pack((from, n * n_from), self.sizes[0], &mut source, cores);
            let input = Planes::new(&source[..in_layout.len()], in_layout)?;
            let mut output = PlanesMut::new(&mut target[..out_layout.len()], out_layout)?;
            conv.run(&[input], &mut output, planes.clone(), cores.threads)?;
            self.output.unpack(&target, self.sizes[1], (to, n * n_to), cores);
        }
        Ok(())
    }

    /// How sums are taken, by the shape alone.
    fn mode(&self) -> Mode {
        let narrow = self.input.channels.min(self.output.channels) < MIN_CHANNELS;
        let small = self.sizes[1].iter().product::<usize>() < MIN_VOXELS;
        if narrow || small { Mode::Exact } else { self.correlation.mode() }
    }

    /// The rectifier, if there is one.
    fn epilogue(&self) -> Epilogue {
        let activation = match self.correlation.rectifier(self.direction) {
            None => Activation::Identity,
            Some(0.0) => Activation::Relu,
            Some(slope) => Activation::LeakyRelu(slope),
        };
        activation.into()
    }

    /// For the transpose, the weight with its channels swapped and its taps in reverse order.
    fn turned(&self, weight: &[f32]) -> Option<Vec<f32>> {
        if self.direction == Direction::Forward {
            return None;
        }
        let ([c_in, c_out], taps) = (self.correlation.shape().channels, self.correlation.taps());
        let mut turned = Vec::with_capacity(weight.len());
        for c in 0..c_in {
            for o in 0..c_out {
                turned.extend(weight[(o * c_in + c) * taps..][..taps].iter().rev());
            }
        }
        Some(turned)
    }
}
