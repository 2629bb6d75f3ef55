//! Up, and the frames of the world.

use volkit_bench::AnimalPhantom;
use volkit_pose::{Rig, RigCamera, UpLine, WorldFrame, up_from_lines, up_from_rig};

use crate::scene::rig_of;

type V3 = [f64; 3];

fn dot(a: V3, b: V3) -> f64 {
    (0..3).map(|k| a[k] * b[k]).sum()
}

fn degrees_apart(a: V3, b: V3) -> f64 {
    dot(a, b).clamp(-1.0, 1.0).acos().to_degrees()
}

/// A turn whose z axis points to `up`.
fn turn() -> [V3; 3] {
    let (a, b) = (0.9f64, -2.1f64);
    let (s, c) = a.sin_cos();
    let (t, d) = b.sin_cos();
    [[d, -t * c, t * s], [t, d * c, -d * s], [0.0, s, c]]
}

/// The rig in a world that is turned: `p' = Q p`.
fn turned(rig: &Rig, q: &[V3; 3]) -> Rig {
    let camera =
        |c: &RigCamera| RigCamera { rotation: c.rotation.map(|row| std::array::from_fn(|k| dot(row, q[k]))), ..*c };
    Rig::new(rig.cameras().iter().map(camera).collect(), "turned").unwrap()
}

fn apply(m: &[V3; 3], v: V3) -> V3 {
    m.map(|row| dot(row, v))
}

#[test]
fn up_is_found_in_any_world() {
    let rig = rig_of(&AnimalPhantom::new([640, 480]).cameras().unwrap());
    let q = turn();
    let up = apply(&q, [0.0, 0.0, 1.0]);
    let moved = turned(&rig, &q);
    assert!(degrees_apart(up_from_rig(&rig).unwrap(), [0.0, 0.0, 1.0]) < 1e-6);
    assert!(degrees_apart(up_from_rig(&moved).unwrap(), up) < 1e-6);
    // Two vertical edges, seen by two cameras each; the third is clicked upside down.
    let line = |camera: usize, x: f64, y: f64| {
        let end = |z: f64| moved.cameras()[camera].to_pixel(apply(&q, [x, y, z])).unwrap();
        UpLine { camera, bottom: end(0.0), top: end(40.0) }
    };
    let mut lines = vec![line(0, 10.0, 5.0), line(2, 10.0, 5.0), line(3, -20.0, 8.0), line(0, -20.0, 8.0)];
    assert!(degrees_apart(up_from_lines(&moved, &lines).unwrap(), up) < 1e-6);
    let ends = (lines[2].top, lines[2].bottom);
    (lines[2].bottom, lines[2].top) = ends;
    assert!(degrees_apart(up_from_lines(&moved, &lines).unwrap(), up) < 1e-6, "most lines decide");
    assert!(up_from_lines(&moved, &[]).is_err());
    assert!(up_from_lines(&moved, &lines[..1]).is_err(), "one line gives a plane");
    assert!(up_from_lines(&moved, &[UpLine { camera: 9, ..lines[0] }]).is_err());
    assert!(up_from_lines(&moved, &[UpLine { top: lines[0].bottom, ..lines[0] }, lines[1]]).is_err());
}

#[test]
fn the_upright_frame_is_upright() {
    let rig = turned(&rig_of(&AnimalPhantom::new([64, 48]).cameras().unwrap()), &turn());
    let up = apply(&turn(), [0.0, 0.0, 1.0]);
    let frame = WorldFrame::upright(&rig, up.map(|x| 3.0 * x)).unwrap();
    let above: V3 = std::array::from_fn(|k| rig.mean_centre()[k] + up[k]);
    let [x, y, z] = frame.from_rig(above);
    assert!(x.abs() + y.abs() < 1e-9 && (z - frame.scale).abs() < 1e-9);
    let placed = frame.place(&rig);
    let distance = |c: &RigCamera| dot(c.centre(), c.centre()).sqrt();
    let farthest = placed.cameras().iter().map(distance).fold(0.0, f64::max);
    assert!((farthest - 1.0).abs() < 1e-9);
    assert!(placed.mean_centre().iter().all(|x| x.abs() < 1e-9));
    // What a camera sees does not change.
    let p = [12.0, -7.0, 30.0];
    for (before, after) in rig.cameras().iter().zip(placed.cameras()) {
        let pixels = before.to_pixel(p).zip(after.to_pixel(frame.from_rig(p)));
        if let Some((a, b)) = pixels {
            assert!((a[0] - b[0]).abs() + (a[1] - b[1]).abs() < 1e-6);
        }
    }
    let back = frame.to_rig(frame.from_rig(p));
    assert!((0..3).all(|k| (back[k] - p[k]).abs() < 1e-9));
    assert!(WorldFrame::upright(&rig, [0.0; 3]).is_err());
}

