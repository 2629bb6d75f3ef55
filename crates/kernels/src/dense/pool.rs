//! Max and average pooling, forward and backward.

use super::Cores;
use super::shared::{Shared, check_len};
use crate::KernelError;
use crate::simd::{Body, Lane, dispatch};

/// Sizes of a [`Pooling`]; axes are in the order depth, height, width.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolingShape {
    /// Planes `[D, H, W]` that are pooled each by itself: samples times channels.
    pub planes: usize,
    /// Voxels of the input.
    pub size: [usize; 3],
    /// Voxels of a window.
    pub kernel: [usize; 3],
    /// Distance between neighbouring windows; the kernel by default.
    pub stride: [usize; 3],
    /// Positions on both sides, at most half of the kernel; 0 by default.
    pub padding: [usize; 3],
}

impl PoolingShape {
    /// Windows side by side, without padding.
    #[must_use]
    pub fn new(planes: usize, size: [usize; 3], kernel: [usize; 3]) -> Self {
        Self { planes, size, kernel, stride: kernel, padding: [0; 3] }
    }

    /// The same with another distance between windows.
    #[must_use]
    pub fn with_stride(self, stride: [usize; 3]) -> Self {
        Self { stride, ..self }
    }

    /// The same with positions on both sides.
    #[must_use]
    pub fn with_padding(self, padding: [usize; 3]) -> Self {
        Self { padding, ..self }
    }
}

/// Pooling of tensors `[N, C, D, H, W]` by windows: the largest element or the mean, and their gradients.
///
/// Windows that overlap add up in the gradient, in the order of the windows.
///
/// ```
/// use volkit_kernels::{Cores, Pooling, PoolingShape, Threads};
///
/// let pairs = Pooling::new(PoolingShape::new(1, [1, 1, 4], [1, 1, 2]))?;
/// let (threads, mut y, mut gradient) = (Threads::single(), [0.0; 2], [0.0; 4]);
/// let cores = Cores::detect(&threads);
/// pairs.max(&[1.0, 5.0, 7.0, 7.0], &mut y, &cores)?;
/// assert_eq!(y, [5.0, 7.0]);
/// pairs.max_gradient(&[1.0, 5.0, 7.0, 7.0], &[1.0, 2.0], &mut gradient, &cores)?;
/// assert_eq!(gradient, [0.0, 1.0, 2.0, 0.0]); // the first of equals
/// # Ok::<(), volkit_kernels::KernelError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Pooling {
    shape: PoolingShape,
    size_out: [usize; 3],
}

/// What is done with a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Max,
    Mean,
}

impl Pooling {
    /// Checks the sizes.
    ///
    /// # Errors
    /// [`KernelError::Parameter`] for a zero size, a padding of more than half of the kernel, or a kernel that does not fit.
    pub fn new(shape: PoolingShape) -> Result<Self, KernelError> {
        let refuse = |name, value, why| Err(KernelError::Parameter { op: "pool3d", name, value, why });
        for (name, value) in [("size", shape.size), ("kernel", shape.kernel), ("stride", shape.stride)] {
            if value.contains(&0) {
                return refuse(name, format!("{value:?}"), "at least 1 on each axis");
            }
        }
        let mut size_out = [0; 3];
        for (a, size_out) in size_out.iter_mut().enumerate() {
            if shape.padding[a] > shape.kernel[a] / 2 {
                return refuse("padding", format!("{:?}", shape.padding), "at most half of the kernel");
            }
            let Some(free) = shape.size[a].saturating_add(2 * shape.padding[a]).checked_sub(shape.kernel[a]) else {
                return refuse("kernel", format!("{:?}", shape.kernel), "must fit into the padded input");
            };
            *size_out = free / shape.stride[a] + 1;
        }
        Ok(Self { shape, size_out })
    }

    /// The sizes.
    #[must_use]
    pub fn shape(&self) -> &PoolingShape {
        &self.shape
    }

    /// Windows on each axis, `(size + 2 padding - kernel) / stride + 1`.
    #[must_use]
    pub fn size_out(&self) -> [usize; 3] {
        self.size_out
    }

