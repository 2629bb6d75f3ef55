//! Adaptive density control: Gaussians that are pulled about multiply, those that no one sees go.

use super::config::TrainerConfig;
use crate::exponential::sigmoid;
use crate::matrix::apply;
use crate::rotation::Rotation;
use crate::{Colours, Gaussians, SplatError, SplatGradient};

/// By what a split Gaussian's scales are divided.
const SPLIT: f64 = 1.6;

/// How far the projected centres were pulled since the last densification: the sum over views of the lengths of their
/// gradients, in half pictures.
#[derive(Clone, Debug, Default)]
pub struct Pulls {
    sums: Vec<[f32; 2]>,
}

impl Pulls {
    /// Of `n` Gaussians, none seen yet.
    #[must_use]
    pub fn new(n: usize) -> Self {
        Self { sums: vec![[0.0; 2]; n] }
    }

    /// Adds a view of `size` rows and columns: what [`Rasterizer::radii`](crate::Rasterizer::radii) and
    /// [`Rasterizer::splat_gradients`](crate::Rasterizer::splat_gradients) tell after a backward pass. Gaussians that are not
    /// drawn, and those beyond the end of either slice, count as not seen.
    pub fn add(&mut self, radii: &[[u32; 2]], gradients: &[SplatGradient], size: [usize; 2]) {
        let half = [0.5 * size[1] as f32, 0.5 * size[0] as f32];
        for ((sum, radii), g) in self.sums.iter_mut().zip(radii).zip(gradients) {
            if radii.iter().all(|r| *r > 0) {
                sum[0] += (half[0] * g.mean[0]).hypot(half[1] * g.mean[1]);
                sum[1] += 1.0;
            }
        }
    }

    /// Mean over the views that drew Gaussian `i`; 0 for one that was not seen.
    #[must_use]
    pub fn mean(&self, i: usize) -> f64 {
        let [sum, count] = self.sums.get(i).copied().unwrap_or_default();
        f64::from(sum) / f64::from(count.max(1.0))
    }
}

/// What becomes of a scene: its Gaussians anew, and for each the one whose moments it keeps.
#[derive(Clone, Debug, PartialEq)]
pub struct Densified {
    /// The Gaussians: those that stay, copies, first children, second children.
    pub scene: Gaussians,
    /// For each the index that it had before; none for copies and children.
    /// [`AdamMoments::rearrange`](volkit_train::AdamMoments::rearrange)
    /// takes it.
    pub origins: Vec<Option<usize>>,
}

/// The rules by which Gaussians multiply and go.
#[derive(Clone, Copy, Debug)]
pub struct DensifyRules<'a> {
    /// Thresholds: `densify_gradient`, `copy_scale`, `prune_opacity`, `prune_scale` and `most_gaussians` are used.
    pub config: &'a TrainerConfig,
    /// Size of the scene, see [`scene_scale`](crate::scene_scale).
    pub scene_scale: f64,
    /// Whether Gaussians that are too large are removed as well.
    pub prune_large: bool,
}

impl DensifyRules<'_> {
    /// Copies small Gaussians that are pulled, splits large ones in two, and removes those that are all but invisible.
    ///
    /// `normal` gives normal numbers (mean 0, deviation 1), three for each child: those of all first children, then those of
    /// all second ones.
    ///
    /// # Errors
    /// [`SplatError::Length`] for arrays of the scene that do not fit each other.
    pub fn apply(
        &self,
        scene: &Gaussians,
        pulls: &Pulls,
        mut normal: impl FnMut() -> f64,
    ) -> Result<Densified, SplatError> {
        scene.as_slices().validate()?;
        let (mut stay, mut copies, mut split) = (Vec::new(), Vec::new(), Vec::new());
        let mut room = self.config.most_gaussians.saturating_sub(scene.len());
        for i in 0..scene.len() {
            let is_pulled = pulls.mean(i) > self.config.densify_gradient && room > 0;
            let is_small = largest_scale(scene, i) <= self.config.copy_scale * self.scene_scale;
            room -= usize::from(is_pulled);
            if is_pulled && !is_small {
                split.push(i);
            } else {
                stay.push(i);
            }
            if is_pulled && is_small {
                copies.push(i);
            }
        }
        let mut out = Densified { scene: emptied(scene), origins: Vec::new() };
        let mut push = |i: usize, origin: Option<usize>, child: Option<[f64; 3]>| {
            let mut one = Gaussian::of(scene, i);
            if let Some(offset) = child {
                one.mean = std::array::from_fn(|k| (f64::from(one.mean[k]) + offset[k]) as f32);
                one.log_scales = one.log_scales.map(|s| s - SPLIT.ln() as f32);
            }
            let opacity = sigmoid(one.logit_opacity);
            let largest = one.log_scales.iter().fold(f32::NEG_INFINITY, |most, s| most.max(*s));
            let is_large = self.prune_large && f64::from(largest).exp() > self.config.prune_scale * self.scene_scale;
            if opacity >= self.config.prune_opacity && !is_large {
                one.push_to(&mut out.scene);
                out.origins.push(origin);
            }
        };
        stay.iter().for_each(|&i| push(i, Some(i), None));
        copies.iter().for_each(|&i| push(i, None, None));
        for _ in 0..2 {
            split.iter().for_each(|&i| push(i, None, Some(offset(scene, i, &mut normal))));
        }
        Ok(out)
    }
}

