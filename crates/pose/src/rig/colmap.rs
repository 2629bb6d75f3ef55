//! Calibrations from the text files of COLMAP.

use std::collections::BTreeMap;

use super::{Distortion, Rig, RigCamera};
use crate::PoseError;
use crate::matrix::M3;

/// COLMAP's first pixel has its centre at (0.5, 0.5).
const HALF_PIXEL: f64 = 0.5;

struct Lens {
    intrinsic: M3,
    distortion: Option<Distortion>,
}

impl Rig {
    /// From the contents of COLMAP's `cameras.txt` and `images.txt`, one camera an image, in the order of the images'
    /// names. Models: `SIMPLE_PINHOLE`, `PINHOLE`, `SIMPLE_RADIAL`, `RADIAL`, `OPENCV`.
    ///
    /// # Errors
    /// [`PoseError::Input`] for a line of another form, another model, or an image whose camera is not there.
    pub fn from_colmap(cameras_txt: &str, images_txt: &str) -> Result<Self, PoseError> {
        let mut lenses = BTreeMap::new();
        for line in content(cameras_txt).filter(|line| !line.is_empty()) {
            let (id, lens) = parse_lens(line)?;
            lenses.insert(id, lens);
        }
        let mut named = BTreeMap::new();
        // Every second line lists points; it may be empty.
        for line in content(images_txt).step_by(2).filter(|line| !line.is_empty()) {
            let (name, camera) = parse_image(line, &lenses)?;
            named.insert(name, camera);
        }
        Self::new(named.into_values().collect(), "images.txt")
    }
}

fn content(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.starts_with('#'))
}

fn parse_lens(line: &str) -> Result<(String, Lens), PoseError> {
    let refuse = |why| PoseError::input("cameras.txt", "line", line, why);
    let words: Vec<&str> = line.split_whitespace().collect();
    let [id, model, _, _, parameters @ ..] = &words[..] else {
        return Err(refuse("CAMERA_ID MODEL WIDTH HEIGHT PARAMS"));
    };
    let parsed: Option<Vec<f64>> = parameters.iter().map(|word| word.parse().ok()).collect();
    let p = parsed.ok_or_else(|| refuse("numbers behind the size"))?;
    let (focal, centre, radial, tangential) = match (*model, &p[..]) {
        ("SIMPLE_PINHOLE", [f, cx, cy]) => ([*f; 2], [*cx, *cy], [0.0; 3], [0.0; 2]),
        ("PINHOLE", [fx, fy, cx, cy]) => ([*fx, *fy], [*cx, *cy], [0.0; 3], [0.0; 2]),
        ("SIMPLE_RADIAL", [f, cx, cy, k]) => ([*f; 2], [*cx, *cy], [*k, 0.0, 0.0], [0.0; 2]),
        ("RADIAL", [f, cx, cy, k1, k2]) => ([*f; 2], [*cx, *cy], [*k1, *k2, 0.0], [0.0; 2]),
        ("OPENCV", [fx, fy, cx, cy, k1, k2, p1, p2]) => ([*fx, *fy], [*cx, *cy], [*k1, *k2, 0.0], [*p1, *p2]),
        _ => return Err(refuse("SIMPLE_PINHOLE, PINHOLE, SIMPLE_RADIAL, RADIAL or OPENCV with its parameters")),
    };
    let [cx, cy] = centre.map(|c| c - HALF_PIXEL);
    let lens = Distortion { radial, tangential };
    let intrinsic = [[focal[0], 0.0, cx], [0.0, focal[1], cy], [0.0, 0.0, 1.0]];
    Ok(((*id).to_owned(), Lens { intrinsic, distortion: (lens != Distortion::default()).then_some(lens) }))
}

fn parse_image(line: &str, lenses: &BTreeMap<String, Lens>) -> Result<(String, RigCamera), PoseError> {
    let refuse = |why| PoseError::input("images.txt", "line", line, why);
    let words: Vec<&str> = line.split_whitespace().collect();
    let [_, pose @ .., camera, name] = &words[..] else {
        return Err(refuse("IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME"));
    };
    let parsed: Option<Vec<f64>> = pose.iter().map(|word| word.parse().ok()).collect();
    let Some([w, x, y, z, tx, ty, tz]) = parsed.as_deref() else {
        return Err(refuse("IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME"));
    };
    let lens = lenses.get(*camera).ok_or_else(|| refuse("a CAMERA_ID of cameras.txt"))?;
    let rotation = rotation([*w, *x, *y, *z]).ok_or_else(|| refuse("a quaternion that is not zero"))?;
    let camera =
        RigCamera { rotation, translation: [*tx, *ty, *tz], intrinsic: lens.intrinsic, distortion: lens.distortion };
    Ok(((*name).to_owned(), camera))
}

/// The rotation of a quaternion `w, x, y, z` of any length.
fn rotation(q: [f64; 4]) -> Option<M3> {
    let length = q.iter().map(|x| x * x).sum::<f64>().sqrt();
    let [w, x, y, z] = (length > 0.0 && length.is_finite()).then(|| q.map(|c| c / length))?;
    Some([
        [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
        [2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)],
        [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)],
    ])
}
