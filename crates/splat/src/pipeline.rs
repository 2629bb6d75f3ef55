//! From a scene to splats, and from derivatives by splats to those by the scene; blending lies between.

use std::sync::Arc;

use volkit_kernels::{Frame, ImageGradient, ImageMut, Isa, Raster, Splat, SplatGradient, Threads, vectorize};

use crate::block::{BLOCK, Block, BlockGradient, Differentiate, Project, Shapes, Upstreams};
use crate::matrix::add;
use crate::projection::View;
use crate::projection_backward::{GaussianGradient, PoseGradient};
use crate::sh::MOST_COEFFICIENTS;
use crate::{Camera, GaussianSlices, Gradients, Rasterizer, RenderConfig, Rendering, RenderingGradient, SplatError};

/// Gaussians that one task projects.
const CHUNK: usize = 8 * BLOCK;

/// What lays splats over each other, tile by tile.
pub(crate) trait Blend: Send {
    /// Blends `splats` into an image, and keeps what [`Blend::backward`] needs.
    fn forward(
        &mut self,
        splats: &[Splat],
        frame: &Frame,
        image: ImageMut<'_>,
        threads: &Threads,
    ) -> Result<(), SplatError>;

    /// Writes the derivatives by each splat of the last image; gives those by the background.
    fn backward(
        &mut self,
        image: &ImageGradient<'_>,
        gradients: &mut [SplatGradient],
        threads: &Threads,
    ) -> Result<[f32; 3], SplatError>;
}

impl Blend for Raster {
    fn forward(
        &mut self,
        splats: &[Splat],
        frame: &Frame,
        image: ImageMut<'_>,
        threads: &Threads,
    ) -> Result<(), SplatError> {
        Ok(Self::forward(self, splats, frame, image, threads)?)
    }

    fn backward(
        &mut self,
        image: &ImageGradient<'_>,
        gradients: &mut [SplatGradient],
        threads: &Threads,
    ) -> Result<[f32; 3], SplatError> {
        Ok(Self::backward(self, image, gradients, threads)?)
    }
}

/// Projection in `f64` on the CPU, around whatever blends. Memory is kept from rendering to rendering.
#[derive(Debug)]
pub(crate) struct Pipeline<B> {
    pub(crate) isa: Isa,
    pub(crate) blend: B,
    pub(crate) threads: Arc<Threads>,
    pub(crate) splats: Vec<Splat>,
    pub(crate) radii: Vec<[u32; 2]>,
    pub(crate) compensations: Vec<f32>,
    pub(crate) gradients: Vec<SplatGradient>,
    last: Option<Last>,
}

/// What the last rendering was of.
#[derive(Debug)]
struct Last {
    view: View,
    n_triples: usize,
}

impl<B> Pipeline<B> {
    pub(crate) fn new(isa: Isa, blend: B, threads: Arc<Threads>) -> Self {
        Self {
            isa,
            blend,
            threads,
            splats: Vec::new(),
            radii: Vec::new(),
            compensations: Vec::new(),
            gradients: Vec::new(),
            last: None,
        }
    }

    /// Bytes kept from rendering to rendering, beside those of the blending.
    pub(crate) fn scratch_bytes(&self) -> usize {
        self.splats.capacity() * size_of::<Splat>()
            + self.radii.capacity() * size_of::<[u32; 2]>()
            + self.compensations.capacity() * size_of::<f32>()
            + self.gradients.capacity() * size_of::<SplatGradient>()
    }
}

impl<B: Blend> Rasterizer for Pipeline<B> {
    fn forward(
        &mut self,
        scene: &GaussianSlices<'_>,
        camera: &Camera,
        config: &RenderConfig,
        out: &mut Rendering,
    ) -> Result<(), SplatError> {
        self.last = None;
        scene.validate()?;
        camera.validate()?;
        config.validate()?;
        let (view, n) = (View::new(camera, config), scene.len());
        self.splats.resize(n, Splat::default());
        self.radii.resize(n, [0; 2]);
        self.compensations.resize(n, 0.0);
        let chunks = self.splats.chunks_mut(CHUNK).zip(self.radii.chunks_mut(CHUNK));
        let mut chunks: Vec<_> = chunks.zip(self.compensations.chunks_mut(CHUNK)).enumerate().collect();
        let isa = self.isa;
        self.threads.for_each_mut(&mut chunks, |(chunk, ((splats, radii), compensations))| {
            let (mut shapes, mut block) = (Shapes::new(), Block::new());
            let places = splats.iter_mut().zip(radii.iter_mut()).zip(compensations.iter_mut());
            for (k, ((splat, radii), compensation)) in places.enumerate() {
                let i = *chunk * CHUNK + k;
                if k % BLOCK == 0 {
                    shapes.load(scene, i);
                    vectorize(isa, Project { view: &view, shapes: &shapes, block: &mut block });
                }
                let seen = view.see(&block, k % BLOCK, scene, i);
                (*splat, *radii, *compensation) = (seen.splat, seen.radii, seen.compensation);
            }
        });
        out.resize(camera, config.depth);
        let frame =
            Frame { size: [out.height, out.width], background: config.background, options: config.raster_options() };
        let image = ImageMut { colour: &mut out.colour, alpha: &mut out.alpha, depth: &mut out.depth };
        self.blend.forward(&self.splats, &frame, image, &self.threads)?;
        self.last = Some(Last { view, n_triples: scene.colours.triples() });
        Ok(())
    }

