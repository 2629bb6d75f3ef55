//! Preparation of scans.

use serde_json::Value;
use volkit_core::{BoxError, Region, Volume, read_vec};
use volkit_io::SafetensorsStore;
use volkit_seg::{Bounds, Prepared, PreprocessOptions, preprocess};

use super::tensors::Tensor;
use super::{Fixture, PREPARED, SCANS_SECTION, documented, object};
use crate::ConformanceError;
use crate::check::Check;
use crate::index::Entry;
use crate::suite::{Cases, Outcome};

/// Least size of the network's volume in this part of the folder.
const SMALLEST_SIZE: usize = 32;
/// What the published program says where its own code breaks, not where it refuses.
const BROKEN: &str = "could not be broadcast";

pub(super) fn run(fixture: &Fixture<'_>, cases: &mut Cases<'_>) -> Result<bool, ConformanceError> {
    let Some(index) = object(&fixture.path("preprocess.json"))? else { return Ok(false) };
    for (name, value) in &index {
        let entry = Entry::new(value, fixture.folder);
        cases.case(format!("preprocess/{name}"), || case(fixture, name, &entry));
    }
    Ok(true)
}

/// Options as the indexes of this folder write them.
pub(super) fn options(entry: &Entry<'_>, file: &str) -> Result<PreprocessOptions, BoxError> {
    let options = entry.required("options")?;
    let options = Entry::new(options, std::path::Path::new(""));
    let crop = if options.has("crop") { Some(options.per_axis("crop")?.map(|n| n as usize)) } else { None };
    Ok(PreprocessOptions::new()
        .with_crop(crop)
        .with_ct(options.optional("ct") == Some(&Value::Bool(true)))
        .with_three_spacings(file.to_ascii_lowercase().ends_with(".mgz")))
}

fn case(fixture: &Fixture<'_>, name: &str, entry: &Entry<'_>) -> Result<Outcome, BoxError> {
    let file = entry.text("file")?;
    let scan = fixture.input(file)?;
    let options = options(entry, file)?.with_smallest_size(SMALLEST_SIZE).with_compat(fixture.compat);
    let prepared = preprocess(&scan, &options);
    if entry.has("error") {
        return refused(&scan, &options, prepared.map_err(BoxError::from), entry.text("error")?);
    }
    let prepared = prepared?;
    let mut check = Check::new();
    placed(&mut check, &prepared, entry)?;
    let store = SafetensorsStore::open(fixture.path("preprocess.safetensors"))?;
    inputs(&mut check, &prepared, &store, name)?;
    let values = &prepared.net_input;
    let n = values.len() as f64;
    let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
    let squares = values.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n;
    check.within("the mean", (mean - entry.number("mean")?).abs(), PREPARED);
    check.within("the standard deviation", (squares.sqrt() - entry.number("std")?).abs(), PREPARED);
    Ok(check.into())
}

/// Where the network's volume lies.
fn placed(check: &mut Check, prepared: &Prepared, entry: &Entry<'_>) -> Result<(), BoxError> {
    let placement = &prepared.placement;
    let wanted = entry.affine("affine_after_resample")?;
    check.close("the affine", placement.affine.rows().as_flattened(), wanted.rows().as_flattened(), 0.0, PREPARED);
    check.close("voxel_size_used", &placement.spacing_mm, &entry.numbers("voxel_size_used")?, 1e-15, 0.0);
    check.equal("aligned_shape", placement.aligned_size, entry.size("aligned_shape")?);
    check.equal("padded_shape", placement.padded_size, entry.size("padded_shape")?);
    check.equal("pad_idx", numbers(placement.kept), entry.counts("pad_idx")?);
    let crop = if entry.has("crop_idx") { Some(entry.counts("crop_idx")?) } else { None };
    check.equal("crop_idx", placement.crop.map(numbers), crop);
    Ok(())
}

/// Start and end of a box in one list.
pub(super) fn numbers(bounds: Bounds) -> Vec<usize> {
    [bounds.start, bounds.end].concat()
}

/// Values inside the kept part, zeros outside.
fn inputs(check: &mut Check, prepared: &Prepared, store: &SafetensorsStore, name: &str) -> Result<(), BoxError> {
    let (step, tensor) = match Tensor::read(store, &format!("{name}.net_input_unpadded")) {
        Ok(tensor) => (1, tensor),
        Err(_) => (2, Tensor::read(store, &format!("{name}.net_input_unpadded_every2nd_xy"))?),
    };
    let (kept, [px, py, _]) = (prepared.placement.kept, prepared.placement.padded_size);
    let [nx, ny, nz] = kept.size();
    check.equal("the size of the input", [nx.div_ceil(step), ny.div_ceil(step), nz], tensor.size);
    if [nx.div_ceil(step), ny.div_ceil(step), nz] != tensor.size {
        return Ok(());
    }
    let mut worst = 0.0f64;
    for ([x, y, z], wanted) in tensor.voxels() {
        let at = x * step + kept.start[0] + px * (y * step + kept.start[1] + py * (z + kept.start[2]));
        worst = worst.max(f64::from((prepared.net_input[at] - wanted[0]).abs()));
    }
    check.within("the input", worst, PREPARED);
    let is_outside = |at: usize| {
        let p = [at % px, at / px % py, at / (px * py)];
        (0..3).any(|axis| p[axis] < kept.start[axis] || p[axis] >= kept.end[axis])
    };
    let filled = prepared.net_input.iter().enumerate().filter(|(at, value)| **value != 0.0 && is_outside(*at)).count();
    check.equal("the number of values in the padding that are not zero", filled, 0);
    Ok(())
}

/// A scan that the published program has an error for.
fn refused(
    scan: &Volume,
    options: &PreprocessOptions,
    prepared: Result<Prepared, BoxError>,
    wanted: &str,
) -> Result<Outcome, BoxError> {
    let mut check = Check::new();
    let is_broken = wanted.contains(BROKEN);
    match prepared {
        Err(error) if options.compat || !is_broken => {
            check.note(format!("refused: {}", volkit_core::error_line(error.as_ref())));
            Ok(check.into())
        }
        Err(error) => Err(error),
        Ok(_) if options.compat || !is_broken => Err(format!("is accepted, but must be refused: {wanted}").into()),
        Ok(prepared) => {
            // The first volume as it is, by itself.
            let size = scan.meta().spatial_size();
            let mut extent = vec![1; scan.shape().len()];
            extent[..3].copy_from_slice(&size);
            let values: Vec<f64> = read_vec(scan, &Region::new(vec![0; extent.len()], extent)?)?;
            let first = preprocess(&Volume::new(size, values, *scan.affine())?, options)?;
            check.equal(
                "what comes of the first volume alone is the same",
                first.net_input == prepared.net_input,
                true,
            );
            check.equal("the number of warnings", prepared.warnings.len(), 1);
            let how = prepared.warnings.first().map_or("", String::as_str);
            Ok(Outcome::Differs(check, documented(SCANS_SECTION, &format!("accepted: {how}"))))
        }
    }
}
