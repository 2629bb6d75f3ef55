//! Steps of training: the optimiser, and Gaussians that split.

use volkit_core::BoxError;
use volkit_splat::{Colours, DensifyRules, Gaussians, Pulls, SplatGradient, TrainerConfig, adam_options};
use volkit_train::{AdamMoments, Parameter};

use super::tensors::Tensors;
use crate::check::Check;

/// Tolerance of the README of the golden folder, relative to the largest number.
const RTOL: f64 = 1e-6;
/// The golden rates: that of the means, and its decay over a training of 30 000 steps.
const RATE: f64 = 1.6e-4;
const DECAY: f64 = 0.01;
const STEPS: f64 = 30_000.0;

pub(super) fn check_adam(tensors: &Tensors) -> Result<Check, BoxError> {
    let shape = tensors.shape("adam_grads")?;
    let &[n_steps, n, width] = shape.as_slice() else {
        return Err(format!("tensor 'adam_grads' has shape {shape:?}, expected [steps, N, width]").into());
    };
    let mut values = tensors.values("adam_param", &[n, width])?;
    let gradients = tensors.values("adam_grads", &shape)?;
    let wanted = tensors.values("adam_params_after", &shape)?;
    let (options, mut check) = (adam_options(), Check::new());
    let mut moments = AdamMoments::new(width * n, &options);
    for step in 0..n_steps {
        let part = step * n * width..(step + 1) * n * width;
        let rate = RATE * DECAY.powf(step as f64 / STEPS);
        let parameter = Parameter { values: &mut values, gradient: &gradients[part.clone()] };
        moments.step(parameter, step as u64 + 1, &[rate], &options)?;
        super::gradients::compare(&mut check, &format!("step {step}"), &values, &wanted[part], RTOL);
    }
    Ok(check)
}

pub(super) fn check_split(tensors: &Tensors) -> Result<Check, BoxError> {
    let n = tensors.shape("means")?.first().copied().unwrap_or_default();
    let scene = Gaussians {
        means: tensors.rows::<3>("means", &[n])?,
        quats: tensors.rows::<4>("quats", &[n])?,
        log_scales: tensors.rows::<3>("log_scales", &[n])?,
        logit_opacities: tensors.values("logit_opacities", &[n])?,
        colours: Colours::Rgb(vec![[0.0; 3]; n]),
    };
    // Every Gaussian is pulled, is larger than the bound and stays visible: all split.
    let mut pulls = Pulls::new(n);
    let pull = SplatGradient { mean: [1.0, 0.0], ..SplatGradient::default() };
    pulls.add(&vec![[1; 2]; n], &vec![pull; n], [2, 2]);
    let mut config = TrainerConfig::new();
    (config.copy_scale, config.prune_opacity) = (0.0, 0.0);
    let normals = tensors.values("split_normals", &[2, n, 3])?;
    let mut normals = normals.iter().map(|x| f64::from(*x));
    let rules = DensifyRules { config: &config, scene_scale: 1.0, prune_large: false };
    let split = rules.apply(&scene, &pulls, || normals.next().unwrap_or_default())?.scene;
    let mut check = Check::new();
    check.within("Gaussians that did not split", split.len().abs_diff(2 * n) as f64, 0.0);
    for (name, got) in [("split_means", &split.means), ("split_log_scales", &split.log_scales)] {
        let wanted = tensors.values(name, &[2 * n, 3])?;
        super::gradients::compare(&mut check, name, got.as_flattened(), &wanted, RTOL);
    }
    Ok(check)
}
