//! The sums of products behind convolutions: columns of taps, slab by slab, times the weight matrix.
//!
//! A slab is a run of output rows. Its columns, `[C * taps, positions]`, are the views of the input at each tap, copied
//! side by side; one matrix product then gives the slab of the output. Only one slab's columns exist at a time. Compared
//! with folding `kz` into the channels of candle's `conv2d`, this needs no padding, stride or dilation that is equal on
//! all axes, meets none of `conv2d`'s defects, and is several times faster on the CPU.

use candle_core::{Result, Tensor};

use crate::axis::Axis;
use crate::shape::Triple;
use crate::taps::{Phases, interleave, positions, window, window_axis};

/// A correlation without its tensors.
#[derive(Clone, Debug)]
pub(crate) struct Correlation {
    pub(crate) axes: [Axis; 3],
    pub(crate) groups: usize,
    /// Bytes that the columns of a slab may take; at least one row is worked on.
    pub(crate) slab_bytes: usize,
}

/// Output rows `first_row .. first_row + rows` of the planes `first_plane .. first_plane + planes`.
///
/// Either `planes` is 1 or all rows are covered: the outputs of a slab are neighbours in memory.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Slab {
    first_plane: usize,
    planes: usize,
    first_row: usize,
    rows: usize,
}

/// Which positions the columns of a slab are for.
#[derive(Clone, Copy, Debug)]
enum Places {
    /// The outputs, one after the other.
    Packed,
    /// All positions of the padded input from the first output to the last: `width` to a row, `height` rows to a plane.
    /// Every tap is then one run of memory for each channel, which is copied several times faster than row by row; the
    /// positions between the rows of the output are worked out in vain.
    InRows { height: usize, width: usize },
}

/// The columns of one slab.
struct Columns {
    /// `[G, taps * C / G, len]`.
    matrix: Tensor,
    places: Places,
    /// Planes, rows and row length of the output.
    size: Triple,
    groups: usize,
}

impl Columns {
    /// Positions of a column.
    fn len(&self) -> usize {
        let [planes, rows, width] = self.size;
        match self.places {
            Places::Packed => planes * rows * width,
            Places::InRows { height, width: step } => ((planes - 1) * height + rows - 1) * step + width,
        }
    }

    /// Products `[G, C_out / G, len]` to outputs `[1, C_out, planes * rows * width]`.
    fn gather(&self, products: &Tensor) -> Result<Tensor> {
        let (groups, per_group, len) = products.dims3()?;
        let c_out = groups * per_group;
        match self.places {
            Places::Packed => products.reshape((1, c_out, len)),
            Places::InRows { height, width } => {
                let [planes, rows, row] = self.size;
                let whole = products.reshape((c_out, len))?.pad_with_zeros(1, 0, planes * height * width - len)?;
                let kept = whole.reshape((c_out, planes, height, width))?.narrow(2, 0, rows)?.narrow(3, 0, row)?;
                kept.contiguous()?.reshape((1, c_out, ()))
            }
        }
    }

    /// The transpose of [`Self::gather`].
    fn spread(&self, outputs: &Tensor) -> Result<Tensor> {
        let c_out = outputs.dim(1)?;
        let outputs = match self.places {
            Places::Packed => outputs.contiguous()?,
            Places::InRows { height, width } => {
                let [planes, rows, row] = self.size;
                let kept = outputs.contiguous()?.reshape((c_out, planes, rows, row))?;
                let whole = kept.pad_with_zeros(3, 0, width - row)?.pad_with_zeros(2, 0, height - rows)?;
                whole.reshape((c_out, ()))?.narrow(1, 0, self.len())?.contiguous()?
            }
        };
        outputs.reshape((self.groups, c_out / self.groups, ()))
    }
}

impl Correlation {
    fn output_size(&self) -> Triple {
        std::array::from_fn(|a| self.axes[a].n_out)
    }

    fn kernel(&self) -> Triple {
        std::array::from_fn(|a| self.axes[a].offsets.len())
    }

    /// Slabs that cover the output, for columns of `bytes_per_row`.
    fn slabs(&self, bytes_per_row: usize) -> Vec<Slab> {
        let [depth, height, _] = self.output_size();
        let rows = (self.slab_bytes / bytes_per_row.max(1)).max(1);
        let (plane_step, row_step) = if rows >= height { (rows / height, height) } else { (1, rows) };
        let mut slabs = Vec::new();
        for first_plane in (0..depth).step_by(plane_step) {
            for first_row in (0..height).step_by(row_step) {
                let planes = plane_step.min(depth - first_plane);
                slabs.push(Slab { first_plane, planes, first_row, rows: row_step.min(height - first_row) });
            }
        }
        slabs
    }

