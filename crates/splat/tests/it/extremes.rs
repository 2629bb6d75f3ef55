//! Scenes that no one would make: nothing panics, pictures and gradients stay finite.

use proptest::prelude::*;
use volkit_splat::{Camera, Colours, Gaussians, RenderConfig};

use crate::scenes::{camera, rasterizer, scene, there_and_back};

fn all_finite(scene: &Gaussians, camera: &Camera, config: &RenderConfig) {
    let (picture, g) = there_and_back(&mut rasterizer(1), scene, camera, config);
    for image in [&picture.colour, &picture.alpha, &picture.depth] {
        assert!(image.iter().all(|x| x.is_finite()), "{scene:?}");
    }
    assert!(picture.alpha.iter().all(|a| (0.0..=1.0).contains(a)));
    let numbers = g.means.as_flattened().iter().chain(g.quats.as_flattened()).chain(g.log_scales.as_flattened());
    let numbers = numbers.chain(&g.logit_opacities).chain(g.colours.as_flattened()).chain(&g.background);
    assert!(numbers.into_iter().all(|x| x.is_finite()), "{scene:?} {g:?}");
    assert!(g.camera_from_world.iter().flatten().all(|x| x.is_finite()), "{scene:?}");
}

/// Numbers with the ends of the range among them.
fn any_number() -> impl Strategy<Value = f32> {
    prop_oneof![
        8 => -3.0f32..3.0,
        2 => -100.0f32..100.0,
        1 => prop::sample::select(vec![
            0.0, -0.0, 1e-30, 1e30, -1e30, f32::MAX, f32::MIN, f32::MIN_POSITIVE, f32::NAN, f32::INFINITY,
            f32::NEG_INFINITY,
        ]),
    ]
}

fn any_scene() -> impl Strategy<Value = Gaussians> {
    let numbers = prop::collection::vec(any_number(), 11 + 12);
    prop::collection::vec(numbers, 0..12).prop_map(|rows| {
        let mut scene = Gaussians::empty(1);
        let mut sh = Vec::new();
        for r in rows {
            scene.means.push([r[0], r[1], r[2]]);
            scene.quats.push([r[3], r[4], r[5], r[6]]);
            scene.log_scales.push([r[7], r[8], r[9]]);
            scene.logit_opacities.push(r[10]);
            sh.extend(r[11..].as_chunks::<3>().0);
        }
        scene.colours = Colours::Sh { degree: 1, coefficients: sh };
        scene
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn everything_stays_finite(scene in any_scene(), antialiased: bool, width in 0usize..20, height in 0usize..20) {
        let config = RenderConfig::new().with_antialiased(antialiased).with_absolute_means(true);
        all_finite(&scene, &camera(width, height), &config);
    }
}

#[test]
fn what_can_not_be_drawn_changes_nothing() {
    let good = scene(6, Some(1), 1);
    let camera = camera(24, 16);
    let config = RenderConfig::new();
    let (picture, _) = there_and_back(&mut rasterizer(1), &good, &camera, &config);
    let bad: [fn(&mut Gaussians); 7] = [
        |s| s.quats[6] = [0.0; 4],
        |s| s.quats[6] = [f32::NAN, 0.0, 0.0, 1.0],
        |s| s.log_scales[6] = [f32::INFINITY; 3],
        |s| s.means[6] = [f32::NAN; 3],
        |s| s.logit_opacities[6] = f32::NEG_INFINITY,
        |s| s.logit_opacities[6] = f32::NAN,
        |s| s.means[6] = [1.5, -2.5, 1.0],
    ];
    for spoil in bad {
        let mut more = scene(6, Some(1), 1);
        let extra = scene(1, Some(1), 2);
        more.means.extend(&extra.means);
        more.quats.extend(&extra.quats);
        more.log_scales.extend(&extra.log_scales);
        more.logit_opacities.extend(&extra.logit_opacities);
        let (Colours::Sh { coefficients, .. }, Colours::Sh { coefficients: others, .. }) =
            (&mut more.colours, &extra.colours)
        else {
            panic!()
        };
        coefficients.extend(others);
        spoil(&mut more);
        let (other, g) = there_and_back(&mut rasterizer(1), &more, &camera, &config);
        assert_eq!(other, picture);
        assert_eq!((g.means[6], g.quats[6], g.logit_opacities[6]), ([0.0; 3], [0.0; 4], 0.0));
    }
}

#[test]
fn the_camera_inside_a_gaussian() {
    let mut scene = scene(3, Some(3), 5);
    let camera = camera(20, 20);
    scene.means[0] = camera.centre().map(|x| x as f32);
    scene.log_scales = vec![[1.0; 3]; 3];
    all_finite(&scene, &camera, &RenderConfig::new());
}
