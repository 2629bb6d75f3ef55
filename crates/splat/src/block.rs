//! Gaussians in blocks, one array a number, so that the loops over them become vector instructions.

use volkit_kernels::{SplatGradient, Vectorized};

use crate::GaussianSlices;
use crate::exponential::sigmoid;
use crate::matrix::V3;
use crate::projection::View;
use crate::projection_backward::{GaussianGradient, PoseGradient, Upstream};

/// Gaussians of a block.
pub(crate) const BLOCK: usize = 64;

type Array = [f64; BLOCK];

const ZEROS: Array = [0.0; BLOCK];

/// Shape and opacity of the Gaussians of a block.
#[derive(Clone, Debug)]
pub(crate) struct Shapes {
    mean: [Array; 3],
    quat: [Array; 4],
    log_scales: [Array; 3],
    logit_opacity: [f32; BLOCK],
}

impl Shapes {
    pub(crate) fn new() -> Self {
        Self { mean: [ZEROS; 3], quat: [ZEROS; 4], log_scales: [ZEROS; 3], logit_opacity: [0.0; BLOCK] }
    }

    /// Those from Gaussian `first` on; zeros, which can not be drawn, behind the last.
    pub(crate) fn load(&mut self, scene: &GaussianSlices<'_>, first: usize) {
        let n = (scene.len() - first).min(BLOCK);
        if n < BLOCK {
            *self = Self::new();
        }
        fill(&mut self.mean, &scene.means[first..first + n]);
        fill(&mut self.quat, &scene.quats[first..first + n]);
        fill(&mut self.log_scales, &scene.log_scales[first..first + n]);
        self.logit_opacity[..n].copy_from_slice(&scene.logit_opacities[first..first + n]);
    }

    #[inline(always)]
    fn project(&self, view: &View, k: usize) -> crate::projection::Projected {
        let [x, y, z] = &self.mean;
        let [qw, qx, qy, qz] = &self.quat;
        let [sx, sy, sz] = &self.log_scales;
        view.project([x[k], y[k], z[k]], [qw[k], qx[k], qy[k], qz[k]], [sx[k], sy[k], sz[k]])
    }
}

/// Numbers `k` of all rows to array `k`.
fn fill<const K: usize>(arrays: &mut [Array; K], rows: &[[f32; K]]) {
    for (i, row) in rows.iter().enumerate() {
        for (array, x) in arrays.iter_mut().zip(row) {
            array[i] = f64::from(*x);
        }
    }
}

/// The Gaussians of a block on the image plane.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// One where the Gaussian can be drawn, else zero.
    pub(crate) is_drawable: Array,
    pub(crate) mean: [Array; 2],
    /// Square roots of the blurred variances along x and y.
    pub(crate) deviations: [Array; 2],
    pub(crate) conic: [Array; 3],
    pub(crate) compensation: Array,
    pub(crate) depth: Array,
    /// Before the compensation.
    pub(crate) opacity: Array,
}

impl Block {
    pub(crate) fn new() -> Self {
        Self {
            is_drawable: ZEROS,
            mean: [ZEROS; 2],
            deviations: [ZEROS; 2],
            conic: [ZEROS; 3],
            compensation: ZEROS,
            depth: ZEROS,
            opacity: ZEROS,
        }
    }
}

/// Projects a block.
pub(crate) struct Project<'a> {
    pub(crate) view: &'a View,
    pub(crate) shapes: &'a Shapes,
    pub(crate) block: &'a mut Block,
}

impl Vectorized for Project<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        // Copies of its own: the compiler sees that they do not overlap.
        let (view, shapes, mut out) = (*self.view, self.shapes.clone(), Block::new());
        for k in 0..BLOCK {
            let projected = shapes.project(&view, k);
            out.is_drawable[k] = if projected.is_drawable { 1.0 } else { 0.0 };
            out.mean[0][k] = projected.mean[0];
            out.mean[1][k] = projected.mean[1];
            out.deviations[0][k] = projected.variances[0].sqrt();
            out.deviations[1][k] = projected.variances[1].sqrt();
            out.conic[0][k] = projected.conic[0];
            out.conic[1][k] = projected.conic[1];
            out.conic[2][k] = projected.conic[2];
            out.compensation[k] = projected.compensation;
            out.depth[k] = projected.p[2];
        }
        for k in 0..BLOCK {
            out.opacity[k] = sigmoid(shapes.logit_opacity[k]);
        }
        *self.block = out;
    }
}