/// One Gaussian of a scene.
struct Gaussian<'a> {
    mean: [f32; 3],
    quat: [f32; 4],
    log_scales: [f32; 3],
    logit_opacity: f32,
    colours: &'a [[f32; 3]],
}

impl<'a> Gaussian<'a> {
    fn of(scene: &'a Gaussians, i: usize) -> Self {
        let width = scene.as_slices().colours.triples();
        let (Colours::Rgb(colours) | Colours::Sh { coefficients: colours, .. }) = &scene.colours;
        Self {
            mean: scene.means[i],
            quat: scene.quats[i],
            log_scales: scene.log_scales[i],
            logit_opacity: scene.logit_opacities[i],
            colours: &colours[i * width..(i + 1) * width],
        }
    }

    fn push_to(&self, scene: &mut Gaussians) {
        scene.means.push(self.mean);
        scene.quats.push(self.quat);
        scene.log_scales.push(self.log_scales);
        scene.logit_opacities.push(self.logit_opacity);
        let (Colours::Rgb(colours) | Colours::Sh { coefficients: colours, .. }) = &mut scene.colours;
        colours.extend_from_slice(self.colours);
    }
}

/// A scene of the same kind without Gaussians.
fn emptied(scene: &Gaussians) -> Gaussians {
    let colours = match &scene.colours {
        Colours::Rgb(_) => Colours::Rgb(Vec::new()),
        Colours::Sh { degree, .. } => Colours::Sh { degree: *degree, coefficients: Vec::new() },
    };
    Gaussians { colours, ..Gaussians::empty(0) }
}

fn largest_scale(scene: &Gaussians, i: usize) -> f64 {
    f64::from(scene.log_scales[i].iter().fold(f32::NEG_INFINITY, |most, s| most.max(*s))).exp()
}

/// A random point of a Gaussian, relative to its centre.
fn offset(scene: &Gaussians, i: usize, normal: &mut impl FnMut() -> f64) -> [f64; 3] {
    let along = scene.log_scales[i].map(|s| f64::from(s).exp() * normal());
    Rotation::new(scene.quats[i].map(f64::from)).map_or([0.0; 3], |rotation| apply(&rotation.matrix(), along))
}

#[cfg(test)]
mod tests {
    use super::{DensifyRules, Pulls};
    use crate::{Colours, Gaussians, SplatGradient, TrainerConfig};

    fn scene() -> Gaussians {
        Gaussians {
            means: (0..5).map(|i| [i as f32, 0.0, 0.0]).collect(),
            quats: vec![[1.0, 0.0, 0.0, 0.0]; 5],
            // 0: quiet; 1: pulled and small; 2: pulled and large; 3: all but gone; 4: huge.
            log_scales: [0.005f32, 0.005, 0.05, 0.005, 0.5].map(|s| [s.ln(); 3]).to_vec(),
            logit_opacities: vec![0.0, 0.0, 0.0, -6.0, 0.0],
            colours: Colours::Rgb((0..5).map(|i| [0.1 * i as f32; 3]).collect()),
        }
    }

    #[test]
    fn every_rule_once() {
        let mut pulls = Pulls::new(5);
        let pull = |x: f32| SplatGradient { mean: [x, 0.0], ..SplatGradient::default() };
        let gradients = [0.0, 1e-4, 1e-4, 0.0, 0.0].map(pull);
        pulls.add(&[[1; 2]; 5], &gradients, [10, 10]);
        // Not seen: no pull, and no view that would lower the mean.
        pulls.add(&[[0; 2]; 5], &gradients, [10, 10]);
        assert!((pulls.mean(1) - 5e-4).abs() < 1e-9);
        let config = TrainerConfig::new();
        let mut rules = DensifyRules { config: &config, scene_scale: 1.0, prune_large: false };
        let apply = |rules: &DensifyRules<'_>| {
            let mut random = volkit_core::Random::new(1);
            rules.apply(&scene(), &pulls, || random.normal_pair()[0]).unwrap()
        };
        let out = apply(&rules);
        assert_eq!(out.origins, [Some(0), Some(1), Some(4), None, None, None]);
        assert_eq!(out.scene.means[3], [1.0, 0.0, 0.0]);
        let Colours::Rgb(rgb) = &out.scene.colours else { panic!() };
        assert_eq!(rgb[4..], [[0.2; 3]; 2]);
        for child in 4..6 {
            assert!((out.scene.log_scales[child][0] - (0.05f32 / 1.6).ln()).abs() < 1e-6);
            let moved = out.scene.means[child][0] - 2.0;
            assert!(moved != 0.0 && moved.abs() < 0.25);
        }
        assert_ne!(out.scene.means[4], out.scene.means[5]);
        rules.prune_large = true;
        assert_eq!(apply(&rules).origins, [Some(0), Some(1), None, None, None]);
        // Without room nothing multiplies.
        let config = TrainerConfig { most_gaussians: 5, ..TrainerConfig::new() };
        let rules = DensifyRules { config: &config, scene_scale: 1.0, prune_large: false };
        assert_eq!(apply(&rules).origins, [0, 1, 2, 4].map(Some));
    }
}
