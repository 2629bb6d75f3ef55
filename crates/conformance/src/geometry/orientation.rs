//! Axis codes, reorientation and grids.

use volkit_core::{Affine, AxisMap, BoxError, Volume};
use volkit_geom::{Grid, Orientation, reorient};

use crate::check::Check;
use crate::digest::sha256_le;
use crate::index::{Entry, affine, counts};
use crate::suite::Outcome;

/// Affines come from products of a few f64 numbers of order 100.
const RTOL: f64 = 1e-9;
const ATOL: f64 = 1e-9;

pub(super) fn case(entry: &Entry<'_>) -> Result<Outcome, BoxError> {
    let mut check = Check::new();
    let world_from_voxel = entry.affine("affine")?;
    let size = entry.size("shape")?;
    let grid = Grid::new(size, world_from_voxel);
    let orientation = Orientation::of(&world_from_voxel)?;
    compare_axes(entry, &orientation, &mut check)?;
    check.close("voxel_sizes", &world_from_voxel.spacing(), &entry.numbers("voxel_sizes")?, RTOL, ATOL);
    if entry.has("canonical_affine") {
        let n_voxels = size.iter().try_fold(1i32, |product, &n| product.checked_mul(i32::try_from(n).ok()?));
        let counting: Vec<i32> = (0..n_voxels.ok_or("shape has too many voxels for i32 indices")?).collect();
        let volume = Volume::new(size, counting, world_from_voxel)?;
        let (canonical, map) = reorient(&volume, Orientation::RAS)?;
        let inverse = affine_numbers(&map.old_from_new(size));
        check.close("inv_ornt_aff", &inverse, &entry.numbers("inv_ornt_aff")?, RTOL, ATOL);
        compare_affine("canonical_affine", canonical.affine(), &entry.affine("canonical_affine")?, &mut check);
        check.equal("canonical_shape", canonical.shape(), entry.counts("canonical_shape")?.as_slice());
        let wanted = entry.text("canonical_sha256_i32_first_axis_fastest")?;
        check.equal("canonical voxels", sha256_le(canonical.voxels().view()).as_str(), wanted);
        compare_target(entry, &volume, &mut check)?;
    }
    compare_grids(entry, &grid, &mut check)?;
    Ok(check.into())
}

/// Letters, and the rows `[world axis, sign]` of each voxel axis (NaN for an axis without direction).
fn compare_axes(entry: &Entry<'_>, orientation: &Orientation, check: &mut Check) -> Result<(), BoxError> {
    let letters = [['L', 'R'], ['P', 'A'], ['I', 'S']];
    let axes = orientation.axes();
    let codes = axes.map(|axis| axis.map(|axis| letters[axis.world_axis][usize::from(axis.positive)]));
    let wanted = entry.list("axcodes")?.iter().map(|code| code.as_str().and_then(|code| code.chars().next()));
    check.equal("axcodes", codes.as_slice(), wanted.collect::<Vec<_>>().as_slice());
    let sign = |positive: bool| if positive { 1.0 } else { -1.0 };
    let rows = axes.map(|axis| axis.map_or([f64::NAN; 2], |axis| [axis.world_axis as f64, sign(axis.positive)]));
    check.close("ornt", &rows.concat(), &entry.numbers("ornt")?, 0.0, 0.0);
    Ok(())
}

/// Reorientation to the letters under `to`, whose `ornt` has `[new axis, sign]` for each old one.
fn compare_target(entry: &Entry<'_>, volume: &Volume, check: &mut Check) -> Result<(), BoxError> {
    if !entry.has("to") {
        return Ok(());
    }
    let to = entry.entry("to")?;
    let (turned, map) = reorient(volume, to.text("axcodes")?.parse()?)?;
    let AxisMap { source_axis: new_axis, flipped } = map.inverse();
    let rows = [0, 1, 2].map(|old: usize| [new_axis[old] as f64, if flipped[old] { -1.0 } else { 1.0 }]);
    check.close("to.ornt", &rows.concat(), &to.numbers("ornt")?, 0.0, 0.0);
    compare_affine("to.affine", turned.affine(), &to.affine("affine")?, check);
    check.equal("to.shape", turned.shape(), to.counts("shape")?.as_slice());
    check.equal("to voxels", sha256_le(turned.voxels().view()).as_str(), to.text("sha256")?);
    // There and back again is the identity.
    let back = volkit_geom::apply_axis_map(&turned, &map.inverse())?;
    check.equal("voxels after reorienting back are the same", back.voxels() == volume.voxels(), true);
    compare_affine("affine after reorienting back", back.affine(), volume.affine(), check);
    Ok(())
}

/// Bounding grids and the change of spacing that keeps the centre.
fn compare_grids(entry: &Entry<'_>, grid: &Grid, check: &mut Check) -> Result<(), BoxError> {
    for (field, spacing_mm) in [("out_grid_default", 1.0), ("out_grid_1p5", 1.5)] {
        if !entry.has(field) {
            continue;
        }
        let [size, world_from_voxel] = entry.list(field)? else {
            return Err(format!("the index has '{field}' that is not a shape and an affine").into());
        };
        let wanted = counts(size).zip(affine(world_from_voxel));
        let (size, world_from_voxel) = wanted.ok_or_else(|| format!("'{field}' is not a shape and an affine"))?;
        let bounding = grid.bounding([spacing_mm; 3])?;
        check.equal(&format!("{field} size"), bounding.size.as_slice(), size.as_slice());
        compare_affine(field, &bounding.affine, &world_from_voxel, check);
    }
    if entry.has("rescale_affine") {
        let rescale = entry.entry("rescale_affine")?;
        let rescaled = grid.rescaled(rescale.per_axis("voxel")?, rescale.size("new_shape")?)?;
        compare_affine("rescale_affine", &rescaled.affine, &rescale.affine("affine")?, check);
    }
    Ok(())
}

fn compare_affine(what: &str, got: &Affine, wanted: &Affine, check: &mut Check) {
    check.close(what, &affine_numbers(got), &affine_numbers(wanted), RTOL, ATOL);
}

fn affine_numbers(affine: &Affine) -> Vec<f64> {
    affine.to_matrix().concat()
}