/// The steps of the published program, one after the other.
fn published(rig: &Rig, up: Option<V3>) -> (Vec<RigCamera>, f64) {
    let cameras = rig.cameras();
    let n = cameras.len() as f64;
    let transposed = |m: &[V3; 3]| -> [V3; 3] { std::array::from_fn(|r| std::array::from_fn(|c| m[c][r])) };
    let unit = |v: V3| v.map(|x| x / dot(v, v).sqrt());
    let mut mean_column = [0.0; 3];
    let mut m = [0.0; 3];
    for camera in cameras {
        let back = apply(&transposed(&camera.rotation), camera.translation);
        for k in 0..3 {
            mean_column[k] += camera.rotation[k][1] / n;
            m[k] += back[k] / n;
        }
    }
    let u = unit(up.map_or(mean_column, |up| up.map(|x| -x)));
    // Rodrigues about (0, 0, 1) x u.
    let axis = unit([-u[1], u[0], 0.0]);
    let (s, c) = ((u[0] * u[0] + u[1] * u[1]).sqrt(), u[2]);
    let skew = [[0.0, -axis[2], axis[1]], [axis[2], 0.0, -axis[0]], [-axis[1], axis[0], 0.0]];
    let r2: [V3; 3] = std::array::from_fn(|r| {
        std::array::from_fn(|k| {
            let square: f64 = (0..3).map(|j| skew[r][j] * skew[j][k]).sum();
            f64::from(u8::from(r == k)) + s * skew[r][k] + (1.0 - c) * square
        })
    });
    let moved = cameras.iter().map(|camera| {
        let rotation = camera.rotation.map(|row| std::array::from_fn(|k| dot(row, r2[k])));
        let shift = apply(&camera.rotation, m);
        RigCamera { rotation, translation: std::array::from_fn(|k| shift[k] + camera.translation[k]), ..*camera }
    });
    let moved: Vec<RigCamera> = moved.collect();
    let farthest = moved.iter().map(|c| apply(&transposed(&c.rotation), c.translation)).map(|p| dot(p, p).sqrt());
    let scale = 1.0 / farthest.fold(0.0, f64::max);
    (moved.into_iter().map(|c| RigCamera { translation: c.translation.map(|x| x * scale), ..c }).collect(), scale)
}

#[test]
fn the_reference_frame_is_the_published_one() {
    let rig = turned(&rig_of(&AnimalPhantom::new([64, 48]).cameras().unwrap()), &turn());
    for up in [None, Some([0.2, -0.4, 0.9])] {
        let frame = WorldFrame::reference(&rig, up).unwrap();
        let (wanted, scale) = published(&rig, up);
        assert!((frame.scale - scale).abs() < 1e-15);
        for (got, wanted) in frame.place(&rig).cameras().iter().zip(&wanted) {
            let numbers =
                |c: &RigCamera| c.rotation.as_flattened().iter().chain(&c.translation).copied().collect::<Vec<_>>();
            assert!(numbers(got).iter().zip(numbers(wanted)).all(|(a, b)| (a - b).abs() < 1e-9));
        }
    }
    // The quirk is kept: the mean place of the cameras is not the origin, and the vertical not +z.
    let placed = WorldFrame::reference(&rig, None).unwrap().place(&rig);
    assert!(dot(placed.mean_centre(), placed.mean_centre()).sqrt() > 0.1);
}
