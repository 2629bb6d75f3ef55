//! What a rasterizer promises its callers.

use volkit_splat::{
    Camera, Gaussians, Gradients, Rasterizer as _, RenderConfig, Rendering, RenderingGradient, SplatError,
};

use crate::scenes::{camera, rasterizer, scene, there_and_back};

#[test]
fn any_number_of_threads_gives_the_same_bits_and_scratch_is_kept() {
    let scene = scene(3000, Some(2), 3);
    let camera = camera(120, 75);
    let config = RenderConfig::new().with_absolute_means(true);
    let mut one = rasterizer(1);
    let first = there_and_back(&mut one, &scene, &camera, &config);
    let bytes = one.scratch_bytes();
    assert!(bytes > 0 && one.n_intersections() > 3000);
    assert_eq!(there_and_back(&mut one, &scene, &camera, &config), first);
    assert_eq!(one.scratch_bytes(), bytes);
    for threads in [2, 5] {
        assert_eq!(there_and_back(&mut rasterizer(threads), &scene, &camera, &config), first);
    }
}

#[test]
fn gradients_of_views_add_up() {
    let scene = scene(40, None, 4);
    let camera = camera(30, 20);
    let config = RenderConfig::new();
    let mut rasterizer = rasterizer(1);
    let (_, once) = there_and_back(&mut rasterizer, &scene, &camera, &config);
    let mut twice = once.clone();
    let n = 30 * 20;
    let zeros = vec![0.0; 3 * n];
    let upstream = RenderingGradient { colour: &zeros, alpha: &[], depth: &[] };
    rasterizer.backward(&scene.as_slices(), &upstream, &mut twice).unwrap();
    assert_eq!(twice, once);
    let [colour, alpha, depth] = crate::scenes::weights(&camera);
    let upstream = RenderingGradient { colour: &colour, alpha: &alpha, depth: &depth };
    rasterizer.backward(&scene.as_slices(), &upstream, &mut twice).unwrap();
    for (two, one) in twice.means.iter().zip(&once.means) {
        assert_eq!(*two, one.map(|x| 2.0 * x));
    }
    twice.reset(&scene.as_slices());
    assert_eq!(twice, Gradients::zeros(&scene.as_slices()));
}

#[test]
fn options_leave_the_rest_alone() {
    let scene = scene(60, Some(3), 8);
    let camera = camera(40, 30);
    let (all, _) = there_and_back(&mut rasterizer(1), &scene, &camera, &RenderConfig::new());
    let (flat, _) = there_and_back(&mut rasterizer(1), &scene, &camera, &RenderConfig::new().with_depth(false));
    assert_eq!((&flat.colour, &flat.alpha, flat.depth.len()), (&all.colour, &all.alpha, 0));
    // Band 3 of a scene of band 3 is the default; the background shows through what alpha leaves.
    let config = RenderConfig::new().with_sh_degree(3).with_background([1.0, 0.0, 0.0]);
    let (red, _) = there_and_back(&mut rasterizer(1), &scene, &camera, &config);
    for pixel in 0..40 * 30 {
        assert!((red.colour[3 * pixel] - all.colour[3 * pixel] - (1.0 - all.alpha[pixel])).abs() < 1e-6);
        assert_eq!(red.colour[3 * pixel + 1], all.colour[3 * pixel + 1]);
    }
}

#[test]
fn nothing_to_see() {
    let camera = camera(17, 9);
    let config = RenderConfig::new().with_background([0.1, 0.2, 0.3]);
    let (picture, gradients) = there_and_back(&mut rasterizer(2), &Gaussians::empty(3), &camera, &config);
    assert!(picture.colour.chunks(3).all(|c| c == [0.1, 0.2, 0.3]) && picture.alpha.iter().all(|a| *a == 0.0));
    assert!(gradients.background.iter().all(|g| *g != 0.0));
    let none = crate::scenes::camera(0, 0);
    let (picture, _) = there_and_back(&mut rasterizer(1), &scene(3, None, 1), &none, &config);
    assert!(picture.colour.is_empty());
}

#[test]
fn bad_input_is_refused_by_name() {
    let good = scene(4, Some(1), 1);
    let camera = camera(8, 8);
    let mut rasterizer = rasterizer(1);
    let mut out = Rendering::default();
    let upstream = RenderingGradient { colour: &[0.0; 192], alpha: &[], depth: &[] };
    let mut gradients = Gradients::zeros(&good.as_slices());
    let early = rasterizer.backward(&good.as_slices(), &upstream, &mut gradients);
    assert!(matches!(early, Err(SplatError::NoForward(_))));

    let mut refused = |spoil: &dyn Fn(&mut Gaussians, &mut Camera, &mut RenderConfig), what: &str| {
        let (mut scene, mut camera, mut config) = (good.clone(), camera, RenderConfig::new());
        spoil(&mut scene, &mut camera, &mut config);
        let error = rasterizer.forward(&scene.as_slices(), &camera, &config, &mut out).unwrap_err();
        let text = format!("{error}: {:?}", std::error::Error::source(&error));
        assert!(text.contains(what), "{text}");
    };
    refused(&|s, _, _| _ = s.quats.pop(), "quats has 3 values, expected 4");
    refused(&|s, _, _| _ = s.log_scales.pop(), "log_scales");
    refused(&|s, _, _| _ = s.logit_opacities.pop(), "logit_opacities");
    refused(&|s, _, _| s.colours = Gaussians::empty(1).colours, "sh has 0 values, expected 16");
    refused(&|s, _, _| s.colours = Gaussians::empty(4).colours, "sh_degree = 4");
    refused(&|_, c, _| c.intrinsics.focal_px[1] = -1.0, "focal_px");
    refused(&|_, c, _| c.intrinsics.width = 40_000, "32768");
    refused(&|_, _, c| c.depth_range = [0.0, 1.0], "depth_range");
    refused(&|_, _, c| c.blur_px2 = f64::NAN, "blur_px2");
    refused(&|_, _, c| c.sh_degree = Some(9), "sh_degree = 9");
    refused(&|_, _, c| c.background[0] = f32::NAN, "background");
    refused(&|_, _, c| c.alpha_max = 2.0, "alpha_max");

    rasterizer.forward(&good.as_slices(), &camera, &RenderConfig::new(), &mut out).unwrap();
    let short = RenderingGradient { colour: &[0.0; 3], alpha: &[], depth: &[] };
    assert!(rasterizer.backward(&good.as_slices(), &short, &mut gradients).is_err());
    let other = scene(5, Some(1), 1);
    assert!(rasterizer.backward(&other.as_slices(), &upstream, &mut gradients).is_err());
    let mut few = Gradients::zeros(&scene(3, Some(1), 1).as_slices());
    assert!(rasterizer.backward(&good.as_slices(), &upstream, &mut few).is_err());
    rasterizer.backward(&good.as_slices(), &upstream, &mut gradients).unwrap();
}
