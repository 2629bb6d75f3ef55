//! Gradients of a scene's loss.

use volkit_core::BoxError;
use volkit_splat::SplatGradient;

use super::scene::{Scene, View};
use super::tensors::Tensors;
use crate::check::Check;

/// Largest difference, as a part of the largest expected value.
const RTOL: f64 = 5e-5;

/// By the inputs, summed over cameras, and by the splats of each camera.
pub(super) fn check(scene: &Scene, tensors: &Tensors, views: &[View]) -> Result<Check, BoxError> {
    let mut check = Check::new();
    let (n, c) = (scene.n, scene.n_cameras);
    let sum = |part: &dyn Fn(&View) -> &[f32]| {
        let mut sum = vec![0.0f32; part(&views[0]).len()];
        for view in views {
            for (sum, x) in sum.iter_mut().zip(part(view)) {
                *sum += x;
            }
        }
        sum
    };
    let (colours, shape) = if scene.is_sh { ("g_sh", vec![n, scene.n_triples, 3]) } else { ("g_colors", vec![n, 3]) };
    let inputs: [(&str, Vec<usize>, Vec<f32>); 5] = [
        ("g_means", vec![n, 3], sum(&|v| v.gradients.means.as_flattened())),
        ("g_quats", vec![n, 4], sum(&|v| v.gradients.quats.as_flattened())),
        ("g_log_scales", vec![n, 3], sum(&|v| v.gradients.log_scales.as_flattened())),
        ("g_logit_opacities", vec![n], sum(&|v| &v.gradients.logit_opacities)),
        (colours, shape, sum(&|v| v.gradients.colours.as_flattened())),
    ];
    for (name, shape, got) in inputs {
        compare(&mut check, name, &got, &tensors.values(name, &shape)?, RTOL);
    }
    let poses: Vec<f32> = views
        .iter()
        .flat_map(|v| v.gradients.camera_from_world.into_iter().flatten().chain([0.0; 4]))
        .map(|x| x as f32)
        .collect();
    compare(&mut check, "g_viewmats", &poses, &tensors.values("g_viewmats", &[c, 4, 4])?, RTOL);
    let backgrounds: Vec<f32> = views.iter().flat_map(|v| v.gradients.background).collect();
    compare(&mut check, "g_backgrounds", &backgrounds, &tensors.values("g_backgrounds", &[c, 3])?, RTOL);

    let splats = |part: &dyn Fn(&SplatGradient) -> Vec<f32>| -> Vec<f32> {
        views.iter().flat_map(|v| &v.splat_gradients).flat_map(part).collect()
    };
    let parts: [(&str, &[usize], Vec<f32>); 6] = [
        ("g_means2d", &[c, n, 2], splats(&|g| g.mean.to_vec())),
        ("g_means2d_abs", &[c, n, 2], splats(&|g| g.mean_absolute.to_vec())),
        ("g_conics", &[c, n, 3], splats(&|g| g.conic.to_vec())),
        ("g_opacities_eff", &[c, n], splats(&|g| vec![g.opacity])),
        ("g_colors_eval", &[c, n, 3], splats(&|g| g.features[..3].to_vec())),
        ("g_depths", &[c, n], splats(&|g| vec![g.features[3]])),
    ];
    for (name, shape, got) in parts {
        compare(&mut check, name, &got, &tensors.values(name, shape)?, RTOL);
    }
    let n_out_of_range: usize = views.iter().map(|v| v.gradients.n_out_of_range).sum();
    check.equal("the number of gradients out of range", n_out_of_range, 0usize);
    Ok(check)
}

/// Differences as a part of the largest expected value.
pub(super) fn compare(check: &mut Check, name: &str, got: &[f32], wanted: &[f32], rtol: f64) {
    check.equal(&format!("the length of {name}"), got.len(), wanted.len());
    let largest = wanted.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    let off = got.iter().zip(wanted).map(|(g, w)| f64::from((g - w).abs()));
    let off = off.fold(0.0, |most: f64, x| if x.is_nan() { f64::INFINITY } else { most.max(x) });
    check.within(name, off, rtol * f64::from(largest));
}
