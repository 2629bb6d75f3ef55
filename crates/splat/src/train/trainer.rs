//! The steps of training.

use std::sync::Arc;

use volkit_core::Random;
use volkit_kernels::Threads;
use volkit_train::{AdamMoments, AdamOptions, Parameter};

use super::config::TrainerConfig;
use super::densify::{DensifyRules, Pulls};
use super::initial::scene_scale;
use crate::{
    Camera, Colours, CpuRasterizer, Gaussians, Gradients, PhotometricLoss, Rasterizer, RenderConfig, Rendering,
    RenderingGradient, SplatError, SsimBorder,
};

/// By what the rates of bands above 0 are divided.
const BANDS: f64 = 20.0;
/// By what the rate of the means is multiplied over a whole training.
const DECAY: f64 = 0.01;
/// Opacity that a reset leaves at most.
const RESET_OPACITY: f64 = 0.01;

/// A picture that a scene should give.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingView {
    /// The camera that took it.
    pub camera: Camera,
    /// `[H, W, 3]`, 0 to 1, before the background that the scene is rendered with.
    pub colour: Vec<f32>,
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct StepReport {
    /// Number of the step, from 0.
    pub step: usize,
    /// View that was rendered.
    pub view: usize,
    /// The loss.
    pub loss: f64,
    /// Gaussians after the step.
    pub n_gaussians: usize,
}

/// Trains a scene: one view a step.
///
/// The same scene, views and seed give the same bits for any number of threads.
pub struct SplatTrainer {
    config: TrainerConfig,
    scene: Gaussians,
    views: Vec<TrainingView>,
    scene_scale: f64,
    rasterizer: Box<dyn Rasterizer>,
    loss: PhotometricLoss,
    moments: Moments,
    pulls: Pulls,
    random: Random,
    order: Vec<usize>,
    step: usize,
    picture: Rendering,
    picture_gradient: Vec<f32>,
    gradients: Gradients,
}

/// The published options of Adam: decays of 0.9 and 0.999, an epsilon of 1e-15, below any gradient; rates are those of the
/// kinds of parameters.
#[must_use]
pub fn adam_options() -> AdamOptions {
    AdamOptions::default().with_epsilon(1e-15)
}

/// Adam's state of each group of parameters.
struct Moments {
    means: AdamMoments<f32>,
    quats: AdamMoments<f32>,
    log_scales: AdamMoments<f32>,
    logit_opacities: AdamMoments<f32>,
    colours: AdamMoments<f32>,
}

impl Moments {
    fn new(n: usize, triples: usize) -> Self {
        let zeros = |width| AdamMoments::new(width * n, &adam_options());
        let [means, quats, log_scales, logit_opacities, colours] = Self::widths(triples).map(zeros);
        Self { means, quats, log_scales, logit_opacities, colours }
    }

    /// Numbers of a Gaussian in each array.
    fn widths(triples: usize) -> [usize; 5] {
        [3, 4, 3, 1, 3 * triples]
    }

    fn rearrange(&mut self, triples: usize, origins: &[Option<usize>]) -> Result<(), SplatError> {
        let all =
            [&mut self.means, &mut self.quats, &mut self.log_scales, &mut self.logit_opacities, &mut self.colours];
        for (moments, width) in all.into_iter().zip(Self::widths(triples)) {
            moments.rearrange(width, origins)?;
        }
        Ok(())
    }
}

impl SplatTrainer {
    /// A trainer that begins with `scene` and renders on the CPU.
    ///
    /// # Errors
    /// [`SplatError::Parameter`] without views or with rules that make no sense; [`SplatError::Length`] for pictures of
    /// another size than their camera's.
    pub fn new(
        scene: Gaussians,
        views: Vec<TrainingView>,
        config: TrainerConfig,
        threads: Arc<Threads>,
    ) -> Result<Self, SplatError> {
        config.validate()?;
        scene.as_slices().validate()?;
        if views.is_empty() {
            return Err(SplatError::parameter("views", &0, "at least one"));
        }
        for view in &views {
            let i = view.camera.intrinsics;
            SplatError::check_len("picture of a view", view.colour.len(), 3 * i.width * i.height)?;
        }
        let n = scene.len();
        let triples = scene.as_slices().colours.triples();
        let cameras: Vec<Camera> = views.iter().map(|view| view.camera).collect();
        Ok(Self {
            scene_scale: scene_scale(&cameras),
            rasterizer: Box::new(CpuRasterizer::new(Arc::clone(&threads))?),
            loss: PhotometricLoss::new(SsimBorder::Same, threads).with_share(config.ssim_share),
            moments: Moments::new(n, triples),
            pulls: Pulls::new(n),
            random: Random::new(config.seed),
            order: Vec::new(),
            step: 0,
            picture: Rendering::default(),
            picture_gradient: Vec::new(),
            gradients: Gradients::default(),
            config,
            scene,
            views,
        })
    }

    /// The same with another rasterizer.
    #[must_use]
    pub fn with_rasterizer(self, rasterizer: Box<dyn Rasterizer>) -> Self {
        Self { rasterizer, ..self }
    }

    /// The scene as it is now.
    #[must_use]
    pub fn scene(&self) -> &Gaussians {
        &self.scene
    }

    /// The scene, when training is done.
    #[must_use]
    pub fn into_scene(self) -> Gaussians {
        self.scene
    }

    /// 1.1 times the largest distance of a camera from their middle; 1 where all stand in one place.
    #[must_use]
    pub fn scene_scale(&self) -> f64 {
        if self.scene_scale > 0.0 { self.scene_scale } else { 1.0 }
    }

