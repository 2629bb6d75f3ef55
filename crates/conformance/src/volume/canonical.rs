//! The volume after flips and axis swaps to RAS.

use volkit_core::{BoxError, RealElement, Volume, Voxels};
use volkit_geom::{Orientation, reorient};

use super::nifti::{ATOL, RTOL};
use crate::check::Check;
use crate::digest::{dtype, sha256_le};
use crate::index::Entry;

pub(super) fn compare(entry: &Entry<'_>, volume: &Volume, check: &mut Check) -> Result<(), BoxError> {
    let codes = Orientation::of(volume.affine())?.to_string();
    check.equal("the axis codes", codes.as_str(), entry.text("axcodes")?);
    let (canonical, _) = reorient(volume, Orientation::RAS)?;
    check.equal("the canonical shape", canonical.shape(), entry.counts("shape")?.as_slice());
    let affine = canonical.affine().to_matrix().concat();
    check.close("the canonical affine", &affine, &entry.affine("affine")?.to_matrix().concat(), RTOL, ATOL);
    if entry.has("raw_or_scaled_sha256") {
        let name = entry.text("dtype")?;
        let voxels = as_type(&canonical, name)?;
        let wanted = entry.text("raw_or_scaled_sha256")?;
        check.equal("the checksum of canonical voxels", sha256_le(voxels.view()).as_str(), wanted);
    }
    Ok(())
}

/// The voxels in the element type that NumPy calls so.
fn as_type(volume: &Volume, name: &str) -> Result<Voxels, BoxError> {
    let wanted = dtype(name).ok_or_else(|| format!("the index has the element type {name}, which is not known"))?;
    if volume.dtype() == wanted {
        return Ok(volume.voxels().clone());
    }
    fn cast<T: RealElement>(volume: &Volume) -> Result<Voxels, BoxError> {
        Ok(volume.to_real::<T>()?.into())
    }
    match name.trim_start_matches(['<', '>', '|', '=']) {
        "f4" => cast::<f32>(volume),
        "f8" => cast::<f64>(volume),
        _ => Err(format!("canonical voxels are {}, expected {wanted}", volume.dtype()).into()),
    }
}
