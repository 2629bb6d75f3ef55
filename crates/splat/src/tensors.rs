//! The rasterizer as an operation on tensors of candle. (Feature `candle`.)

use std::sync::{Arc, Mutex};

use candle_core::{CpuStorage, CustomOp1, D, DType, Device, Layout, Shape, Tensor};
use volkit_kernels::Threads;

use crate::{
    Camera, Colours, CpuRasterizer, Gaussians, Gradients, Rasterizer, RenderConfig, Rendering, RenderingGradient,
    SplatError, sh_coefficients,
};

/// Numbers of a Gaussian before its colours: mean, quaternion, log scales, logit of opacity.
const GEOMETRY: usize = 3 + 4 + 3 + 1;
/// Numbers of a pixel: colour, alpha, depth.
const PIXEL: usize = 5;

/// The Gaussians of a scene as tensors of `f32` on the CPU.
#[derive(Clone, Debug)]
pub struct GaussianTensors {
    /// Centres, `[N, 3]`.
    pub means: Tensor,
    /// Quaternions `w, x, y, z` of any length, `[N, 4]`.
    pub quats: Tensor,
    /// Logarithms of the standard deviations, `[N, 3]`.
    pub log_scales: Tensor,
    /// Logits of the opacities, `[N]`.
    pub logit_opacities: Tensor,
    /// Plain colours `[N, 3]`, or spherical harmonics `[N, K, 3]` with `K` 1, 4, 9 or 16.
    pub colours: Tensor,
}

/// A picture as tensors, parts of one graph.
#[derive(Clone, Debug)]
pub struct RenderingTensors {
    /// `[H, W, 3]`, background included.
    pub colour: Tensor,
    /// `[H, W]`.
    pub alpha: Tensor,
    /// `[H, W]`: the sum of weight times depth; zeros where [`RenderConfig::depth`] is off.
    pub depth: Tensor,
}

/// Renders tensors; candle's backward pass reaches means, quaternions, scales, opacities and colours.
///
/// A background that is to be learnt is laid behind by candle: render before black and add `(1 - alpha) * background`.
/// Gradients by the pose are had from [`Rasterizer::backward`] alone.
#[derive(Clone, Debug)]
pub struct TensorRasterizer {
    shared: Arc<Mutex<Shared>>,
}

/// A rasterizer and what it rendered last.
#[derive(Debug)]
struct Shared {
    rasterizer: CpuRasterizer,
    n_forward: u64,
}

impl TensorRasterizer {
    /// A rasterizer on the CPU.
    ///
    /// # Errors
    /// Those of [`CpuRasterizer::new`].
    pub fn new(threads: Arc<Threads>) -> Result<Self, SplatError> {
        let rasterizer = CpuRasterizer::new(threads)?;
        Ok(Self { shared: Arc::new(Mutex::new(Shared { rasterizer, n_forward: 0 })) })
    }

    /// Renders the scene as the camera sees it.
    ///
    /// The backward pass renders again where this rasterizer has rendered something else in between.
    ///
    /// # Errors
    /// Shapes that do not fit each other, other types than `f32`, tensors of another device; those of
    /// [`Rasterizer::forward`], as the source of candle's error.
    pub fn render(
        &self,
        scene: &GaussianTensors,
        camera: &Camera,
        config: &RenderConfig,
    ) -> candle_core::Result<RenderingTensors> {
        let (packed, sh_degree) = pack(scene)?;
        let op = RasterOp {
            shared: Arc::clone(&self.shared),
            rendered: Mutex::new(None),
            camera: *camera,
            config: *config,
            sh_degree,
        };
        let pixels = packed.apply_op1(op)?;
        Ok(RenderingTensors {
            colour: pixels.narrow(D::Minus1, 0, 3)?,
            alpha: pixels.narrow(D::Minus1, 3, 1)?.squeeze(D::Minus1)?,
            depth: pixels.narrow(D::Minus1, 4, 1)?.squeeze(D::Minus1)?,
        })
    }
}

/// The tensors side by side, `[N, 11 + 3 K]`, and the band of the colours.
fn pack(scene: &GaussianTensors) -> candle_core::Result<(Tensor, Option<usize>)> {
    let n = scene.means.dims().first().copied().unwrap_or(0);
    let (is_sh, triples) = match *scene.colours.dims() {
        [_, triples, 3] => (true, triples),
        _ => (false, 1),
    };
    let degree = (0..=crate::MAX_SH_DEGREE).find(|degree| sh_coefficients(*degree) == triples);
    let Some(degree) = degree else {
        candle_core::bail!("splat: colours {:?}, expected K of 1, 4, 9 or 16 in [N, K, 3]", scene.colours.dims())
    };
    let colours: &[usize] = if is_sh { &[n, triples, 3] } else { &[n, 3] };
    for (name, tensor, wanted) in [
        ("means", &scene.means, &[n, 3][..]),
        ("quats", &scene.quats, &[n, 4]),
        ("log_scales", &scene.log_scales, &[n, 3]),
        ("logit_opacities", &scene.logit_opacities, &[n]),
        ("colours", &scene.colours, colours),
    ] {
        if tensor.dims() != wanted || tensor.dtype() != DType::F32 || !tensor.device().is_cpu() {
            let (shape, kind) = (tensor.dims(), tensor.dtype());
            candle_core::bail!("splat: {name} {shape:?} {kind:?}, expected {wanted:?} F32 on the CPU");
        }
    }
    let parts = [
        scene.means.clone(),
        scene.quats.clone(),
        scene.log_scales.clone(),
        scene.logit_opacities.reshape((n, 1))?,
        scene.colours.reshape((n, 3 * triples))?,
    ];
    Ok((Tensor::cat(&parts, 1)?, is_sh.then_some(degree)))
}