    /// The largest element of each window; a NaN is larger than all.
    ///
    /// # Errors
    /// [`KernelError::Shape`] where a slice has another length.
    pub fn max(&self, x: &[f32], y: &mut [f32], cores: &Cores<'_>) -> Result<(), KernelError> {
        self.forward(Kind::Max, x, y, cores)
    }

    /// The mean of each window; padded zeros count.
    ///
    /// # Errors
    /// As [`Pooling::max`].
    pub fn mean(&self, x: &[f32], y: &mut [f32], cores: &Cores<'_>) -> Result<(), KernelError> {
        self.forward(Kind::Mean, x, y, cores)
    }

    /// Gradient of [`Pooling::max`]: that of a window goes to its first largest element in row-major order, whole.
    ///
    /// # Errors
    /// As [`Pooling::max`].
    pub fn max_gradient(
        &self,
        x: &[f32],
        grad: &[f32],
        gradient: &mut [f32],
        cores: &Cores<'_>,
    ) -> Result<(), KernelError> {
        check_len("max_pool3d", "x", x.len(), &self.tensor(self.shape.size))?;
        self.backward(Some(x), grad, gradient, cores)
    }

    /// Gradient of [`Pooling::mean`]: shared equally.
    ///
    /// # Errors
    /// As [`Pooling::max`].
    pub fn mean_gradient(&self, grad: &[f32], gradient: &mut [f32], cores: &Cores<'_>) -> Result<(), KernelError> {
        self.backward(None, grad, gradient, cores)
    }

    fn tensor(&self, [d, h, w]: [usize; 3]) -> [usize; 4] {
        [self.shape.planes, d, h, w]
    }

    fn forward(&self, kind: Kind, x: &[f32], y: &mut [f32], cores: &Cores<'_>) -> Result<(), KernelError> {
        let op = if kind == Kind::Max { "max_pool3d" } else { "avg_pool3d" };
        check_len(op, "x", x.len(), &self.tensor(self.shape.size))?;
        check_len(op, "y", y.len(), &self.tensor(self.size_out))?;
        let [depth, height, width] = self.size_out;
        let slice = height * width;
        let y = Shared::new(y);
        cores.threads.for_each(self.shape.planes * depth, |task| {
            let (plane, z) = (&x[task / depth * self.voxels()..][..self.voxels()], task % depth);
            // SAFETY: this task alone writes the outputs of its depth.
            let out = unsafe { y.part(task * slice, slice) };
            // SAFETY: the body asks for nothing beyond the instruction set.
            unsafe { dispatch(cores.isa, Forward { pooling: self, kind, plane, z, out }) }
        });
        Ok(())
    }

    fn backward(
        &self,
        x: Option<&[f32]>,
        grad: &[f32],
        gradient: &mut [f32],
        cores: &Cores<'_>,
    ) -> Result<(), KernelError> {
        let op = if x.is_some() { "max_pool3d" } else { "avg_pool3d" };
        check_len(op, "the gradient of y", grad.len(), &self.tensor(self.size_out))?;
        check_len(op, "the gradient of x", gradient.len(), &self.tensor(self.shape.size))?;
        let n_out: usize = self.size_out.iter().product();
        let gradient = Shared::new(gradient);
        cores.threads.for_each(self.shape.planes, |p| {
            let x = x.map(|x| &x[p * self.voxels()..][..self.voxels()]);
            // SAFETY: this task alone writes its plane.
            let out = unsafe { gradient.part(p * self.voxels(), self.voxels()) };
            let body = Backward { pooling: self, x, grad: &grad[p * n_out..][..n_out], out };
            // SAFETY: the body asks for nothing beyond the instruction set.
            unsafe { dispatch(cores.isa, body) }
        });
        Ok(())
    }

    fn voxels(&self) -> usize {
        self.shape.size.iter().product()
    }

    /// Elements `first..end` of an axis that window `at` covers.
    #[inline(always)]
    fn window(&self, a: usize, at: usize) -> [usize; 2] {
        let start = at * self.shape.stride[a];
        let end = (start + self.shape.kernel[a]).saturating_sub(self.shape.padding[a]);
        [start.saturating_sub(self.shape.padding[a]), end.min(self.shape.size[a])]
    }