    fn slabs_for(&self, x: &Tensor) -> Result<Vec<Slab>> {
        let taps: usize = self.kernel().iter().product();
        let copies = if self.groups == 1 { 1 } else { 2 };
        let row = self.axes[2].input_window(0, self.axes[2].n_out).1.div_ceil(self.axes[2].stride);
        Ok(self.slabs(copies * taps * x.dim(1)? * row * x.dtype().size_in_bytes()))
    }

    /// Columns of one slab of `x` `[1, C, D, H, W]`.
    fn columns(&self, x: &Tensor, slab: Slab) -> Result<Columns> {
        let channels = x.dim(1)?;
        let [az, ay, ax] = &self.axes;
        let windows = [
            az.input_window(slab.first_plane, slab.planes),
            ay.input_window(slab.first_row, slab.rows),
            ax.input_window(0, ax.n_out),
        ];
        let x = window(x, windows.map(|w| w.0), windows.map(|w| w.1), 0.0)?;
        let size = [slab.planes, slab.rows, ax.n_out];
        let [_, height, width] = windows.map(|w| w.1);
        let stride = [az.stride, ay.stride, ax.stride];
        let in_rows = stride == [1; 3] && 2 * height * width <= 3 * size[1] * size[2];
        let places = if in_rows { Places::InRows { height, width } } else { Places::Packed };
        let columns = Columns { matrix: x.clone(), places, size, groups: self.groups };
        let len = columns.len();
        let at = |k: Triple| -> Triple { std::array::from_fn(|a| self.axes[a].tap_in_window(k[a])) };
        let taps: Vec<Tensor> = match places {
            Places::InRows { .. } => {
                let flat = x.reshape((channels, ()))?;
                let offset = |[z, y, x]: Triple| (z * height + y) * width + x;
                positions(self.kernel()).map(|k| flat.narrow(1, offset(at(k)), len)).collect::<Result<_>>()?
            }
            Places::Packed => {
                let phases = Phases::of(&x, stride)?;
                positions(self.kernel()).map(|k| phases.tap(at(k), size)).collect::<Result<_>>()?
            }
        };
        let n_taps = taps.len();
        let matrix = Tensor::cat(&taps, 0)?;
        let per_group = channels / self.groups;
        let matrix = if self.groups == 1 {
            matrix.reshape((1, n_taps * channels, len))?
        } else {
            let matrix = matrix.reshape((n_taps, self.groups, per_group, len))?.transpose(0, 1)?.contiguous()?;
            matrix.reshape((self.groups, n_taps * per_group, len))?
        };
        Ok(Columns { matrix, ..columns })
    }

    /// `x` `[N, C, D, H, W]` with `weight` `[C_out, C / G, taps...]`, plus `bias` `[C_out]`: `[N, C_out, n_out...]`.
    pub(crate) fn apply(&self, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        let [depth, height, width] = self.output_size();
        let (batch, c_out) = (x.dim(0)?, weight.dim(0)?);
        let per_group = c_out / self.groups;
        // Columns run over taps first, channels last.
        let matrix = weight.permute((0, 2, 3, 4, 1))?.contiguous()?.reshape((self.groups, per_group, ()))?;
        let bias = bias.map(|b| b.reshape((1, c_out, 1))).transpose()?;
        let out = Tensor::zeros((batch, c_out, depth * height * width), x.dtype(), x.device())?;
        let slabs = self.slabs_for(x)?;
        for n in 0..batch {
            let (sample, target) = (x.narrow(0, n, 1)?, out.narrow(0, n, 1)?);
            for &slab in &slabs {
                let columns = self.columns(&sample, slab)?;
                let mut part = columns.gather(&matrix.matmul(&columns.matrix)?)?;
                if let Some(bias) = &bias {
                    part = part.broadcast_add(bias)?;
                }
                target.slice_set(&part, 2, (slab.first_plane * height + slab.first_row) * width)?;
            }
        }
        out.reshape((batch, c_out, depth, height, width))
    }

