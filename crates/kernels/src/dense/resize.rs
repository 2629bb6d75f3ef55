//! Up-sampling by copies and by linear interpolation, forward and backward.

use super::Cores;
use super::shared::{Shared, check_len};
use crate::KernelError;
use crate::simd::{Body, Lane, dispatch};

const OP: &str = "resize";

/// How the voxels of a resized tensor are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolation {
    /// Output `i` is input `i in / out`, rounded down.
    Nearest,
    /// Linear along each axis; output `i` reads at `(i + 0.5) in / out - 0.5`, no further than the outermost voxels.
    LinearEdges,
    /// Linear along each axis; output `i` reads at `i (in - 1) / (out - 1)`.
    LinearCentres,
}

/// Resizing of tensors `[N, C, D, H, W]` and its gradient.
///
/// ```
/// use volkit_kernels::{Cores, Interpolation, Resize, Threads};
///
/// let twice = Resize::new(1, [[1, 1, 2], [1, 1, 4]], Interpolation::LinearEdges)?;
/// let (threads, mut y) = (Threads::single(), [0.0; 4]);
/// twice.apply(&[0.0, 4.0], &mut y, &Cores::detect(&threads))?;
/// assert_eq!(y, [0.0, 1.0, 3.0, 4.0]);
/// # Ok::<(), volkit_kernels::KernelError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Resize {
    planes: usize,
    sizes: [[usize; 3]; 2],
    lines: [Vec<Between>; 3],
}

/// The two inputs that an output of an axis lies between, and the weight of the second.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Between {
    low: usize,
    high: usize,
    weight: f32,
}

impl Between {
    fn new(i: usize, [n_in, n_out]: [usize; 2], interpolation: Interpolation) -> Self {
        let last = n_in - 1;
        let at = match interpolation {
            Interpolation::Nearest => {
                let low = i * n_in / n_out;
                return Self { low, high: low, weight: 0.0 };
            }
            Interpolation::LinearEdges => ((i as f64 + 0.5) * n_in as f64 / n_out as f64 - 0.5).max(0.0),
            Interpolation::LinearCentres if n_out == 1 => 0.0,
            Interpolation::LinearCentres => i as f64 * last as f64 / (n_out - 1) as f64,
        };
        let low = (at.floor() as usize).min(last);
        Self { low, high: (low + 1).min(last), weight: (at - low as f64).clamp(0.0, 1.0) as f32 }
    }
}

impl Resize {
    /// From `sizes[0]` to `sizes[1]` voxels, for `planes` = samples times channels.
    ///
    /// # Errors
    /// [`KernelError::Parameter`] for a zero size.
    pub fn new(planes: usize, sizes: [[usize; 3]; 2], interpolation: Interpolation) -> Result<Self, KernelError> {
        if sizes.as_flattened().contains(&0) {
            let (value, why) = (format!("{sizes:?}"), "at least 1 on each axis");
            return Err(KernelError::Parameter { op: OP, name: "sizes", value, why });
        }
        let line = |a: usize| {
            let n = [sizes[0][a], sizes[1][a]];
            (0..n[1]).map(|i| Between::new(i, n, interpolation)).collect()
        };
        Ok(Self { planes, sizes, lines: std::array::from_fn(line) })
    }

    /// `y` `[planes, sizes[1]...]` from `x` `[planes, sizes[0]...]`.
    ///
    /// # Errors
    /// [`KernelError::Shape`] where a slice has another length.
    pub fn apply(&self, x: &[f32], y: &mut [f32], cores: &Cores<'_>) -> Result<(), KernelError> {
        self.check([x.len(), y.len()])?;
        let [n_in, _] = self.voxels();
        let [depth, height, width] = self.sizes[1];
        let slice = height * width;
        let y = Shared::new(y);
        cores.threads.for_each(self.planes * depth, |task| {
            // SAFETY: this task alone writes the outputs of its depth.
            let out = unsafe { y.part(task * slice, slice) };
            let body = Forward { resize: self, plane: &x[task / depth * n_in..][..n_in], z: task % depth, out };
            // SAFETY: the body asks for nothing beyond the instruction set.
            unsafe { dispatch(cores.isa, body) }
        });
        Ok(())
    }

