//! Hulls, their colours, and the crop.

use std::sync::Arc;

use volkit_bench::AnimalPhantom;
use volkit_kernels::Threads;
use volkit_pose::{
    CarveGrid, CarveRules, Carver, ColourRules, CropFinder, FrameViews, Level, Pose, Rig, RigCamera, find_interval,
};

use crate::scene::{placed, views};

/// Three cameras two units from the origin, on +x, -x and +y, looking at it; up is z.
fn rig() -> Rig {
    let camera = |right: [f64; 3], ahead: [f64; 3]| RigCamera {
        rotation: [right, [0.0, 0.0, -1.0], ahead],
        translation: [0.0, 0.0, 2.0],
        intrinsic: [[20.0, 0.0, 10.0], [0.0, 20.0, 10.0], [0.0, 0.0, 1.0]],
        distortion: None,
    };
    let cameras = vec![
        camera([0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]),
        camera([0.0, -1.0, 0.0], [1.0, 0.0, 0.0]),
        camera([-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]),
    ];
    Rig::new(cameras, "rig").unwrap()
}

/// Views whose every pixel is inside and has the colour of its view.
fn full(colours: [[u8; 3]; 3]) -> FrameViews {
    let mut views = FrameViews::new(3, [21, 21]);
    for (part, [r, g, b]) in views.rgba.chunks_mut(21 * 21 * 4).zip(colours) {
        part.chunks_mut(4).for_each(|pixel| pixel.copy_from_slice(&[r, g, b, 255]));
    }
    views
}

fn carver(rules: CarveRules, observed: &[usize]) -> Carver {
    Carver::new(&rig(), observed, rules, Arc::new(Threads::single())).unwrap()
}

const RED: [u8; 3] = [255, 0, 0];
const GREEN: [u8; 3] = [0, 255, 0];
const BLUE: [u8; 3] = [0, 0, 255];