    /// Whether windows lie side by side in pairs along the width.
    fn in_pairs(&self) -> bool {
        self.shape.kernel[2] == 2 && self.shape.stride[2] == 2 && self.shape.padding[2] == 0
    }
}

/// The outputs of one depth of one plane.
struct Forward<'a> {
    pooling: &'a Pooling,
    kind: Kind,
    plane: &'a [f32],
    z: usize,
    out: &'a mut [f32],
}

/// The larger of both, the first of equals, and a NaN where there is one.
#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if b > a || b.is_nan() { b } else { a }
}

impl Body for Forward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lane>(self) {
        let Self { pooling, kind, plane, z, out } = self;
        let [_, height, width] = pooling.shape.size;
        let [_, out_h, out_w] = pooling.size_out;
        let [z0, z1] = pooling.window(0, z);
        let share = 1.0 / pooling.shape.kernel.iter().product::<usize>() as f32;
        // A row of the input, reduced along depth and height.
        let mut reduced = vec![0.0_f32; width];
        for (y, out) in (0..out_h).zip(out.chunks_exact_mut(out_w)) {
            let [y0, y1] = pooling.window(1, y);
            reduced.fill(if kind == Kind::Max { f32::NEG_INFINITY } else { 0.0 });
            for z in z0..z1 {
                for y in y0..y1 {
                    let row = &plane[(z * height + y) * width..][..width];
                    for (r, x) in reduced.iter_mut().zip(row) {
                        *r = if kind == Kind::Max { larger(*r, *x) } else { *r + *x };
                    }
                }
            }
            if pooling.in_pairs() {
                for (out, pair) in out.iter_mut().zip(reduced.as_chunks::<2>().0) {
                    *out = if kind == Kind::Max { larger(pair[0], pair[1]) } else { (pair[0] + pair[1]) * share };
                }
                continue;
            }
            for (at, out) in out.iter_mut().enumerate() {
                let [x0, x1] = pooling.window(2, at);
                let row = &reduced[x0..x1];
                *out = match kind {
                    Kind::Max => row.iter().fold(f32::NEG_INFINITY, |m, x| larger(m, *x)),
                    Kind::Mean => row.iter().fold(0.0, |s, x| s + *x) * share,
                };
            }
        }
    }
}

/// The gradient of one plane.
struct Backward<'a> {
    pooling: &'a Pooling,
    /// Input of a maximum; none for a mean.
    x: Option<&'a [f32]>,
    grad: &'a [f32],
    out: &'a mut [f32],
}

impl Body for Backward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lane>(self) {
        let Self { pooling, x, grad, out } = self;
        let [_, height, width] = pooling.shape.size;
        let [out_d, out_h, out_w] = pooling.size_out;
        let share = 1.0 / pooling.shape.kernel.iter().product::<usize>() as f32;
        out.fill(0.0);
        let mut grad = grad.iter();
        for z in 0..out_d {
            let [z0, z1] = pooling.window(0, z);
            for y in 0..out_h {
                let [y0, y1] = pooling.window(1, y);
                for (at, grad) in (0..out_w).zip(&mut grad) {
                    let [x0, x1] = pooling.window(2, at);
                    let rows = (z0..z1).flat_map(|z| (y0..y1).map(move |y| (z * height + y) * width));
                    let Some(input) = x else {
                        rows.for_each(|row| out[row + x0..row + x1].iter_mut().for_each(|o| *o += grad * share));
                        continue;
                    };
                    let (mut best, mut winner) = (f32::NEG_INFINITY, (z0 * height + y0) * width + x0);
                    for row in rows {
                        for (i, value) in input[row + x0..row + x1].iter().enumerate() {
                            if *value > best || (value.is_nan() && !best.is_nan()) {
                                (best, winner) = (*value, row + x0 + i);
                            }
                        }
                    }
                    out[winner] += grad;
                }
            }
        }
    }
}
