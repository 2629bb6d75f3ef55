//! Calibrations of DANNCE and `Label3D`, from MATLAB files.

use std::collections::BTreeMap;

use super::import::lens;
use super::{Rig, RigCamera};
use crate::PoseError;
use crate::mat::{MatValue, read_mat};
use crate::matrix::M3;

impl Rig {
    /// From the contents of MATLAB files of version 5 to 7, in the order of the cameras. Either one file with a cell or
    /// struct array `params`, or a file a camera, with variables `K`, `r`, `t` and, where there is a lens, `RDistort` and
    /// `TDistort`. MATLAB's matrices multiply rows from the right: `K` and `r` are transposed here.
    ///
    /// # Errors
    /// [`PoseError::Input`] for a variable that is missing or has another size; those of [`read_mat`]. Each names the file.
    pub fn from_dannce(files: &[(String, Vec<u8>)]) -> Result<Self, PoseError> {
        let mut cameras = Vec::new();
        for (what, bytes) in files {
            let variables = read_mat(bytes, what)?;
            let all = match variables.get("params") {
                Some(MatValue::Cell(entries)) => entries.clone(),
                Some(MatValue::Struct(elements)) => {
                    elements.iter().map(|fields| MatValue::Struct(vec![fields.clone()])).collect()
                }
                Some(_) => {
                    return Err(PoseError::input(what, "params", "numbers", "a cell or struct array of cameras"));
                }
                None => vec![of_variables(variables)],
            };
            for entry in &all {
                cameras.push(camera(entry, &format!("{what}, camera {}", cameras.len()))?);
            }
        }
        let what = files.first().map_or("calibration", |(what, _)| what.as_str());
        Self::new(cameras, what)
    }
}

fn of_variables(variables: BTreeMap<String, MatValue>) -> MatValue {
    MatValue::Struct(vec![variables.into_iter().collect()])
}

fn camera(entry: &MatValue, what: &str) -> Result<RigCamera, PoseError> {
    let numbers = |name: &str, wanted: &[usize], why| {
        let values = entry.field(name).and_then(MatValue::numbers).unwrap_or_default();
        let refuse = || PoseError::input(what, name, format!("{} numbers", values.len()), why);
        wanted.contains(&values.len()).then(|| values.to_vec()).ok_or_else(refuse)
    };
    let t = numbers("t", &[3], "3 numbers: the translation")?;
    Ok(RigCamera {
        rotation: transposed_columns(&numbers("r", &[9], "3 x 3 numbers: the rotation")?),
        translation: [t[0], t[1], t[2]],
        intrinsic: transposed_columns(&numbers("K", &[9], "3 x 3 numbers: the intrinsic matrix")?),
        distortion: lens(
            &numbers("RDistort", &[0, 2, 3], "2 or 3 numbers: the radial distortion")?,
            &numbers("TDistort", &[0, 2], "2 numbers: the tangential distortion")?,
        ),
    })
}

/// The transposed matrix of numbers that are stored column after column.
fn transposed_columns(values: &[f64]) -> M3 {
    std::array::from_fn(|r| std::array::from_fn(|c| values[3 * r + c]))
}