#[test]
fn grids_by_hand() {
    let grid = CarveGrid::new(3.0, 32).with_crop([[0, 16], [8, 24], [16, 32]]).unwrap();
    assert_eq!((grid.dims(), grid.len()), ([16, 16, 16], 4096));
    let spacing = 3.0 / 31.0;
    assert_eq!(grid.spacing(), spacing);
    assert_eq!(grid.unravel(16 * 16 + 2 * 16 + 3), [1, 2, 3]);
    let p = grid.point(16 * 16 + 2 * 16 + 3);
    for (x, i) in p.into_iter().zip([1.0, 10.0, 19.0]) {
        assert!((x - (-1.5 + i * spacing)).abs() < 1e-12);
    }
    for bad in [[[0, 15], [0, 16], [0, 16]], [[0, 16], [20, 36], [0, 16]], [[4, 4], [0, 16], [0, 16]]] {
        assert!(CarveGrid::new(3.0, 32).with_crop(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn votes_of_one_pixel() {
    // One view loses the pixel in the middle: the points behind it are shell.
    let mut views = full([RED, GREEN, BLUE]);
    views.rgba[(10 * 21 + 10) * 4 + 3] = 0;
    let grid = CarveGrid::new(0.4, 5);
    let hull = carver(CarveRules::Strict, &[0, 1, 2]).hull(&views, &grid, &Pose::default()).unwrap();
    for index in 0..125 {
        let [_, y, z] = grid.point(index);
        let wanted = if y.abs() < 1e-9 && z.abs() < 1e-9 { Level::Shell } else { Level::Core };
        assert_eq!(hull.level(index), wanted, "{index}");
    }
    // Turned by a right angle, the points of the line lie along x of the grid's own axes, that is along y.
    let pose = Pose { centre: [0.0; 3], angle: std::f64::consts::FRAC_PI_2 };
    let turned = carver(CarveRules::Strict, &[0, 1, 2]).hull(&views, &grid, &pose).unwrap();
    let shells: Vec<_> =
        turned.occupied().filter(|(_, level)| *level == Level::Shell).map(|(i, _)| grid.unravel(i)).collect();
    assert_eq!(shells, (0..5).map(|j| [2, j, 2]).collect::<Vec<_>>());
    assert!(carver(CarveRules::Strict, &[0, 1, 2]).hull(&FrameViews::new(2, [21, 21]), &grid, &pose).is_err());
    assert!(Carver::new(&rig(), &[0, 7], CarveRules::Strict, Arc::new(Threads::single())).is_err());
}

#[test]
fn outside_of_the_picture_nothing_is_known() {
    // Points three units across are outside of all pictures; views that are empty say nothing either.
    let views = full([RED; 3]);
    let grid = CarveGrid::new(6.0, 2);
    let strict = carver(CarveRules::Strict, &[0, 1, 2]).hull(&views, &grid, &Pose::default()).unwrap();
    assert!((0..8).all(|index| strict.level(index) == Level::Empty));
    let published = carver(CarveRules::Reference, &[0, 1, 2]).hull(&views, &grid, &Pose::default()).unwrap();
    assert!((0..8).all(|index| published.level(index) == Level::Core), "the border's pixels vote");
    let mut views = full([RED; 3]);
    views.rgba[..21 * 21 * 4].fill(0);
    let grid = CarveGrid::new(0.4, 3);
    let level = |rules| carver(rules, &[0, 1, 2]).hull(&views, &grid, &Pose::default()).unwrap().level(13);
    assert_eq!((level(CarveRules::Strict), level(CarveRules::Reference)), (Level::Core, Level::Shell));
}

#[test]
fn colours_are_those_of_views_that_see_the_point() {
    let grid = CarveGrid::new(0.4, 5);
    let carver = carver(CarveRules::Strict, &[0, 1, 2]);
    let views = full([RED, GREEN, BLUE]);
    let colour = |index: usize, rules: &ColourRules| -> [f32; 3] {
        let volume = carver.volume(&views, &grid, &Pose::default(), rules).unwrap();
        assert_eq!(volume.values[index], 1.0);
        [1, 2, 3].map(|channel| volume.values[channel * 125 + index])
    };
    // The middle of the face towards +x is seen by the first camera alone.
    let face = 4 * 25 + 2 * 5 + 2;
    let [r, g, b] = colour(face, &ColourRules::default());
    assert!((r - 1.0 / 1.04).abs() < 1e-6 && (g - 0.02 / 1.04).abs() < 1e-6 && (b - g).abs() < 1e-6, "{r} {g} {b}");
    // The middle is seen by none: all count the same.
    assert!(colour(2 * 25 + 2 * 5 + 2, &ColourRules::default()).iter().all(|c| (c - 1.0 / 3.0).abs() < 1e-6));
    assert!(colour(face, &ColourRules::as_published(0.4)).iter().all(|c| (c - 1.0 / 3.0).abs() < 1e-6));
}

#[test]
fn empty_points_have_the_fill_and_published_shells_half_of_it() {
    let mut views = full([RED; 3]);
    // The first view sees nothing of the right half, so what lies there is shell; the second misses the same.
    for (i, pixel) in views.rgba.chunks_mut(4).enumerate() {
        if i < 441 && i % 21 > 10 {
            pixel.copy_from_slice(&[255, 255, 255, 0]);
        }
    }
    let grid = CarveGrid::new(0.4, 3);
    let shell = 13 + 3;
    let volume = |rules: &ColourRules| {
        carver(CarveRules::Strict, &[0, 1, 2]).volume(&views, &grid, &Pose::default(), rules).unwrap()
    };
    let ours = volume(&ColourRules::default());
    assert_eq!((ours.values[shell], ours.values[27 + shell], ours.values[54 + shell]), (0.5, 1.0, 0.0));
    let published = volume(&ColourRules::as_published(0.4));
    // (fill + mean of two red views and a white one) / 2.
    assert!((published.values[27 + shell] - 0.7).abs() < 1e-6);
    assert!((published.values[54 + shell] - 0.5 * (0.4 + 1.0 / 3.0)).abs() < 1e-6);
    let nothing = FrameViews::new(3, [21, 21]);
    let empty =
        carver(CarveRules::Strict, &[0, 1, 2]).volume(&nothing, &grid, &Pose::default(), &ColourRules::default());
    let empty = empty.unwrap();
    assert!(empty.occupied.is_empty() && empty.values[..27] == [0.0; 27] && empty.values[27..] == [0.38; 81]);
}

#[test]
fn the_hull_holds_the_animal() {
    let animal = AnimalPhantom::new([128, 96]);
    let (rig, frame, track) = placed(&animal, 3);
    let views = &views(&animal, 3)[2];
    let grid = CarveGrid::new(0.4, 64);
    let carver = Carver::new(&rig, &[0, 1, 2, 3, 4, 5], CarveRules::Strict, Arc::new(Threads::new(2))).unwrap();
    let hull = carver.hull(views, &grid, &track.pose(2)).unwrap();
    let (pose, parts) = (track.pose(2), animal.parts(0.2));
    let (s, c) = pose.angle.sin_cos();
    let (mut inside, mut kept, mut outside) = (0, 0, 0);
    for index in 0..grid.len() {
        let [x, y, z] = grid.point(index);
        let turned = [c * x - s * y, s * x + c * y, z];
        let p = frame.to_rig(std::array::from_fn(|k| turned[k] + pose.centre[k]));
        let is_inside = parts.iter().any(|part| {
            let own: [f64; 3] = std::array::from_fn(|axis| {
                (0..3).map(|k| part.rotation[k][axis] * (p[k] - part.centre[k])).sum::<f64>() / part.semi_axes[axis]
            });
            own.iter().map(|x| x * x).sum::<f64>() < 1.0
        });
        let is_kept = hull.level(index) != Level::Empty;
        inside += usize::from(is_inside);
        kept += usize::from(is_inside && is_kept);
        outside += usize::from(!is_inside && is_kept);
    }
    // Masks are cut at half coverage, so a point at the border may be missed by two views.
    assert!(kept as f64 >= 0.97 * inside as f64, "{kept} of {inside}");
    assert!(outside < 2 * inside, "{outside} beside {inside}");
}

#[test]
fn intervals_of_the_specification() {
    let profile = |first: usize, last: usize| {
        let mut profile = vec![0; 112];
        profile[first..=last].fill(5);
        profile
    };
    assert_eq!(find_interval(&profile(25, 88), 1), [25, 89]);
    assert_eq!(find_interval(&profile(0, 0), 1), [0, 16]);
    assert_eq!(find_interval(&profile(111, 111), 1), [96, 112]);
    assert_eq!(find_interval(&profile(30, 46), 5), [22, 54]);
    assert_eq!(find_interval(&profile(30, 46), 6), [0, 0]);
    assert_eq!(find_interval(&[], 1), [0, 0]);
    assert_eq!(find_interval(&[1; 20], 1), [0, 16], "no longer than what is there");
}

#[test]
fn the_crop_of_a_recording() {
    let animal = AnimalPhantom::new([128, 96]);
    let (rig, frame, track) = placed(&animal, 12);
    let frames = views(&animal, 12);
    let carver = Carver::new(&rig, &[0, 2, 3, 4], CarveRules::Strict, Arc::new(Threads::new(2))).unwrap();
    let grid = CarveGrid::new(0.4, 64);
    let mut finder = CropFinder::new(64);
    for (t, views) in frames.iter().enumerate() {
        finder.add(&carver.hull(views, &grid, &track.pose(t)).unwrap()).unwrap();
    }
    assert_eq!((finder.n_frames(), finder.sums().len()), (12, 64 * 64 * 64));
    let found = finder.find(finder.threshold());
    for ([first, end], most) in found.into_iter().zip([64, 32, 32]) {
        assert!(end - first <= most, "{found:?} {:?}", finder.profiles());
    }
    // Points of all parts are inside.
    for t in 0..12 {
        let pose = track.pose(t);
        let (s, c) = pose.angle.sin_cos();
        for part in animal.parts(t as f64 * crate::scene::FRAME_SECS) {
            let p = frame.from_rig(part.centre);
            let d: [f64; 3] = std::array::from_fn(|k| p[k] - pose.centre[k]);
            let own = [c * d[0] + s * d[1], c * d[1] - s * d[0], d[2]];
            for (x, [first, end]) in own.into_iter().zip(found) {
                let at = (x + 0.2) / grid.spacing();
                assert!(at >= first as f64 && at <= (end - 1) as f64, "{} at {own:?}", part.name);
            }
        }
    }
    assert_eq!(finder.find(u64::MAX), [[0, 0]; 3]);
    let small = carver.hull(&frames[0], &CarveGrid::new(0.4, 32), &track.pose(0)).unwrap();
    assert!(finder.add(&small).is_err());
}