    fn backward(
        &mut self,
        scene: &GaussianSlices<'_>,
        upstream: &RenderingGradient<'_>,
        gradients: &mut Gradients,
    ) -> Result<(), SplatError> {
        let Some(last) = &self.last else { return Err(SplatError::NoForward("there was no forward pass")) };
        scene.validate()?;
        let n = scene.len();
        if self.splats.len() != n || last.n_triples != scene.colours.triples() {
            return Err(SplatError::NoForward("the last forward pass was of another scene"));
        }
        for (what, len, wanted) in [
            ("gradients.means", gradients.means.len(), n),
            ("gradients.quats", gradients.quats.len(), n),
            ("gradients.log_scales", gradients.log_scales.len(), n),
            ("gradients.logit_opacities", gradients.logit_opacities.len(), n),
            ("gradients.colours", gradients.colours.len(), n * last.n_triples),
        ] {
            SplatError::check_len(what, len, wanted)?;
        }
        self.gradients.resize(n, SplatGradient::default());
        let image = ImageGradient { colour: upstream.colour, alpha: upstream.alpha, depth: upstream.depth };
        let background = self.blend.backward(&image, &mut self.gradients, &self.threads)?;
        for (sum, x) in gradients.background.iter_mut().zip(background) {
            *sum += x;
        }
        let mut chunks = Chunk::split(gradients, last.n_triples);
        let (isa, view, splats, splat_gradients) = (self.isa, &last.view, &self.splats, &self.gradients);
        self.threads.for_each_mut(&mut chunks, |chunk| chunk.fill(isa, view, scene, splats, splat_gradients));
        let (mut pose, mut n_out_of_range) = (PoseGradient::default(), 0);
        for chunk in &chunks {
            pose.add(&chunk.pose);
            n_out_of_range += chunk.n_out_of_range;
        }
        for (r, row) in gradients.camera_from_world.iter_mut().enumerate() {
            let [x, y, z] = pose.a[r];
            for (sum, x) in row.iter_mut().zip([x, y, z, pose.t[r]]) {
                *sum += x;
            }
        }
        gradients.n_out_of_range += n_out_of_range;
        Ok(())
    }

    fn radii(&self) -> &[[u32; 2]] {
        &self.radii
    }

    fn splat_gradients(&self) -> &[SplatGradient] {
        &self.gradients
    }
}

/// The gradients of some Gaussians, and what they give the pose.
struct Chunk<'a> {
    first: usize,
    means: &'a mut [[f32; 3]],
    quats: &'a mut [[f32; 4]],
    log_scales: &'a mut [[f32; 3]],
    logit_opacities: &'a mut [f32],
    colours: &'a mut [[f32; 3]],
    pose: PoseGradient,
    n_out_of_range: usize,
}

impl<'a> Chunk<'a> {
    fn split(gradients: &'a mut Gradients, n_triples: usize) -> Vec<Self> {
        let arrays = gradients.means.chunks_mut(CHUNK).zip(gradients.quats.chunks_mut(CHUNK));
        let arrays = arrays.zip(gradients.log_scales.chunks_mut(CHUNK));
        let arrays = arrays.zip(gradients.logit_opacities.chunks_mut(CHUNK));
        let arrays = arrays.zip(gradients.colours.chunks_mut(CHUNK * n_triples));
        arrays
            .enumerate()
            .map(|(chunk, ((((means, quats), log_scales), logit_opacities), colours))| Self {
                first: chunk * CHUNK,
                means,
                quats,
                log_scales,
                logit_opacities,
                colours,
                pose: PoseGradient::default(),
                n_out_of_range: 0,
            })
            .collect()
    }

    fn fill(
        &mut self,
        isa: Isa,
        view: &View,
        scene: &GaussianSlices<'_>,
        splats: &[Splat],
        gradients: &[SplatGradient],
    ) {
        let (mut shapes, mut upstreams, mut gradient) = (Shapes::new(), Upstreams::new(), BlockGradient::new());
        for start in (0..self.means.len()).step_by(BLOCK) {
            let first = self.first + start;
            let end = self.means.len().min(start + BLOCK);
            shapes.load(scene, first);
            upstreams.load(&gradients[first..self.first + end]);
            let (shapes, upstreams) = (&shapes, &upstreams);
            vectorize(isa, Differentiate { view, shapes, upstreams, gradient: &mut gradient });
            for k in start..end {
                let i = self.first + k;
                if splats[i].extent[0] > 0.0 && gradients[i] != SplatGradient::default() {
                    self.add(k, view, scene, &gradients[i], gradient.get(k - start));
                }
            }
        }
    }

    /// Adds the derivatives of one Gaussian.
    fn add(
        &mut self,
        k: usize,
        view: &View,
        scene: &GaussianSlices<'_>,
        splat: &SplatGradient,
        (mut g, mut pose): (GaussianGradient, PoseGradient),
    ) {
        let mut colours = [[0.0; 3]; MOST_COEFFICIENTS];
        let n_triples = self.colours.len() / self.means.len();
        let colours = &mut colours[..n_triples];
        if let Some(v_direction) = view.colour_gradient(scene, self.first + k, splat, colours) {
            g.mean = add(g.mean, v_direction);
            pose.add_direction(view, v_direction);
        }
        if !(g.fits_f32() && pose.is_finite() && colours.iter().flatten().all(|x| x.is_finite())) {
            self.n_out_of_range += 1;
            return;
        }
        add_to(&mut self.means[k], g.mean);
        add_to(&mut self.quats[k], g.quat);
        add_to(&mut self.log_scales[k], g.log_scales);
        self.logit_opacities[k] += g.logit_opacity as f32;
        for (sums, colour) in self.colours[k * n_triples..].iter_mut().zip(colours) {
            for (sum, x) in sums.iter_mut().zip(colour) {
                *sum += *x;
            }
        }
        self.pose.add(&pose);
    }
}

fn add_to<const N: usize>(sums: &mut [f32; N], values: [f64; N]) {
    for (sum, x) in sums.iter_mut().zip(values) {
        *sum += x as f32;
    }
}