/// Derivatives by the splats of a block (their colours apart).
#[derive(Clone, Debug)]
pub(crate) struct Upstreams {
    depth: Array,
    opacity: Array,
    mean: [Array; 2],
    conic: [Array; 3],
}

impl Upstreams {
    pub(crate) fn new() -> Self {
        Self { depth: ZEROS, opacity: ZEROS, mean: [ZEROS; 2], conic: [ZEROS; 3] }
    }

    pub(crate) fn load(&mut self, splats: &[SplatGradient]) {
        for (k, splat) in splats.iter().enumerate() {
            self.depth[k] = f64::from(splat.features[3]);
            self.opacity[k] = f64::from(splat.opacity);
            for (array, x) in self.mean.iter_mut().zip(splat.mean) {
                array[k] = f64::from(x);
            }
            for (array, x) in self.conic.iter_mut().zip(splat.conic) {
                array[k] = f64::from(x);
            }
        }
    }
}

/// Derivatives by the Gaussians of a block, and by the pose as each of them gives them.
#[derive(Clone, Debug)]
pub(crate) struct BlockGradient {
    mean: [Array; 3],
    quat: [Array; 4],
    log_scales: [Array; 3],
    logit_opacity: Array,
    pose: [[Array; 3]; 3],
    translation: [Array; 3],
}

impl BlockGradient {
    pub(crate) fn new() -> Self {
        Self {
            mean: [ZEROS; 3],
            quat: [ZEROS; 4],
            log_scales: [ZEROS; 3],
            logit_opacity: ZEROS,
            pose: [[ZEROS; 3]; 3],
            translation: [ZEROS; 3],
        }
    }

    /// Those of Gaussian `k` of the block.
    pub(crate) fn get(&self, k: usize) -> (GaussianGradient, PoseGradient) {
        let three = |arrays: &[Array; 3]| -> V3 { [arrays[0][k], arrays[1][k], arrays[2][k]] };
        let gaussian = GaussianGradient {
            mean: three(&self.mean),
            quat: [self.quat[0][k], self.quat[1][k], self.quat[2][k], self.quat[3][k]],
            log_scales: three(&self.log_scales),
            logit_opacity: self.logit_opacity[k],
        };
        let [a, b, c] = &self.pose;
        (gaussian, PoseGradient { a: [three(a), three(b), three(c)], t: three(&self.translation) })
    }
}

/// Differentiates the projection of a block.
pub(crate) struct Differentiate<'a> {
    pub(crate) view: &'a View,
    pub(crate) shapes: &'a Shapes,
    pub(crate) upstreams: &'a Upstreams,
    pub(crate) gradient: &'a mut BlockGradient,
}

impl Vectorized for Differentiate<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        // Copies of its own: the compiler sees that they do not overlap.
        let (view, shapes, up) = (*self.view, self.shapes.clone(), self.upstreams.clone());
        let mut out = BlockGradient::new();
        for k in 0..BLOCK {
            let projected = shapes.project(&view, k);
            let mean = [shapes.mean[0][k], shapes.mean[1][k], shapes.mean[2][k]];
            let upstream = Upstream {
                depth: up.depth[k],
                opacity: up.opacity[k],
                mean: [up.mean[0][k], up.mean[1][k]],
                conic: [up.conic[0][k], up.conic[1][k], up.conic[2][k]],
            };
            let o = sigmoid(shapes.logit_opacity[k]);
            let (gaussian, pose) = view.gradient(&projected, mean, o, &upstream);
            store(&mut out.mean, k, gaussian.mean);
            out.quat[0][k] = gaussian.quat[0];
            out.quat[1][k] = gaussian.quat[1];
            out.quat[2][k] = gaussian.quat[2];
            out.quat[3][k] = gaussian.quat[3];
            store(&mut out.log_scales, k, gaussian.log_scales);
            out.logit_opacity[k] = gaussian.logit_opacity;
            store(&mut out.pose[0], k, pose.a[0]);
            store(&mut out.pose[1], k, pose.a[1]);
            store(&mut out.pose[2], k, pose.a[2]);
            store(&mut out.translation, k, pose.t);
        }
        *self.gradient = out;
    }
}

#[inline(always)]
fn store(arrays: &mut [Array; 3], k: usize, v: V3) {
    arrays[0][k] = v[0];
    arrays[1][k] = v[1];
    arrays[2][k] = v[2];
}
