//! The arrays of `zarr/index.json`, read whole and by boxes, and the levels of its images.

use std::path::Path;

use serde_json::Value;
use volkit_core::{BoxError, VolumeSource as _, Voxels, VoxelsMut};
use volkit_io::{Limits, OmeImage, ReadOptions, ZarrArray, ZarrVersion};

use super::case_name;
use crate::check::Check;
use crate::digest::{dtype, sha256_le};
use crate::index::Entry;
use crate::suite::{Cases, Outcome};

/// Scales and translations are stored as they are.
const PLACE_TOLERANCE: f64 = 1e-12;

pub(super) fn cases(folder: &Path, entries: &[Value], cases: &mut Cases<'_>) {
    for (number, value) in entries.iter().enumerate() {
        let entry = Entry::new(value, folder);
        cases.case(case_name("zarr", number, &entry), || case(&entry));
    }
}

fn case(entry: &Entry<'_>) -> Result<Outcome, BoxError> {
    let path = entry.path("store")?;
    let array = ZarrArray::open(&path, &Limits::default())?;
    let mut check = Check::new();
    check.equal("shape", array.shape(), entry.counts("shape")?);
    let version = if array.version() == ZarrVersion::V2 { 2 } else { 3 };
    check.equal("zarr_format", version, entry.count("zarr_format")?);
    if entry.has("chunks") {
        let chunks = entry.counts("chunks")?;
        // Some programs call the inner chunk of a shard its chunk.
        if array.file_chunk() != chunks && array.chunk() != chunks {
            check.equal("chunks", array.file_chunk(), chunks);
        }
    }
    let name = entry.text("dtype")?;
    check.equal("booleans", array.is_bool(), name.ends_with("b1"));
    if !array.is_bool() {
        check.equal("element type", Some(array.dtype()), dtype(name.trim_start_matches(['|', '<', '>'])));
    }
    let mut values = Voxels::zeros(array.dtype(), array.shape().iter().product())?;
    array.read_box(&vec![0; array.shape().len()], array.shape(), values.view_mut())?;
    check.equal("SHA-256", sha256_le(values.view()), entry.text("c_order_le_sha256")?.to_owned());
    by_planes(&array, &mut values, &mut check)?;
    if entry.has("scale") {
        level(&path, entry, &mut check)?;
    }
    Ok(check.into())
}

/// Reads plane by plane along the first axis: that must give what one read gives.
fn by_planes(array: &ZarrArray, whole: &mut Voxels, check: &mut Check) -> Result<(), BoxError> {
    let Some((&n, plane)) = array.shape().split_first() else { return Ok(()) };
    let len: usize = plane.iter().product();
    let mut values = Voxels::zeros(array.dtype(), len)?;
    for index in 0..n {
        let (mut start, mut size) = (vec![0; array.shape().len()], array.shape().to_vec());
        (start[0], size[0]) = (index, 1);
        array.read_box(&start, &size, values.view_mut())?;
        let mut all: VoxelsMut<'_> = whole.view_mut();
        if values.view().bytes() != all.slice(index * len..(index + 1) * len).view().bytes() {
            check.fail(format!("plane {index} differs when it is read alone"));
        }
    }
    Ok(())
}

/// Scale and translation of the level that the array is of its image, and the place of the volume that follows.
fn level(path: &Path, entry: &Entry<'_>, check: &mut Check) -> Result<(), BoxError> {
    let group = path.parent().ok_or("the array lies in no group")?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let images = OmeImage::read(group, &Limits::default())?;
    let image = images.first().ok_or("the group has no multiscales")?;
    let number = image.levels.iter().position(|level| level.path == name).ok_or("no level has this path")?;
    let level = &image.levels[number];
    let (scale, translation) = (entry.numbers("scale")?, entry.numbers("translation")?);
    check.close("scale", &level.scale, &scale, 0.0, PLACE_TOLERANCE);
    check.close("translation", &level.translation, &translation, 0.0, PLACE_TOLERANCE);
    let source = image.open_level(number, &ReadOptions::default())?;
    let reversed = |numbers: &[f64]| -> Vec<f64> { numbers.iter().rev().take(3).copied().collect() };
    let affine = source.meta().affine();
    check.close("spacing of the affine", &affine.spacing(), &reversed(&scale), 0.0, PLACE_TOLERANCE);
    check.close("origin of the affine", &affine.translation(), &reversed(&translation), 0.0, PLACE_TOLERANCE);
    Ok(())
}
