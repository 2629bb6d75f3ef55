//! The ellipsoids of the animal and how they move.

use std::f64::consts::{PI, TAU};

/// Frequencies of the gait, of the bending of the spine and of the bobbing, in Hz.
const GAIT: f64 = 1.37;
const BENDING: f64 = 0.4;
const BOBBING: f64 = 3.0;
/// Seconds of a figure eight. No two of the periods divide each other, so that no frame comes twice.
const EIGHT_SECS: f64 = 4.3;

const FUR: [f64; 3] = [0.55, 0.40, 0.28];
const DARK: [f64; 3] = [0.25, 0.18, 0.13];
const PINK: [f64; 3] = [0.85, 0.60, 0.58];
const CREAM: [f64; 3] = [0.80, 0.74, 0.66];

pub(super) type V3 = [f64; 3];
pub(super) type M3 = [[f64; 3]; 3];

/// Where the animal is and which way it looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AnimalPose {
    /// Middle of the trunk in millimetres.
    pub centre: [f64; 3],
    /// Angle of the forward axis from +x towards +y, in radians.
    pub heading: f64,
}

/// An ellipsoid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AnimalPart {
    /// Name.
    pub name: &'static str,
    /// Centre in millimetres.
    pub centre: [f64; 3],
    /// Its own axes as the columns of a rotation.
    pub rotation: [[f64; 3]; 3],
    /// Half its length along each own axis, in millimetres.
    pub semi_axes: [f64; 3],
    /// Colour without light, 0 to 1.
    pub colour: [f64; 3],
    /// Stripes along its own x axis, in radians per millimetre; 0 for none.
    pub stripes: f64,
}

pub(super) fn apply(m: &M3, v: V3) -> V3 {
    m.map(|row| row[0] * v[0] + row[1] * v[1] + row[2] * v[2])
}

pub(super) fn apply_transposed(m: &M3, v: V3) -> V3 {
    std::array::from_fn(|c| m[0][c] * v[0] + m[1][c] * v[1] + m[2][c] * v[2])
}

fn product(a: &M3, b: &M3) -> M3 {
    a.map(|row| apply_transposed(b, row))
}

pub(super) fn add(a: V3, b: V3) -> V3 {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

fn about_z(angle: f64) -> M3 {
    let (s, c) = angle.sin_cos();
    [[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]]
}

fn about_y(angle: f64) -> M3 {
    let (s, c) = angle.sin_cos();
    [[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]]
}

pub(super) fn pose(t: f64) -> AnimalPose {
    let w = TAU / EIGHT_SECS;
    let centre = [30.0 * (w * t).sin(), 15.0 * (2.0 * w * t).sin(), 26.0 + (TAU * BOBBING * t).sin()];
    let velocity = [30.0 * w * (w * t).cos(), 30.0 * w * (2.0 * w * t).cos()];
    AnimalPose { centre, heading: velocity[1].atan2(velocity[0]) }
}

/// The ellipsoids in the frame of the body: x forward, y left, z up.
fn body_parts(t: f64) -> Vec<AnimalPart> {
    let phase = TAU * GAIT * t;
    let bend = 0.25 * (TAU * BENDING * t).sin();
    let part = |name, centre, rotation, semi_axes, colour, stripes| AnimalPart {
        name,
        centre,
        rotation,
        semi_axes,
        colour,
        stripes,
    };
    let turned = about_z(1.5 * bend);
    let head = [30.0, 14.0 * bend.sin(), 5.0 + 2.0 * (2.0 * phase).sin()];
    let at_head = |offset| add(head, apply(&turned, offset));
    let still = about_z(0.0);
    let mut parts = vec![
        part("hip", [-16.0, 0.0, 0.0], about_z(-0.5 * bend), [20.0, 13.0, 13.0], FUR, 0.30),
        part("chest", [8.0, 0.0, 1.0], about_z(0.3 * bend), [20.0, 12.0, 12.0], FUR, 0.30),
        part("belly", [-3.0, 0.0, -3.0], still, [20.0, 11.0, 10.0], CREAM, 0.0),
        part("neck", [22.0, 7.0 * bend.sin(), 3.0], about_z(bend), [10.0, 8.0, 8.0], FUR, 0.30),
        part("head", head, turned, [10.0, 8.0, 8.0], DARK, 0.0),
        part("snout", at_head([10.0, 0.0, -2.0]), turned, [6.0, 4.0, 4.0], PINK, 0.0),
        part("left ear", at_head([-4.0, 7.0, 8.0]), turned, [2.0, 4.5, 5.5], PINK, 0.0),
        part("right ear", at_head([-4.0, -7.0, 8.0]), turned, [2.0, 4.5, 5.5], PINK, 0.0),
    ];
    for (name, x, side, offset) in [
        ("left front leg", 18.0, 1.0, 0.0),
        ("right front leg", 18.0, -1.0, PI),
        ("left hind leg", -22.0, 1.0, PI),
        ("right hind leg", -22.0, -1.0, 0.0),
    ] {
        let swing = about_y(0.55 * (phase + offset).sin());
        let centre = add([x, 9.0 * side, -6.0], apply(&swing, [0.0, 0.0, -8.0]));
        parts.push(part(name, centre, swing, [4.2, 4.0, 11.0], DARK, 0.0));
    }
    let mut start = [-35.0, 0.0, 0.0];
    for (j, name) in ["tail root", "tail middle", "tail tip"].into_iter().enumerate() {
        let j = j as f64;
        let angle = PI + 0.45 * (0.5 * phase - 0.8 * j).sin();
        let direction = [angle.cos(), angle.sin(), -0.05];
        let along = |s: f64| add(start, direction.map(|d| s * d));
        let width = 3.2 - 0.6 * j;
        parts.push(part(name, along(8.0), about_z(angle), [10.0, width, width], PINK, 0.45));
        start = along(15.0);
    }
    parts
}

/// The ellipsoids in the world.
pub(super) fn world_parts(t: f64, scale: f64) -> Vec<AnimalPart> {
    let AnimalPose { centre, heading } = pose(t);
    let turn = about_z(heading);
    let place = |part: AnimalPart| AnimalPart {
        centre: add(centre, apply(&turn, part.centre.map(|x| scale * x))),
        rotation: product(&turn, &part.rotation),
        semi_axes: part.semi_axes.map(|a| scale * a),
        stripes: part.stripes / scale,
        ..part
    };
    body_parts(t).into_iter().map(place).collect()
}
