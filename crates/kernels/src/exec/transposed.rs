//! Transposed convolutions, made of what is there.

use super::graph::{GraphBuilder, Op, TensorId};
use crate::KernelError;
use crate::conv::{Conv3d, ConvOptions, ConvShape, Epilogue};

const OP: &str = "GraphBuilder::conv_transpose";

/// A transposed convolution of 2 x 2 x 2 taps and stride 2, which doubles the size: each output voxel has one input
/// voxel and one tap.
#[derive(Clone, Copy, Debug)]
pub struct Transposed<'a> {
    /// Input channels.
    pub c_in: usize,
    /// Output channels.
    pub c_out: usize,
    /// Weights `[C_in][C_out][2][2][2]`.
    pub weight: &'a [f32],
    /// Bias per output channel.
    pub bias: Option<&'a [f32]>,
}

impl GraphBuilder {
    /// Adds a transposed convolution and its epilogue: voxel `(2 z + i, 2 y + j, 2 x + k)`, channel `o`, is
    /// `bias[o] + sum over c of weight[c][o][i][j][k] * source[z, y, x][c]`.
    ///
    /// It becomes two nodes, a convolution of one tap with eight times the output channels and the rearrangement of these
    /// channels to voxels.
    ///
    /// # Errors
    /// [`KernelError::Shape`] when arrays or the source's channels do not fit; [`KernelError::Parameter`] for no
    /// channels, or a tensor that is not of this graph; [`KernelError::IsaUnavailable`].
    pub fn conv_transpose<'a>(
        &mut self,
        source: TensorId,
        transposed: Transposed<'_>,
        epilogue: Epilogue,
        options: impl Into<ConvOptions<'a>>,
    ) -> Result<TensorId, KernelError> {
        let Transposed { c_in, c_out, weight, bias } = transposed;
        let count = c_in.checked_mul(c_out).and_then(|n| n.checked_mul(8));
        if count != Some(weight.len()) || bias.is_some_and(|bias| bias.len() != c_out) {
            return Err(KernelError::Shape {
                op: OP,
                wanted: format!("weight [C_in, C_out, 2, 2, 2] = [{c_in}, {c_out}, 2, 2, 2] and {c_out} biases"),
                got: format!("{} floats and {} biases", weight.len(), bias.map_or(0, <[f32]>::len)),
            });
        }
        // Output channel `corner * C_out + o` of the convolution.
        let by_corner: Vec<f32> = (0..8 * c_out)
            .flat_map(|row| (0..c_in).map(move |c| (c * c_out + row % c_out) * 8 + row / c_out))
            .map(|index| weight[index])
            .collect();
        let repeat = |values: &[f32]| values.repeat(8);
        let epilogue = Epilogue {
            activation: epilogue.activation,
            scale_shift: epilogue.scale_shift.map(|(scale, shift)| (repeat(&scale), repeat(&shift))),
        };
        let shape = ConvShape::new(c_in, 8 * c_out, [1; 3]);
        let conv = Conv3d::new(shape, &by_corner, bias.map(repeat).as_deref(), epilogue, options)?;
        let corners = self.conv(conv, &[source.into()])?;
        Ok(self.push(Op::DepthToSpace, vec![corners.into()], c_out))
    }
}