    /// One step: renders a view, goes back, moves every parameter, and multiplies and removes Gaussians where it is time.
    ///
    /// # Errors
    /// Those of the rasterizer.
    pub fn step(&mut self) -> Result<StepReport, SplatError> {
        if self.order.is_empty() {
            self.order = (0..self.views.len()).collect();
            self.random.shuffle(&mut self.order);
        }
        let number = self.order.pop().unwrap_or_default();
        let view = &self.views[number];
        let config = self.render_config();
        let slices = self.scene.as_slices();
        self.rasterizer.forward(&slices, &view.camera, &config, &mut self.picture)?;
        let size = [self.picture.height, self.picture.width];
        self.picture_gradient.resize(self.picture.colour.len(), 0.0);
        let pictures = [&self.picture.colour[..], &view.colour];
        let loss = self.loss.evaluate(size, pictures, &mut self.picture_gradient)?.total;
        self.gradients.reset(&slices);
        let upstream = RenderingGradient { colour: &self.picture_gradient, alpha: &[], depth: &[] };
        self.rasterizer.backward(&slices, &upstream, &mut self.gradients)?;
        self.move_parameters()?;
        if self.step < self.config.densify_steps[1] {
            self.pulls.add(self.rasterizer.radii(), self.rasterizer.splat_gradients(), size);
            self.densify()?;
        }
        let report = StepReport { step: self.step, view: number, loss, n_gaussians: self.scene.len() };
        self.step += 1;
        Ok(report)
    }

    /// Renders the scene as it is now.
    ///
    /// # Errors
    /// Those of the rasterizer.
    pub fn render(&mut self, camera: &Camera, out: &mut Rendering) -> Result<(), SplatError> {
        let config = self.render_config();
        self.rasterizer.forward(&self.scene.as_slices(), camera, &config, out)
    }

    /// Mean PSNR over the views, in dB.
    ///
    /// # Errors
    /// Those of the rasterizer.
    pub fn mean_psnr(&mut self) -> Result<f64, SplatError> {
        let mut picture = Rendering::default();
        let mut sum = 0.0;
        let config = self.render_config();
        for view in &self.views {
            self.rasterizer.forward(&self.scene.as_slices(), &view.camera, &config, &mut picture)?;
            sum += psnr(&picture.colour, &view.colour)?;
        }
        Ok(sum / self.views.len() as f64)
    }

    /// The bands of spherical harmonics that are used so far.
    fn render_config(&self) -> RenderConfig {
        let reached = self.step / self.config.band_every;
        let most = self.config.render.sh_degree.unwrap_or(crate::MAX_SH_DEGREE);
        self.config.render.with_sh_degree(reached.min(most))
    }

    fn move_parameters(&mut self) -> Result<(), SplatError> {
        let (config, step, g) = (&self.config, self.step, &self.gradients);
        let means_rate = config.means_rate * self.scene_scale() * DECAY.powf(step as f64 / config.max_steps as f64);
        let (scene, moments) = (&mut self.scene, &mut self.moments);
        let (Colours::Rgb(colours) | Colours::Sh { coefficients: colours, .. }) = &mut scene.colours;
        let band = |k: usize| if k < 3 { config.colours_rate } else { config.colours_rate / BANDS };
        let colour_rates: Vec<f64> =
            (0..3 * colours.len().checked_div(scene.means.len()).unwrap_or(1)).map(band).collect();
        let parameter = |values, gradient| Parameter { values, gradient };
        let (options, step) = (adam_options(), step as u64 + 1);
        for (moments, parameter, rates) in [
            (&mut moments.means, parameter(scene.means.as_flattened_mut(), g.means.as_flattened()), &[means_rate][..]),
            (
                &mut moments.quats,
                parameter(scene.quats.as_flattened_mut(), g.quats.as_flattened()),
                &[config.quats_rate],
            ),
            (
                &mut moments.log_scales,
                parameter(scene.log_scales.as_flattened_mut(), g.log_scales.as_flattened()),
                &[config.log_scales_rate],
            ),
            (
                &mut moments.logit_opacities,
                parameter(&mut scene.logit_opacities, &g.logit_opacities),
                &[config.opacities_rate],
            ),
            (&mut moments.colours, parameter(colours.as_flattened_mut(), g.colours.as_flattened()), &colour_rates),
        ] {
            moments.step(parameter, step, rates, &options)?;
        }
        Ok(())
    }

    fn densify(&mut self) -> Result<(), SplatError> {
        let (config, step) = (&self.config, self.step);
        if step > config.densify_steps[0] && step.is_multiple_of(config.densify_every) {
            let prune_large = step > config.reset_every;
            let rules = DensifyRules { config, scene_scale: self.scene_scale(), prune_large };
            let random = &mut self.random;
            let densified = rules.apply(&self.scene, &self.pulls, || random.normal_pair()[0])?;
            self.scene = densified.scene;
            self.moments.rearrange(self.scene.as_slices().colours.triples(), &densified.origins)?;
            self.pulls = Pulls::new(self.scene.len());
        }
        if step > 0 && step.is_multiple_of(self.config.reset_every) {
            self.scene.limit_opacities(RESET_OPACITY);
            self.moments.logit_opacities.clear();
        }
        Ok(())
    }
}

/// Peak signal-to-noise ratio of a picture, cut to 0..1, to a target: `-10 log10` of the mean squared difference, in dB.
///
/// # Errors
/// [`SplatError::Length`] for pictures of different sizes.
pub fn psnr(picture: &[f32], target: &[f32]) -> Result<f64, SplatError> {
    SplatError::check_len("target", target.len(), picture.len())?;
    let squares = picture.iter().zip(target).map(|(p, t)| (f64::from(p.clamp(0.0, 1.0)) - f64::from(*t)).powi(2));
    Ok(-10.0 * (squares.sum::<f64>() / picture.len().max(1) as f64).log10())
}
