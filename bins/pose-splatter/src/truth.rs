//! The track of a synthetic recording beside its truth.

use std::f64::consts::{PI, TAU};

use volkit_core::{ArrayStore as _, BoxError};
use volkit_io::write_atomically;
use volkit_pose::Track;

use crate::project::{Project, World, hdf5_arrays};

/// The part whose axes are those of the body.
const BELLY: usize = 2;

/// How far up, centres and headings are from the truth, also as `truth.csv`; none where the project has none.
pub(crate) fn compare(project: &Project, world: &World, track: &Track) -> Result<Option<String>, BoxError> {
    let path = project.file("truth.h5");
    if !path.exists() {
        return Ok(None);
    }
    let store = hdf5_arrays(&path)?;
    let centres = store.get("centers")?.to_real::<f64>()?;
    let turns = store.get("part_rot")?;
    let (shape, turns) = (turns.shape().to_vec(), turns.to_real::<f64>()?);
    let [_, n_parts, 3, 3] = shape[..] else { return Err(format!("{}: part_rot is {shape:?}", path.display()).into()) };
    let (mut distances, mut angles) = (Vec::new(), Vec::new());
    for (i, (centre, angle)) in track.centres.iter().zip(&track.angles).enumerate() {
        let frame = i * project.config.frame_jump;
        let (Some(truth), Some(turn)) =
            (centres.get(3 * frame..3 * frame + 3), turns.get(9 * (frame * n_parts + BELLY)..))
        else {
            return Err(format!("{}: no frame {frame}", path.display()).into());
        };
        let found = world.frame.to_rig(*centre);
        distances.push((0..3).map(|k| (found[k] - truth[k]).powi(2)).sum::<f64>().sqrt());
        // The first column is the forward axis.
        let ahead = [turn[0], turn[3], turn[6]];
        let [x, y, _] = world.frame.rotation.map(|row| row[0] * ahead[0] + row[1] * ahead[1] + row[2] * ahead[2]);
        angles.push(((angle - y.atan2(x) + PI).rem_euclid(TAU) - PI).abs().to_degrees());
    }
    let up = store.get("up")?.to_real::<f64>()?;
    let cosine: f64 = up.iter().zip(world.up).map(|(a, b)| a * b).sum();
    let tilt = cosine.clamp(-1.0, 1.0).acos().to_degrees();
    let [(distance, farthest), (turn, most)] = [distances, angles].map(spread);
    write_atomically(project.file("truth.csv"), |out| {
        writeln!(out, "measure,median,largest")?;
        writeln!(out, "up_deg,{tilt:.6},{tilt:.6}")?;
        writeln!(out, "centre,{distance:.6},{farthest:.6}")?;
        writeln!(out, "heading_deg,{turn:.6},{most:.6}")
    })?;
    Ok(Some(format!(
        "centres {distance:.2} off the truth (at most {farthest:.2}), headings {turn:.2} degrees (at most {most:.2})"
    )))
}

/// Median and largest.
fn spread(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |i: usize| values.get(i).copied().unwrap_or(f64::NAN);
    (at(values.len() / 2), at(values.len().saturating_sub(1)))
}
