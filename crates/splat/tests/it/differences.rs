//! Pictures against the reference, and gradients against its central differences.

use volkit_splat::{Camera, Gaussians, Gradients, RenderConfig};

use crate::reference::{Inputs, Picture, render};
use crate::scenes::{camera, rasterizer, scene, there_and_back, weights};

/// Step of the differences; the reference is in `f64`.
const STEP: f64 = 1e-5;
/// Largest difference as a part of the largest derivative of its kind.
const RTOL: f64 = 1e-4;

fn loss(picture: &Picture, weights: &[Vec<f32>; 3]) -> f64 {
    let images = [&picture.colour, &picture.alpha, &picture.depth];
    images.into_iter().zip(weights).flat_map(|(x, w)| x.iter().zip(w)).map(|(x, w)| x * f64::from(*w)).sum()
}

fn flat(gradients: &Gradients) -> Vec<f64> {
    let f32s = gradients.means.as_flattened().iter().chain(gradients.quats.as_flattened());
    let f32s = f32s.chain(gradients.log_scales.as_flattened()).chain(&gradients.logit_opacities);
    let f32s = f32s.chain(gradients.colours.as_flattened()).chain(&gradients.background);
    f32s.map(|x| f64::from(*x)).chain(gradients.camera_from_world.into_iter().flatten()).collect()
}

/// Compares every derivative; returns how many could be.
fn compare(scene: &Gaussians, camera: &Camera, config: &RenderConfig) -> usize {
    let (picture, gradients) = there_and_back(&mut rasterizer(1), scene, camera, config);
    let inputs = Inputs::new(scene, camera, config);
    let wanted = render(&inputs, camera, config);
    for (got, wanted) in picture.colour.iter().zip(&wanted.colour) {
        assert!((f64::from(*got) - wanted).abs() < 1e-5, "{got} {wanted}");
    }
    for (got, wanted) in picture.depth.iter().zip(&wanted.depth) {
        assert!((f64::from(*got) - wanted).abs() < 1e-4, "{got} {wanted}");
    }
    let weights = weights(camera);
    let got = flat(&gradients);
    let (mut start, mut compared) = (0, 0);
    for (name, len) in inputs.parts() {
        let mut pairs = Vec::new();
        for (k, &got) in got.iter().enumerate().skip(start).take(len) {
            let side = |h: f64| {
                let mut moved = inputs.clone();
                moved.values[k] += h;
                render(&moved, camera, config)
            };
            let (low, high) = (side(-STEP), side(STEP));
            // Where a step changes what is blended the loss jumps, and there is no derivative to compare.
            if low.decisions == wanted.decisions && high.decisions == wanted.decisions {
                pairs.push((k - start, got, (loss(&high, &weights) - loss(&low, &weights)) / (2.0 * STEP)));
            }
        }
        let largest = pairs.iter().fold(0.0, |most: f64, (.., wanted)| most.max(wanted.abs()));
        for (k, got, wanted) in &pairs {
            let off = (got - wanted).abs() / largest.max(1e-3);
            assert!(off < RTOL, "{name}[{k}]: {got} against {wanted}, largest {largest}");
        }
        compared += pairs.len();
        start += len;
    }
    compared
}

#[test]
fn spherical_harmonics_classic() {
    let scene = scene(10, Some(3), 11);
    let config = RenderConfig::new().with_background([0.2, 0.5, 0.9]);
    assert!(compare(&scene, &camera(22, 19), &config) > 400);
}

#[test]
fn spherical_harmonics_of_lower_bands() {
    let scene = scene(8, Some(3), 12);
    for degree in 0..3 {
        let config = RenderConfig::new().with_sh_degree(degree);
        assert!(compare(&scene, &camera(20, 18), &config) > 300);
    }
}

#[test]
fn plain_colours_antialiased() {
    // Small Gaussians, where the compensation matters.
    let mut scene = scene(14, None, 13);
    scene.log_scales.iter_mut().flatten().for_each(|s| *s -= 1.0);
    let config = RenderConfig::new().with_antialiased(true).with_alpha_max(0.999);
    assert!(compare(&scene, &camera(24, 20), &config) > 150);
}

#[test]
fn beyond_the_clamp_of_the_field_of_view() {
    // Large Gaussians beside the picture, near the camera.
    let mut scene = scene(8, None, 14);
    let camera = camera(20, 20);
    let centre = camera.centre();
    let rotation = camera.rotation();
    for (i, mean) in scene.means.iter_mut().enumerate() {
        let side = [[0.9, 0.1], [-0.9, 0.2], [0.0, 0.9], [0.1, -0.8]][i % 4];
        let p = [side[0], side[1], 0.8 + 0.05 * i as f64];
        *mean = std::array::from_fn(|c| (centre[c] + (0..3).map(|r| rotation[r][c] * p[r]).sum::<f64>()) as f32);
    }
    scene.log_scales.iter_mut().flatten().for_each(|s| *s += 0.6);
    assert!(compare(&scene, &camera, &RenderConfig::new()) > 60);
}