    /// The transpose of [`Resize::apply`]: the gradient of `x` for `grad`, that of `y`.
    ///
    /// # Errors
    /// As [`Resize::apply`].
    pub fn gradient(&self, grad: &[f32], gradient: &mut [f32], cores: &Cores<'_>) -> Result<(), KernelError> {
        self.check([gradient.len(), grad.len()])?;
        let [n_in, n_out] = self.voxels();
        let gradient = Shared::new(gradient);
        cores.threads.for_each(self.planes, |p| {
            // SAFETY: this task alone writes its plane.
            let out = unsafe { gradient.part(p * n_in, n_in) };
            // SAFETY: the body asks for nothing beyond the instruction set.
            unsafe { dispatch(cores.isa, Backward { resize: self, grad: &grad[p * n_out..][..n_out], out }) }
        });
        Ok(())
    }

    fn check(&self, lens: [usize; 2]) -> Result<(), KernelError> {
        for (what, len, [d, h, w]) in [("x", lens[0], self.sizes[0]), ("y", lens[1], self.sizes[1])] {
            check_len(OP, what, len, &[self.planes, d, h, w])?;
        }
        Ok(())
    }

    fn voxels(&self) -> [usize; 2] {
        self.sizes.map(|size| size.iter().product())
    }

    /// First element and weight of each of the four rows that output row `(z, y)` lies between; those without weight left
    /// out.
    #[inline(always)]
    fn rows(&self, z: usize, y: usize) -> impl Iterator<Item = (usize, f32)> {
        let [z, y] = [self.lines[0][z], self.lines[1][y]];
        let [_, height, width] = self.sizes[0];
        let ends = |b: Between| [(b.low, 1.0 - b.weight), (b.high, b.weight)];
        let pairs = ends(z).into_iter().flat_map(move |(z, wz)| ends(y).map(move |(y, wy)| (z, y, wz * wy)));
        pairs.filter(|pair| pair.2 != 0.0).map(move |(z, y, weight)| ((z * height + y) * width, weight))
    }
}

/// The outputs of one depth of one plane.
struct Forward<'a> {
    resize: &'a Resize,
    plane: &'a [f32],
    z: usize,
    out: &'a mut [f32],
}

impl Body for Forward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lane>(self) {
        let width = self.resize.sizes[0][2];
        let mut row = vec![0.0_f32; width];
        for (y, out) in self.out.chunks_exact_mut(self.resize.sizes[1][2]).enumerate() {
            row.fill(0.0);
            for (start, weight) in self.resize.rows(self.z, y) {
                for (sum, x) in row.iter_mut().zip(&self.plane[start..start + width]) {
                    *sum += x * weight;
                }
            }
            for (out, b) in out.iter_mut().zip(&self.resize.lines[2]) {
                *out =
                    if b.weight == 0.0 { row[b.low] } else { row[b.low] * (1.0 - b.weight) + row[b.high] * b.weight };
            }
        }
    }
}

/// The gradient of one plane.
struct Backward<'a> {
    resize: &'a Resize,
    grad: &'a [f32],
    out: &'a mut [f32],
}

impl Body for Backward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lane>(self) {
        let Self { resize, grad, out } = self;
        let ([_, _, width], [_, height, out_w]) = (resize.sizes[0], resize.sizes[1]);
        let mut row = vec![0.0_f32; width];
        out.fill(0.0);
        for (number, grad) in grad.chunks_exact(out_w).enumerate() {
            row.fill(0.0);
            for (g, b) in grad.iter().zip(&resize.lines[2]) {
                row[b.low] += g * (1.0 - b.weight);
                if b.weight != 0.0 {
                    row[b.high] += g * b.weight;
                }
            }
            for (start, weight) in resize.rows(number / height, number % height) {
                for (sum, g) in out[start..start + width].iter_mut().zip(&row) {
                    *sum += g * weight;
                }
            }
        }
    }
}
