//! Blending by candle's operations beside that of the kernels.

use std::sync::Arc;

use candle_core::Device;
use volkit_splat::{
    CompositeRasterizer, Gaussians, Gradients, Rasterizer as _, RenderConfig, Rendering, RenderingGradient, SplatError,
    Threads,
};

use crate::scenes::{camera, rasterizer, scene, there_and_back};

fn composite() -> CompositeRasterizer {
    CompositeRasterizer::new(Arc::new(Threads::new(2)), &Device::Cpu)
}

/// Largest difference, as a part of the largest wanted value.
fn off(got: &[f32], wanted: &[f32]) -> f32 {
    assert_eq!(got.len(), wanted.len());
    let largest = wanted.iter().fold(1e-6f32, |most, x| most.max(x.abs()));
    got.iter().zip(wanted).fold(0.0f32, |most, (a, b)| if (a - b).abs() <= most { most } else { (a - b).abs() })
        / largest
}

#[track_caller]
fn assert_alike(scene: &Gaussians, size: [usize; 2], config: &RenderConfig) {
    let camera = camera(size[0], size[1]);
    let (mut kernels, mut composite) = (rasterizer(1), composite());
    let (picture, g) = there_and_back(&mut kernels, scene, &camera, config);
    let (got, h) = there_and_back(&mut composite, scene, &camera, config);
    assert_eq!((kernels.splats(), kernels.radii()), (composite.splats(), composite.radii()));
    assert_eq!(kernels.compensations(), composite.compensations());
    assert_eq!((got.width, got.height), (picture.width, picture.height));
    // Products and sums of f32 in another order.
    for (what, got, wanted) in [
        ("colour", &got.colour[..], &picture.colour[..]),
        ("alpha", &got.alpha, &picture.alpha),
        ("depth", &got.depth, &picture.depth),
        ("means", h.means.as_flattened(), g.means.as_flattened()),
        ("quats", h.quats.as_flattened(), g.quats.as_flattened()),
        ("log_scales", h.log_scales.as_flattened(), g.log_scales.as_flattened()),
        ("logit_opacities", &h.logit_opacities, &g.logit_opacities),
        ("colours", h.colours.as_flattened(), g.colours.as_flattened()),
        ("background", &h.background, &g.background),
    ] {
        let off = off(got, wanted);
        assert!(off < 2e-5, "{what} of {} Gaussians at {size:?}: {off:e}", scene.len());
    }
    let absolute = |gradients: &[volkit_splat::SplatGradient]| -> Vec<f32> {
        gradients.iter().flat_map(|g| g.mean_absolute).collect()
    };
    let off = off(&absolute(composite.splat_gradients()), &absolute(kernels.splat_gradients()));
    assert!(off < 2e-5, "mean_absolute: {off:e}");
}

#[test]
fn pictures_and_gradients_are_those_of_the_kernels() {
    let config = RenderConfig::new().with_background([0.2, 0.5, 0.1]).with_absolute_means(true);
    for (n, degree, size) in [(1, None, [16, 16]), (60, Some(3), [40, 33]), (400, None, [70, 21]), (7, Some(1), [1, 1])]
    {
        assert_alike(&scene(n, degree, 5 + n as u64), size, &config);
    }
}

#[test]
fn gates_close_at_the_same_places() {
    // Opaque Gaussians: alpha is cut, and pixels end early.
    let mut opaque = scene(300, None, 77);
    opaque.logit_opacities.iter_mut().for_each(|logit| *logit = 9.0);
    opaque.log_scales.iter_mut().flatten().for_each(|s| *s += 0.7);
    assert_alike(&opaque, [48, 40], &RenderConfig::new().with_background([1.0, 0.0, 1.0]));
    let mut config = RenderConfig::new().with_antialiased(true).with_alpha_max(0.999).with_depth(false);
    config.alpha_min = 0.05;
    assert_alike(&scene(120, Some(2), 3), [33, 17], &config);
}

#[test]
fn nothing_to_see_is_the_background() {
    let config = RenderConfig::new().with_background([0.1, 0.2, 0.3]);
    let (camera, empty) = (camera(20, 18), scene(0, None, 1));
    let (picture, g) = there_and_back(&mut composite(), &empty, &camera, &config);
    assert!(picture.colour.chunks(3).all(|pixel| pixel == [0.1, 0.2, 0.3]));
    assert!(picture.alpha.iter().chain(&picture.depth).all(|x| *x == 0.0));
    assert!(g.means.is_empty() && g.background.iter().all(|x| *x != 0.0));
    assert_alike(&empty, [20, 18], &config);
    assert_alike(&scene(9, None, 2), [0, 4], &config);
}

#[test]
fn the_protocol_of_rasterizers_holds() {
    let (scene, camera) = (scene(5, None, 1), camera(8, 8));
    let mut composite = composite();
    let zeros = vec![0.0; 3 * 64];
    let mut gradients = Gradients::zeros(&scene.as_slices());
    let mut back = |composite: &mut CompositeRasterizer, colour: &[f32]| {
        composite.backward(&scene.as_slices(), &RenderingGradient { colour, alpha: &[], depth: &[] }, &mut gradients)
    };
    assert!(matches!(back(&mut composite, &zeros), Err(SplatError::NoForward(_))));
    let mut picture = Rendering::default();
    composite.forward(&scene.as_slices(), &camera, &RenderConfig::new(), &mut picture).unwrap();
    assert!(matches!(back(&mut composite, &zeros[1..]), Err(SplatError::Length { what: "upstream.colour", .. })));
    back(&mut composite, &zeros).unwrap();
    assert_eq!(gradients, Gradients::zeros(&scene.as_slices()));
}
