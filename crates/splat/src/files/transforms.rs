//! `transforms.json` of nerfstudio and Blender.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::picture::{Pixels, PosedImage, read_png};
use crate::{Camera, Intrinsics, SplatError};

/// Most bytes of a `transforms.json`.
const MOST_BYTES: u64 = 1 << 28;
/// Models of cameras without distortion, or with distortion that is given as numbers (which must be zero).
const KNOWN_MODELS: [&str; 4] = ["PINHOLE", "SIMPLE_PINHOLE", "OPENCV", "perspective"];

/// How posed pictures are read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct TransformsOptions {
    /// What transparent pixels are laid over: the background that the scene is rendered with (default black).
    pub background: [f32; 3],
}

impl TransformsOptions {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same before another background.
    #[must_use]
    pub fn with_background(self, background: [f32; 3]) -> Self {
        Self { background, ..self }
    }
}

/// Numbers that stand at the top of the file or in a frame.
#[derive(Clone, Debug, Default, Deserialize)]
struct Lens {
    camera_model: Option<String>,
    camera_angle_x: Option<f64>,
    camera_angle_y: Option<f64>,
    fl_x: Option<f64>,
    fl_y: Option<f64>,
    cx: Option<f64>,
    cy: Option<f64>,
    w: Option<f64>,
    h: Option<f64>,
    k1: Option<f64>,
    k2: Option<f64>,
    k3: Option<f64>,
    k4: Option<f64>,
    p1: Option<f64>,
    p2: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct Frame {
    file_path: String,
    transform_matrix: Vec<Vec<f64>>,
    #[serde(flatten)]
    lens: Lens,
}

#[derive(Debug, Deserialize)]
struct Transforms {
    frames: Vec<Frame>,
    #[serde(flatten)]
    lens: Lens,
}

/// Reads the PNG pictures that a `transforms.json` names, with their cameras.
///
/// Paths are relative to the file; names without a suffix get `.png`, as Blender's data sets have it. Intrinsics are
/// `fl_x`, `fl_y`, `cx`, `cy`, `w`, `h` (of a frame, else of the file) or `camera_angle_x`. Where the picture has another
/// size than `w` x `h`, the intrinsics are scaled.
///
/// # Errors
/// [`SplatError::Io`], [`SplatError::Png`], [`SplatError::Transforms`] with the field and frame: no frames, a matrix that
/// is not 4 x 4, a lens that distorts (undistort the pictures first), no focal length.
pub fn read_transforms(path: impl AsRef<Path>, options: &TransformsOptions) -> Result<Vec<PosedImage>, SplatError> {
    let path = path.as_ref();
    let io = |source| SplatError::Io { path: path.to_owned(), source };
    let wrong = |what: String, why: String| SplatError::Transforms { path: path.to_owned(), what, why };
    let len = std::fs::metadata(path).map_err(io)?.len();
    if len > MOST_BYTES {
        return Err(wrong("file".to_owned(), format!("{len} bytes, at most {MOST_BYTES} are read")));
    }
    let text = std::fs::read(path).map_err(io)?;
    let file: Transforms = serde_json::from_slice(&text).map_err(|e| wrong("JSON".to_owned(), e.to_string()))?;
    if file.frames.is_empty() {
        return Err(wrong("frames".to_owned(), "empty".to_owned()));
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let read = |(i, frame): (usize, &Frame)| {
        let pixels = read_png(&picture_path(folder, &frame.file_path), options.background)?;
        let in_frame = |(what, why): (&str, String)| wrong(format!("frames[{i}].{what}"), why);
        let intrinsics = intrinsics(&frame.lens, &file.lens, pixels.size).map_err(in_frame)?;
        let rows = matrix(&frame.transform_matrix).map_err(in_frame)?;
        let camera =
            Camera::from_opengl(rows, intrinsics).map_err(|error| wrong(format!("frames[{i}]"), error.to_string()))?;
        let Pixels { colour, alpha, .. } = pixels;
        Ok(PosedImage { path: PathBuf::from(&frame.file_path), camera, colour, alpha })
    };
    file.frames.iter().enumerate().map(read).collect()
}

fn picture_path(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    if path.extension().is_some() { path } else { path.with_extension("png") }
}

fn matrix(rows: &[Vec<f64>]) -> Result<[[f64; 4]; 4], (&'static str, String)> {
    let rows: Option<Vec<[f64; 4]>> = rows.iter().map(|row| row.as_slice().try_into().ok()).collect();
    rows.and_then(|rows| rows.try_into().ok()).ok_or_else(|| ("transform_matrix", "not a 4 x 4 matrix".to_owned()))
}

/// The intrinsics of a frame for a picture of `size` rows and columns.
fn intrinsics(frame: &Lens, file: &Lens, size: [usize; 2]) -> Result<Intrinsics, (&'static str, String)> {
    if let Some(model) = frame.camera_model.as_ref().or(file.camera_model.as_ref())
        && !KNOWN_MODELS.contains(&model.as_str())
    {
        return Err(("camera_model", format!("{model} is not supported ({})", KNOWN_MODELS.join(", "))));
    }
    type Field = fn(&Lens) -> Option<f64>;
    let get = |field: Field| field(frame).or_else(|| field(file));
    let bends: [(&str, Field); 6] =
        [("k1", |l| l.k1), ("k2", |l| l.k2), ("k3", |l| l.k3), ("k4", |l| l.k4), ("p1", |l| l.p1), ("p2", |l| l.p2)];
    for (name, field) in bends {
        if let Some(value) = get(field).filter(|value| *value != 0.0) {
            return Err((name, format!("{value}: distortion is not supported, undistort the pictures first")));
        }
    }
    let [rows, columns] = size.map(|n| n as f64);
    let (width, height) = (get(|l| l.w).unwrap_or(columns), get(|l| l.h).unwrap_or(rows));
    if !(width > 0.0 && height > 0.0) {
        return Err(("w", format!("{width} x {height}: not a size")));
    }
    let from_angle = |angle: f64, len: f64| 0.5 * len / (0.5 * angle).tan();
    let fx = get(|l| l.fl_x).or_else(|| get(|l| l.camera_angle_x).map(|angle| from_angle(angle, width)));
    let fx = fx.ok_or_else(|| ("fl_x", "neither fl_x nor camera_angle_x is given".to_owned()))?;
    let fy = get(|l| l.fl_y).or_else(|| get(|l| l.camera_angle_y).map(|angle| from_angle(angle, height)));
    let centre = [get(|l| l.cx).unwrap_or(0.5 * width), get(|l| l.cy).unwrap_or(0.5 * height)];
    let (sx, sy) = (columns / width, rows / height);
    Ok(Intrinsics {
        focal_px: [sx * fx, sy * fy.unwrap_or(fx)],
        centre_px: [sx * centre[0], sy * centre[1]],
        width: size[1],
        height: size[0],
    })
}
