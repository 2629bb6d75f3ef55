//! Hulls beside a plain program in f64 that asks each view for each point.

use std::sync::Arc;

use volkit_bench::AnimalPhantom;
use volkit_kernels::Threads;
use volkit_pose::{CarveGrid, CarveRules, Carver, CropFinder, FrameViews, Level, Pose, Rig};

use crate::scene::{placed, views};

/// Pixels this near to the border between two are left out: the kernel counts in f32.
const MARGIN_PX: f64 = 1e-2;

/// Votes and misses of a point; none where a view can not be decided.
fn counts(rig: &Rig, observed: &[usize], frame: &FrameViews, p: [f64; 3], rules: CarveRules) -> Option<[u8; 2]> {
    let [width, height] = frame.size.map(|n| n as f64);
    let (mut votes, mut misses) = (0, 0);
    for view in observed {
        let camera = &rig.cameras()[*view];
        let [x, y, z] = camera.to_camera(p);
        assert!(z > 0.0, "the rig looks at the animal");
        let k = camera.intrinsic;
        let pixel = [k[0][0] * x / z + k[0][2], k[1][1] * y / z + k[1][2]];
        if pixel.iter().any(|u| ((u - 0.5).rem_euclid(1.0) - 0.5).abs() > 0.5 - MARGIN_PX) {
            return None;
        }
        let [u, v] = pixel.map(f64::round);
        let is_shown = u >= 0.0 && v >= 0.0 && u < width && v < height;
        if !is_shown && rules == CarveRules::Strict {
            continue;
        }
        let (u, v) = (u.clamp(0.0, width - 1.0) as usize, v.clamp(0.0, height - 1.0) as usize);
        let is_inside = frame.view(*view)[4 * (v * frame.size[0] + u) + 3] >= 128;
        *(if is_inside { &mut votes } else { &mut misses }) += 1;
    }
    Some([votes, misses])
}

#[test]
fn votes_are_those_of_a_plain_program() {
    let animal = AnimalPhantom::new([96, 72]);
    let (rig, _, track) = placed(&animal, 4);
    let all = views(&animal, 4);
    // A large cube, so that some points are outside of pictures; turned and moved with the animal.
    let grid = CarveGrid::new(0.9, 32).with_crop([[0, 32], [0, 16], [8, 24]]).unwrap();
    for (observed, rules) in [
        (vec![0, 1, 2, 3, 4, 5], CarveRules::Strict),
        (vec![0, 2, 3, 4], CarveRules::Strict),
        (vec![0, 2, 3, 4], CarveRules::Reference),
    ] {
        let carver = Carver::new(&rig, &observed, rules, Arc::new(Threads::new(2))).unwrap();
        let pose = track.pose(3);
        let hull = carver.hull(&all[3], &grid, &pose).unwrap();
        let (s, c) = pose.angle.sin_cos();
        let (mut n_compared, mut n_outside) = (0, 0);
        for index in 0..grid.len() {
            let [x, y, z] = grid.point(index);
            let p = [c * x - s * y + pose.centre[0], s * x + c * y + pose.centre[1], z + pose.centre[2]];
            let Some(wanted) = counts(&rig, &observed, &all[3], p, rules) else { continue };
            assert_eq!([hull.votes[index], hull.misses[index]], wanted, "{rules:?}, point {index}");
            n_compared += 1;
            n_outside += usize::from(usize::from(wanted[0] + wanted[1]) < observed.len());
            let is_core = rules == CarveRules::Reference && wanted[1] == 0;
            assert!(!is_core || hull.level(index) == Level::Core);
        }
        assert!(n_compared > grid.len() / 2, "{n_compared} of {}", grid.len());
        assert_eq!(n_outside > 0, rules == CarveRules::Strict, "{n_outside} points that a view does not show");
    }
}

#[test]
fn the_number_of_threads_does_not_matter() {
    let animal = AnimalPhantom::new([64, 48]);
    let (rig, _, track) = placed(&animal, 1);
    let frame = &views(&animal, 1)[0];
    let grid = CarveGrid::new(0.4, 48);
    let hull = |n: usize| {
        let carver = Carver::new(&rig, &[0, 1, 2], CarveRules::Strict, Arc::new(Threads::new(n))).unwrap();
        carver.hull(frame, &grid, &track.pose(0)).unwrap()
    };
    assert_eq!(hull(1), hull(3));
}

#[test]
fn shares_of_a_box_by_hand() {
    let animal = AnimalPhantom::new([64, 48]);
    let (rig, _, track) = placed(&animal, 1);
    let frame = &views(&animal, 1)[0];
    let carver = Carver::new(&rig, &[0, 1, 2, 3, 4], CarveRules::Strict, Arc::new(Threads::single())).unwrap();
    let mut finder = CropFinder::new(32);
    assert_eq!(finder.share([[0, 16]; 3]), 1.0, "nothing is missed of nothing");
    let hull = carver.hull(frame, &CarveGrid::new(0.4, 32), &track.pose(0)).unwrap();
    finder.add(&hull).unwrap();
    finder.add(&hull).unwrap();
    let crop = [[0, 16], [0, 32], [0, 32]];
    let ahead = hull.occupied().filter(|(index, _)| index / 1024 < 16).count();
    let share = ahead as f64 / hull.occupied().count() as f64;
    assert!((finder.share(crop) - share).abs() < 1e-12 && share > 0.0 && share < 1.0);
    assert_eq!(finder.share([[0, 32]; 3]), 1.0);
    assert_eq!(finder.share(finder.find(1)), 1.0, "what is found holds all");
    let elsewhere = Pose { centre: [9.0, 0.0, 0.0], angle: 0.0 };
    assert_eq!(carver.hull(frame, &CarveGrid::new(0.4, 32), &elsewhere).unwrap().occupied().count(), 0);
}
