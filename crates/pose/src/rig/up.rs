//! Which way is up.

use serde::{Deserialize, Serialize};

use super::Rig;
use crate::PoseError;
use crate::matrix::{add, add_outer, apply_transposed, cross, dot, eigen, scaled, unit};

/// The middle eigenvalue, as a part of the largest, below which the answer is not determined.
const LEAST_SPREAD: f64 = 1e-4;

/// An edge that is vertical in the world, as one camera sees it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct UpLine {
    /// Number of the camera.
    pub camera: usize,
    /// Pixel of the lower end, in the full picture.
    pub bottom: [f64; 2],
    /// Pixel of the upper end.
    pub top: [f64; 2],
}

/// The direction that all lines have in the world, from bottom to top, as a unit vector.
///
/// A line and the centre of its camera span a plane that holds the direction; the direction is across the normals of all
/// planes (the eigenvector of `sum n n^T` with the smallest eigenvalue). Its sign is the one that most lines have.
///
/// # Errors
/// [`PoseError::Input`] for a camera that is not there or a line of one point; [`PoseError::Parameter`] where the lines
/// do not determine a direction: they must not all lie in one plane.
pub fn up_from_lines(rig: &Rig, lines: &[UpLine]) -> Result<[f64; 3], PoseError> {
    let mut sum = [[0.0; 3]; 3];
    let mut rays = Vec::with_capacity(lines.len());
    for (i, line) in lines.iter().enumerate() {
        let refuse = |field, value: String, why| PoseError::input(&format!("line {i}"), field, value, why);
        let camera = rig.cameras().get(line.camera);
        let camera = camera.ok_or_else(|| refuse("camera", line.camera.to_string(), "a number of the rig"))?;
        let ray = |pixel| {
            let seen = camera.pixel_to_ray(pixel);
            let [x, y] = camera.distortion.map_or(Some(seen), |lens| lens.undo(seen))?;
            Some(apply_transposed(&camera.rotation, [x, y, 1.0]))
        };
        let ends = ray(line.bottom).zip(ray(line.top));
        let normal = ends.and_then(|(bottom, top)| unit(cross(bottom, top)));
        let (Some((bottom, top)), Some(normal)) = (ends, normal) else {
            return Err(refuse("ends", format!("{:?}, {:?}", line.bottom, line.top), "two different points"));
        };
        add_outer(&mut sum, normal, 1.0);
        rays.push((normal, bottom, top));
    }
    let up = across(&sum, "up lines", "vertical lines that do not all lie in one plane")?;
    // Seen from the camera, going up along the line leads from the bottom's ray towards the top's.
    let votes = rays.iter().map(|(normal, bottom, _)| dot(cross(*bottom, up), *normal).signum());
    Ok(if votes.sum::<f64>() < 0.0 { scaled(up, -1.0) } else { up })
}

/// Up for cameras that are held level: across the x axes of all of them, towards the upper edges of most pictures.
///
/// # Errors
/// [`PoseError::Parameter`] where all x axes are parallel.
pub fn up_from_rig(rig: &Rig) -> Result<[f64; 3], PoseError> {
    let mut sum = [[0.0; 3]; 3];
    let mut upward = [0.0; 3];
    for camera in rig.cameras() {
        add_outer(&mut sum, camera.rotation[0], 1.0);
        upward = add(upward, scaled(camera.rotation[1], -1.0));
    }
    let up = across(&sum, "up of the rig", "cameras that look into different directions; give vertical lines")?;
    Ok(if dot(up, upward) < 0.0 { scaled(up, -1.0) } else { up })
}

/// The direction that is the most across those summed up.
fn across(sum: &[[f64; 3]; 3], name: &'static str, why: &'static str) -> Result<[f64; 3], PoseError> {
    let (values, vectors) = eigen(sum);
    if values[2].is_nan() || values[1] <= LEAST_SPREAD * values[2] {
        return Err(PoseError::parameter(name, format!("{values:?}"), why));
    }
    Ok(vectors[0])
}