    /// Gradient of the weight, `[C_out, C / G, taps...]`, for the gradient `grad` of the output of [`Self::apply`].
    pub(crate) fn weight_gradient(&self, x: &Tensor, grad: &Tensor) -> Result<Tensor> {
        let [_, height, width] = self.output_size();
        let (batch, channels, c_out) = (x.dim(0)?, x.dim(1)?, grad.dim(1)?);
        let grad = grad.contiguous()?.reshape((batch, c_out, ()))?;
        let slabs = self.slabs_for(x)?;
        let mut sum: Option<Tensor> = None;
        for n in 0..batch {
            let (sample, grad) = (x.narrow(0, n, 1)?, grad.narrow(0, n, 1)?);
            for &slab in &slabs {
                let first = (slab.first_plane * height + slab.first_row) * width;
                let part = grad.narrow(2, first, slab.planes * slab.rows * width)?;
                let columns = self.columns(&sample, slab)?;
                let product = columns.spread(&part)?.matmul(&columns.matrix.transpose(1, 2)?)?;
                sum = Some(match sum {
                    None => product,
                    Some(sum) => sum.add(&product)?,
                });
            }
        }
        let [kz, ky, kx] = self.kernel();
        match sum {
            Some(sum) => {
                sum.reshape((c_out, kz, ky, kx, channels / self.groups))?.permute((0, 4, 1, 2, 3))?.contiguous()
            }
            None => Tensor::zeros((c_out, channels / self.groups, kz, ky, kx), x.dtype(), x.device()),
        }
    }

    /// The transpose of [`Self::apply`]: `grad` `[N, C_out, ...]` to `[N, C, size...]`, plus `bias` `[C]`.
    ///
    /// Each phase of the stride is a correlation of its own with the taps that reach it, so no product with a zero is
    /// taken.
    pub(crate) fn apply_transposed(
        &self,
        grad: &Tensor,
        weight: &Tensor,
        size: Triple,
        bias: Option<&Tensor>,
    ) -> Result<Tensor> {
        let weight = self.swap_channels(weight)?;
        let stride: Triple = std::array::from_fn(|a| self.axes[a].stride);
        let n: Triple = std::array::from_fn(|a| size[a].div_ceil(stride[a]));
        let (batch, c_out) = (grad.dim(0)?, weight.dim(0)?);
        let mut parts = Vec::new();
        for phase in positions(stride) {
            let on_axis: [(Axis, Vec<u32>); 3] = std::array::from_fn(|a| self.axes[a].transposed(phase[a], n[a]));
            if on_axis.iter().any(|(_, taps)| taps.is_empty()) {
                let zeros = Tensor::zeros((batch, c_out, n[0], n[1], n[2]), grad.dtype(), grad.device())?;
                parts.push(match bias {
                    Some(bias) => zeros.broadcast_add(&bias.reshape((1, c_out, 1, 1, 1))?)?,
                    None => zeros,
                });
                continue;
            }
            let mut weight = weight.clone();
            for (a, (_, taps)) in on_axis.iter().enumerate() {
                if taps.len() < weight.dim(2 + a)? {
                    weight = weight.index_select(&Tensor::new(taps.as_slice(), weight.device())?, 2 + a)?;
                }
            }
            let part = Self { axes: on_axis.map(|(axis, _)| axis), ..self.clone() };
            parts.push(part.apply(grad, &weight, bias)?);
        }
        let mut out = interleave(&parts, stride)?;
        for (a, &len) in size.iter().enumerate() {
            out = window_axis(&out, 2 + a, 0, len, 0.0)?;
        }
        out.contiguous()
    }

    /// `[C_out, C / G, taps...]` to `[C, C_out / G, taps...]`, group by group.
    fn swap_channels(&self, weight: &Tensor) -> Result<Tensor> {
        let (c_out, per_group, kz, ky, kx) = weight.dims5()?;
        let (g, out_per_group) = (self.groups, c_out / self.groups);
        weight.reshape(vec![g, out_per_group, per_group, kz, ky, kx])?.transpose(1, 2)?.contiguous()?.reshape((
            g * per_group,
            out_per_group,
            kz,
            ky,
            kx,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slabs_cover_every_row_once_and_are_contiguous() {
        for (depth, height, slab_bytes) in [(1, 1, 0), (5, 7, 1), (5, 7, 10), (5, 7, 35), (5, 7, 150), (5, 7, 10_000)] {
            let axis = |n_out| Axis::convolution(3, 1, 1, 1, n_out);
            let plan = Correlation { axes: [axis(depth), axis(height), axis(4)], groups: 1, slab_bytes };
            let mut rows = Vec::new();
            for slab in plan.slabs(5) {
                assert!(slab.planes == 1 || slab.rows == height, "{slab:?}");
                assert!(slab.planes * slab.rows <= (slab_bytes / 5).max(1), "{slab:?}");
                for z in slab.first_plane..slab.first_plane + slab.planes {
                    rows.extend((slab.first_row..slab.first_row + slab.rows).map(|y| z * height + y));
                }
            }
            assert_eq!(rows, (0..depth * height).collect::<Vec<_>>());
        }
    }
}
