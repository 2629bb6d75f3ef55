//! Views of a volume at the taps of a moving window, and the way back.

use candle_core::{Result, Tensor};

use crate::shape::Triple;

/// Elements `start .. start + len` of `axis`; positions outside the tensor hold `fill`.
pub(crate) fn window_axis(x: &Tensor, axis: usize, start: isize, len: usize, fill: f64) -> Result<Tensor> {
    let size = x.dim(axis)? as isize;
    let end = start + len as isize;
    let (lo, hi) = (start.max(0), end.min(size));
    let filler = |len: usize| -> Result<Tensor> {
        let mut dims = x.dims().to_vec();
        dims[axis] = len;
        let zeros = Tensor::zeros(dims, x.dtype(), x.device())?;
        if fill == 0.0 { Ok(zeros) } else { zeros.affine(1.0, fill) }
    };
    if hi <= lo {
        return filler(len);
    }
    let mut parts = Vec::with_capacity(3);
    if lo > start {
        parts.push(filler((lo - start) as usize)?);
    }
    parts.push(x.narrow(axis, lo as usize, (hi - lo) as usize)?);
    if end > hi {
        parts.push(filler((end - hi) as usize)?);
    }
    Tensor::cat(&parts, axis)
}

/// [`window_axis`] on the three spatial axes of `[N, C, D, H, W]`.
pub(crate) fn window(x: &Tensor, start: [isize; 3], len: Triple, fill: f64) -> Result<Tensor> {
    let mut x = x.clone();
    for a in 0..3 {
        x = window_axis(&x, 2 + a, start[a], len[a], fill)?;
    }
    Ok(x)
}

/// A volume cut into its phases: element `q * stride + r` of an axis is element `q` of phase `r`.
pub(crate) struct Phases {
    grid: Tensor,
    stride: Triple,
}

impl Phases {
    /// Cuts `[N, C, D, H, W]`, whose spatial sizes are multiples of `stride`.
    pub(crate) fn of(x: &Tensor, stride: Triple) -> Result<Self> {
        if stride == [1; 3] {
            return Ok(Self { grid: x.clone(), stride });
        }
        let (n, c, d, h, w) = x.dims5()?;
        let [sz, sy, sx] = stride;
        let grid = x.reshape(vec![n, c, d / sz, sz, h / sy, sy, w / sx, sx])?;
        Ok(Self { grid, stride })
    }

    /// View `[N, C, n...]` of the elements `at + i * stride`, `i < n`, on each axis.
    pub(crate) fn tap(&self, at: Triple, n: Triple) -> Result<Tensor> {
        let mut view = self.grid.clone();
        for a in (0..3).rev() {
            let (q, r) = (at[a] / self.stride[a], at[a] % self.stride[a]);
            view = if self.stride == [1; 3] {
                view.narrow(2 + a, q, n[a])?
            } else {
                view.narrow(2 + 2 * a, q, n[a])?.narrow(3 + 2 * a, r, 1)?.squeeze(3 + 2 * a)?
            };
        }
        Ok(view)
    }
}

/// Puts phases together: the opposite of [`Phases`]. `parts` are `[N, C, D, H, W]`, one for each phase in row-major
/// order of (z, y, x).
pub(crate) fn interleave(parts: &[Tensor], stride: Triple) -> Result<Tensor> {
    let mut parts = parts.to_vec();
    for a in (0..3).rev() {
        if stride[a] == 1 {
            continue;
        }
        parts = parts
            .chunks(stride[a])
            .map(|phases| {
                let mut dims = phases[0].dims().to_vec();
                dims[2 + a] *= stride[a];
                Tensor::stack(phases, 3 + a)?.reshape(dims)
            })
            .collect::<Result<_>>()?;
    }
    Ok(parts.swap_remove(0))
}

/// All positions of a box, in row-major order.
pub(crate) fn positions([d, h, w]: Triple) -> impl Iterator<Item = Triple> {
    (0..d).flat_map(move |z| (0..h).flat_map(move |y| (0..w).map(move |x| [z, y, x])))
}

/// Adds up values that belong to the taps of overlapping windows.
pub(crate) struct Scatter {
    phases: Vec<Option<Tensor>>,
    stride: Triple,
    /// Elements of a phase on each axis.
    size: Triple,
}

impl Scatter {
    /// For `n` windows of `kernel` elements, `stride` apart, on each axis.
    pub(crate) fn new(kernel: Triple, stride: Triple, n: Triple) -> Self {
        let size = std::array::from_fn(|a| n[a] + (kernel[a] - 1) / stride[a]);
        Self { phases: vec![None; stride.iter().product()], stride, size }
    }

    /// Adds `values` `[N, C, n...]` to the elements `at + i * stride`.
    pub(crate) fn add(&mut self, at: Triple, values: &Tensor) -> Result<()> {
        let [sz, sy, sx] = self.stride;
        let phase = ((at[0] % sz) * sy + at[1] % sy) * sx + at[2] % sx;
        let start = std::array::from_fn(|a| -((at[a] / self.stride[a]) as isize));
        let placed = window(values, start, self.size, 0.0)?;
        let sum = match self.phases[phase].take() {
            None => placed,
            Some(sum) => sum.add(&placed)?,
        };
        self.phases[phase] = Some(sum);
        Ok(())
    }

    /// The sums at `start .. start + len`; zero where no window reached. `like` gives batch, channels and type.
    pub(crate) fn finish(self, like: &Tensor, start: [isize; 3], len: Triple) -> Result<Tensor> {
        let [d, h, w] = self.size;
        let parts: Vec<Tensor> = self
            .phases
            .into_iter()
            .map(|sum| match sum {
                Some(sum) => sum.contiguous(),
                None => Tensor::zeros((like.dim(0)?, like.dim(1)?, d, h, w), like.dtype(), like.device()),
            })
            .collect::<Result<_>>()?;
        window(&interleave(&parts, self.stride)?, start, len, 0.0)?.contiguous()
    }
}