struct RasterOp {
    shared: Arc<Mutex<Shared>>,
    /// Which of the rasterizer's forward passes was this operation's.
    rendered: Mutex<Option<u64>>,
    camera: Camera,
    config: RenderConfig,
    sh_degree: Option<usize>,
}

impl RasterOp {
    fn unpack(&self, packed: &[f32]) -> Gaussians {
        let triples = self.sh_degree.map_or(1, sh_coefficients);
        let rows = || packed.chunks_exact(GEOMETRY + 3 * triples);
        let colours = rows().flat_map(|row| row[GEOMETRY..].as_chunks::<3>().0).copied().collect();
        Gaussians {
            means: rows().map(|row| [row[0], row[1], row[2]]).collect(),
            quats: rows().map(|row| [row[3], row[4], row[5], row[6]]).collect(),
            log_scales: rows().map(|row| [row[7], row[8], row[9]]).collect(),
            logit_opacities: rows().map(|row| row[10]).collect(),
            colours: match self.sh_degree {
                None => Colours::Rgb(colours),
                Some(degree) => Colours::Sh { degree, coefficients: colours },
            },
        }
    }

    /// A forward pass, remembered as this operation's.
    fn forward(&self, shared: &mut Shared, scene: &Gaussians) -> candle_core::Result<Rendering> {
        let mut picture = Rendering::default();
        shared.n_forward += 1;
        let slices = scene.as_slices();
        shared.rasterizer.forward(&slices, &self.camera, &self.config, &mut picture).map_err(wrap)?;
        *self.rendered.lock().map_err(poisoned)? = Some(shared.n_forward);
        Ok(picture)
    }
}

impl CustomOp1 for RasterOp {
    fn name(&self) -> &'static str {
        "splat"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let Some((begin, end)) = layout.contiguous_offsets() else {
            candle_core::bail!("splat: the packed scene is not contiguous")
        };
        let scene = self.unpack(&storage.as_slice::<f32>()?[begin..end]);
        let picture = self.forward(&mut *self.shared.lock().map_err(poisoned)?, &scene)?;
        let mut pixels = Vec::with_capacity(PIXEL * picture.alpha.len());
        for (i, alpha) in picture.alpha.iter().enumerate() {
            pixels.extend_from_slice(&picture.colour[3 * i..3 * i + 3]);
            pixels.extend([*alpha, picture.depth.get(i).copied().unwrap_or(0.0)]);
        }
        Ok((CpuStorage::F32(pixels), Shape::from((picture.height, picture.width, PIXEL))))
    }

    fn bwd(&self, arg: &Tensor, _res: &Tensor, grad_res: &Tensor) -> candle_core::Result<Option<Tensor>> {
        let scene = self.unpack(&arg.flatten_all()?.to_vec1::<f32>()?);
        let upstream = grad_res.flatten_all()?.to_vec1::<f32>()?;
        let (upstream, _) = upstream.as_chunks::<PIXEL>();
        let colour: Vec<f32> = upstream.iter().flat_map(|p| [p[0], p[1], p[2]]).collect();
        let alpha: Vec<f32> = upstream.iter().map(|p| p[3]).collect();
        let depth: Vec<f32> = if self.config.depth { upstream.iter().map(|p| p[4]).collect() } else { Vec::new() };
        let slices = scene.as_slices();
        let mut g = Gradients::zeros(&slices);
        let mut shared = self.shared.lock().map_err(poisoned)?;
        let rendered = *self.rendered.lock().map_err(poisoned)?;
        if rendered != Some(shared.n_forward) {
            self.forward(&mut shared, &scene)?;
        }
        let upstream = RenderingGradient { colour: &colour, alpha: &alpha, depth: &depth };
        shared.rasterizer.backward(&slices, &upstream, &mut g).map_err(wrap)?;
        let triples = slices.colours.triples();
        let mut packed = Vec::with_capacity(scene.len() * (GEOMETRY + 3 * triples));
        for i in 0..scene.len() {
            packed.extend(g.means[i]);
            packed.extend(g.quats[i]);
            packed.extend(g.log_scales[i]);
            packed.push(g.logit_opacities[i]);
            packed.extend_from_slice(g.colours[i * triples..(i + 1) * triples].as_flattened());
        }
        Tensor::from_vec(packed, (scene.len(), GEOMETRY + 3 * triples), &Device::Cpu).map(Some)
    }
}

fn wrap(error: SplatError) -> candle_core::Error {
    candle_core::Error::wrap(error)
}

fn poisoned<T>(_: std::sync::PoisonError<T>) -> candle_core::Error {
    candle_core::Error::Msg("splat: a thread panicked in the rasterizer".to_owned())
}
