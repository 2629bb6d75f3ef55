//! Centre and heading.

use std::f64::consts::PI;
use std::sync::Arc;

use volkit_bench::AnimalPhantom;
use volkit_kernels::Threads;
use volkit_pose::{
    CarveRules, FrameViews, Moments, Track, TrackConfig, headings, rough_centre, track_frame, triangulate,
};

use crate::scene::{placed, rig_of, views};

#[test]
fn points_are_triangulated() {
    let rig = rig_of(&AnimalPhantom::new([640, 480]).cameras().unwrap());
    let p = [12.0, -30.0, 25.0];
    let seen: Vec<_> = rig.cameras().iter().map(|camera| (camera, camera.to_pixel(p).unwrap())).collect();
    for pair in [[0, 1], [2, 5], [3, 4]] {
        let found = triangulate(&pair.map(|k| seen[k])).unwrap();
        assert!((0..3).all(|k| (found[k] - p[k]).abs() < 1e-6), "{found:?}");
    }
    assert!(triangulate(&seen).is_some());
    assert!(triangulate(&seen[..1]).is_none(), "one ray has no end");
    assert!(triangulate(&[]).is_none());
}

#[test]
fn a_ball_is_found_within_half_a_point() {
    // Masks that are the pixels of one far point of each view: the centre is that of the ball.
    let rig = rig_of(&AnimalPhantom::new([640, 480]).cameras().unwrap());
    let p = [5.0, 10.0, 22.0];
    let mask = |view: usize| {
        let [u, v] = rig.cameras()[view].to_pixel(p).unwrap();
        (0..640 * 480).map(|i| u8::from(((i % 640) as f64 - u).hypot((i / 640) as f64 - v) < 30.0)).collect::<Vec<u8>>()
    };
    let mut masks: Vec<_> = (0..6).map(mask).collect();
    let centre = rough_centre(rig.cameras(), &masks, 640).unwrap();
    assert!((0..3).all(|k| (centre[k] - p[k]).abs() < 0.5), "{centre:?}");
    // A camera that sees nothing is left out.
    masks[2].fill(0);
    assert!(rough_centre(rig.cameras(), &masks, 640).is_some());
    masks[1..].iter_mut().for_each(|mask| mask.fill(0));
    assert!(rough_centre(rig.cameras(), &masks, 640).is_none());
}

#[test]
fn the_animal_is_tracked() {
    const N: usize = 96;
    let animal = AnimalPhantom::new([96, 72]);
    let (rig, frame, truth) = placed(&animal, N);
    let frames = views(&animal, N);
    let config = TrackConfig {
        edge: 0.40,
        grid_size: 64,
        observed: vec![0, 2, 3, 4],
        rules: CarveRules::Strict,
        threads: Arc::new(Threads::new(2)),
    };
    let moments: Vec<_> = frames.iter().map(|views| track_frame(&rig, views, &config).unwrap()).collect();
    let track = Track::new(&moments).unwrap();
    assert!(track.missing.is_empty());
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let distance = |t: usize| {
        let (a, b) = (track.centres[t], truth.centres[t]);
        (0..3).map(|k| (a[k] - b[k]).powi(2)).sum::<f64>().sqrt() / frame.scale
    };
    let millimetres = median((0..N).map(distance).collect());
    assert!(millimetres < 6.0, "{millimetres} mm");
    let errors: Vec<f64> = (0..N).map(|t| (track.angles[t] - truth.angles[t] + PI).rem_euclid(2.0 * PI) - PI).collect();
    let degrees: Vec<f64> = errors.iter().map(|error| error.abs().to_degrees()).collect();
    assert!(degrees.iter().all(|error| *error < 90.0), "a sign flipped: {degrees:?}");
    assert!(median(degrees.clone()) < 8.0, "{degrees:?}");
}

fn moments(centre: [f64; 3], angle: f64) -> Moments {
    let (s, c) = angle.sin_cos();
    // Variances 4 along the axis, 1 and 0.5 across.
    let covariance =
        [[4.0 * c * c + s * s, 3.0 * s * c, 0.0], [3.0 * s * c, 4.0 * s * s + c * c, 0.0], [0.0, 0.0, 0.5]];
    Moments { centre, covariance, n_points: 10 }
}

#[test]
fn signs_follow_the_turn_and_the_motion() {
    // A full circle in steps of 20 degrees, walking forward.
    let angle = |t: usize| t as f64 * PI / 9.0;
    let walk = |sign: f64| -> Vec<Moments> {
        let mut at = [0.0; 3];
        let mut all = Vec::new();
        for t in 0..18 {
            at = [at[0] + sign * angle(t).cos(), at[1] + sign * angle(t).sin(), 0.0];
            all.push(moments(at, angle(t)));
        }
        all
    };
    for (sign, turn) in [(1.0, 0.0), (-1.0, PI)] {
        for (t, got) in headings(&walk(sign)).into_iter().enumerate() {
            let error = (got - angle(t) - turn + PI).rem_euclid(2.0 * PI) - PI;
            assert!(error.abs() < 1e-6, "frame {t}: {error}");
        }
    }
    assert!(headings(&[]).is_empty());
}

#[test]
fn frames_without_a_hull_take_after_their_neighbours() {
    let a = moments([0.0, 0.0, 0.0], 0.0);
    let b = moments([3.0, 0.0, 0.0], 0.0);
    let track = Track::new(&[None, Some(a), None, None, Some(b), None]).unwrap();
    let xs: Vec<f64> = track.centres.iter().map(|centre| centre[0]).collect();
    assert!(xs.iter().zip([0.0, 0.0, 1.0, 2.0, 3.0, 3.0]).all(|(a, b)| (a - b).abs() < 1e-12), "{xs:?}");
    assert_eq!(track.missing, [0, 2, 3, 5]);
    assert!(track.angles.iter().all(|angle| angle.abs() < 1e-6));
    assert!(Track::new(&[None, None]).is_err());
    assert!(Track::new(&[]).is_err());
    let config = TrackConfig {
        edge: 0.4,
        grid_size: 16,
        observed: vec![0, 1, 2],
        rules: CarveRules::Strict,
        threads: Arc::new(Threads::single()),
    };
    let (rig, _, _) = placed(&AnimalPhantom::new([32, 24]), 1);
    assert_eq!(track_frame(&rig, &FrameViews::new(6, [32, 24]), &config).unwrap(), None);
}
