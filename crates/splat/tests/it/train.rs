//! Training: losses fall, rules apply, the same input gives the same scene.

use std::sync::Arc;

use volkit_splat::{
    Camera, Colours, Gaussians, Intrinsics, RenderConfig, Rendering, SplatTrainer, Threads, TrainerConfig,
    TrainingView, psnr, scene_from_points, scene_scale,
};

use crate::scenes::{Noise, scene};

const SIZE: usize = 32;

/// Pictures of a scene from a ring of cameras.
fn views(scene: &Gaussians) -> Vec<TrainingView> {
    let intrinsics = Intrinsics::from_field_of_view(0.9, SIZE, SIZE);
    let cameras = (0..5).map(|k| {
        let (sin, cos) = (1.2566 * f64::from(k)).sin_cos();
        Camera::look_at([3.5 * cos, 3.5 * sin, 1.0], [0.0; 3], [0.0, 0.0, 1.0], intrinsics).unwrap()
    });
    let mut painter = trainer(scene.clone(), vec![], 1);
    let render = |camera| {
        let mut picture = Rendering::default();
        painter.render(&camera, &mut picture).unwrap();
        TrainingView { camera, colour: picture.colour }
    };
    cameras.map(render).collect()
}

fn config() -> TrainerConfig {
    let mut config = TrainerConfig::new().with_max_steps(200).with_render(RenderConfig::new().with_depth(false));
    config.densify_steps = [20, 200];
    config.densify_every = 20;
    config.copy_scale = 0.05;
    config
}

/// A trainer; without views, one whose only view is black.
fn trainer(scene: Gaussians, mut views: Vec<TrainingView>, threads: usize) -> SplatTrainer {
    if views.is_empty() {
        let camera = crate::scenes::camera(4, 4);
        views.push(TrainingView { camera, colour: vec![0.0; 48] });
    }
    SplatTrainer::new(scene, views, config(), Arc::new(Threads::new(threads))).unwrap()
}

fn start() -> Gaussians {
    let mut r = Noise(5);
    let points: Vec<[f32; 3]> = (0..150).map(|_| r.array()).collect();
    scene_from_points(&points, &vec![[0.5; 3]; 150], 1, 3).unwrap()
}

#[test]
fn a_scene_is_learnt_from_its_pictures() {
    let views = views(&scene(30, Some(0), 77));
    let mut trainer = trainer(start(), views, 1);
    let before = trainer.mean_psnr().unwrap();
    let reports: Vec<_> = (0..200).map(|_| trainer.step().unwrap()).collect();
    let after = trainer.mean_psnr().unwrap();
    assert!(after > before + 5.0 && after > 20.0, "{before} {after}");
    assert!(reports.last().unwrap().n_gaussians != 150, "Gaussians multiply or go");
    // Every view comes once in five steps.
    for five in reports.chunks(5) {
        let mut seen: Vec<_> = five.iter().map(|report| report.view).collect();
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2, 3, 4]);
    }
    assert_eq!(reports[7].step, 7);
    trainer.scene().as_slices().validate().unwrap();
    assert!(trainer.scene_scale() > 3.0);
    assert_eq!(trainer.scene().len(), trainer.into_scene().len());
}

#[test]
fn any_number_of_threads_learns_the_same() {
    let views = views(&scene(30, Some(0), 77));
    let learn = |threads| {
        let mut trainer = trainer(start(), views.clone(), threads);
        (0..50).for_each(|_| _ = trainer.step().unwrap());
        trainer.into_scene()
    };
    assert_eq!(learn(1), learn(3));
}

#[test]
fn bands_come_one_after_the_other_and_opacities_are_reset() {
    let views = views(&scene(30, Some(0), 77));
    let mut config = config();
    (config.band_every, config.reset_every, config.densify_steps) = (10, 15, [200, 200]);
    let mut trainer = SplatTrainer::new(start(), views, config, Arc::new(Threads::single())).unwrap();
    let higher = |scene: &Gaussians| {
        let Colours::Sh { coefficients, .. } = &scene.colours else { panic!() };
        coefficients.chunks(4).any(|sh| sh[1..].iter().flatten().any(|x| *x != 0.0))
    };
    (0..10).for_each(|_| _ = trainer.step().unwrap());
    assert!(!higher(trainer.scene()), "band 0 alone is used at first");
    (0..5).for_each(|_| _ = trainer.step().unwrap());
    assert!(higher(trainer.scene()));
    let most = |scene: &Gaussians| scene.logit_opacities.iter().fold(f32::MIN, |most, x| most.max(*x));
    assert!(most(trainer.scene()) > -3.0);
    // Step 15 resets to 0.01.
    trainer.step().unwrap();
    assert!(most(trainer.scene()) <= (0.01f32 / 0.99).ln() + 1e-6);
}

#[test]
fn bad_input_is_refused() {
    let threads = || Arc::new(Threads::single());
    assert!(SplatTrainer::new(start(), vec![], config(), threads()).is_err());
    let mut short = views(&start());
    short[2].colour.pop();
    assert!(SplatTrainer::new(start(), short, config(), threads()).is_err());
    let views = views(&start());
    let mut torn = start();
    torn.quats.pop();
    assert!(SplatTrainer::new(torn, views.clone(), config(), threads()).is_err());
    let spoilers: [fn(&mut TrainerConfig); 3] =
        [|c| c.means_rate = f64::NAN, |c| c.max_steps = 0, |c| c.render.blur_px2 = -1.0];
    for spoil in spoilers {
        let mut config = config();
        spoil(&mut config);
        assert!(SplatTrainer::new(start(), views.clone(), config, threads()).is_err());
    }
    assert!(scene_from_points(&[[0.0; 3]], &[], 0, 0).is_err());
    assert!(scene_from_points(&[], &[], 4, 0).is_err());
    assert!(scene_from_points(&[], &[], 3, 0).unwrap().is_empty());
    assert_eq!(scene_scale(&[]), 0.0);
    assert!(psnr(&[0.0], &[]).is_err());
    assert!((psnr(&[0.5, 2.0], &[0.4, 1.0]).unwrap() - 23.0103).abs() < 1e-3);
}
