//! The conversion itself.

use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde_json::Map;
use volkit_core::{Progress, Voxels};

use super::journal::{Journal, SourceState};
use super::options::{ConvertOptions, ConvertReport, ConvertedArray};
use super::plan::{ArrayPlan, Plan};
use super::verify::checksums;
use crate::boxes::Parts;
use crate::zarr::{remove, replace, root_attributes, with_suffix, write_group};
use crate::{IoError, ZarrArray, open_hdf5};

/// Attribute of the root group that tells what a store was made from.
const ATTRIBUTE: &str = "volkit_source";

/// Converts an HDF5 file to a Zarr store: groups to groups, data sets of numbers to arrays, with their attributes.
///
/// Memory is bounded by a few chunks a thread, whatever the size of the file. The store is written as `NAME.partial`
/// with a journal beside it and takes its name when it is complete; an interrupted conversion goes on where it was when
/// it is called again with the same source and options. A store that was made from the same source (size and time of
/// change) with the same options is left as it is. Progress counts bytes of values.
///
/// # Errors
/// [`IoError::Exists`] when the target is there, was made from something else and [`ConvertOptions::overwrite`] is
/// off; then nothing is touched. [`IoError::BadHeader`] for names that no store can have, before anything is written;
/// [`IoError::Checksum`] when a chunk does not compare equal.
pub fn convert_hdf5(
    source: impl AsRef<Path>,
    target: impl AsRef<Path>,
    options: &ConvertOptions,
    progress: &dyn Progress,
) -> Result<ConvertReport, IoError> {
    let (source, target) = (source.as_ref(), target.as_ref());
    let state = SourceState::of(source, options.text())?;
    let (partial, journal_path) = (with_suffix(target, ".partial"), with_suffix(target, ".partial.journal"));
    if target.exists() && !options.overwrite {
        let made_from = root_attributes(target, &options.limits).ok().and_then(|all| all.get(ATTRIBUTE).cloned());
        if made_from != Some(state.to_json()) {
            return Err(IoError::Exists { path: target.to_owned() });
        }
        remove(&journal_path)?;
        let mut report = ConvertReport { up_to_date: true, resumed: false, arrays: Vec::new(), warnings: Vec::new() };
        if options.verify {
            let file = open_hdf5(source, options.backend, &options.limits)?;
            report.arrays = verify(&Plan::new(&*file, source, options)?, target, options, progress)?;
        }
        return Ok(report);
    }
    let file = open_hdf5(source, options.backend, &options.limits)?;
    let plan = Plan::new(&*file, source, options)?;
    let resumed = if partial.is_dir() { Journal::resume(&journal_path, &state)? } else { None };
    let (journal, resumed) = match resumed {
        Some(journal) => {
            remove_temporaries(&partial, &|path| {
                plan.arrays.iter().any(|array| inside(&partial, &array.path) == *path)
            })?;
            (journal, true)
        }
        None => {
            remove(&partial)?;
            fs::create_dir_all(&partial).map_err(|error| IoError::io(&partial, "create", error))?;
            (Journal::create(&journal_path, &state)?, false)
        }
    };
    let mut arrays = fill(&plan, (&partial, &journal), options, progress)?;
    if options.verify {
        let verified = verify(&plan, &partial, options, progress)?;
        arrays.iter_mut().zip(verified).for_each(|(array, verified)| array.checksum = verified.checksum);
    }
    let mut root = plan.root.clone();
    root.insert(ATTRIBUTE.to_owned(), state.to_json());
    write_group(&partial, options.version, &root)?;
    replace(&partial, target, options.overwrite)?;
    remove(&journal_path)?;
    Ok(ConvertReport { up_to_date: false, resumed, arrays, warnings: plan.warnings })
}

/// Makes groups and arrays and converts what the journal does not list.
fn fill(
    plan: &Plan,
    (folder, journal): (&Path, &Journal),
    options: &ConvertOptions,
    progress: &dyn Progress,
) -> Result<Vec<ConvertedArray>, IoError> {
    write_group(folder, options.version, &Map::new())?;
    for (path, attributes) in &plan.groups {
        let folder = inside(folder, path);
        fs::create_dir_all(&folder).map_err(|error| IoError::io(&folder, "create", error))?;
        write_group(&folder, options.version, attributes)?;
    }
    progress.begin("convert", plan.n_bytes());
    let mut report = Vec::new();
    for array_plan in &plan.arrays {
        let array = ZarrArray::create_or_open(inside(folder, &array_plan.path), &array_plan.spec)?;
        let mut converted = 0;
        for_each_batch(array_plan, |batch| {
            let done = batch.into_par_iter().map(|(number, start, size)| {
                let bytes = size.iter().product::<usize>() * array_plan.dtype.size();
                let new = !journal.is_done(&array_plan.path, number);
                if new {
                    copy(array_plan, &array, (&start, &size))?;
                    journal.finished(&array_plan.path, number)?;
                }
                progress.advance(bytes as u64);
                Ok(usize::from(new))
            });
            converted += done.sum::<Result<usize, IoError>>()?;
            progress.check().map_err(|stopped| IoError::io(folder, "convert", std::io::Error::other(stopped)))
        })?;
        report.push(described(array_plan, converted, None));
    }
    Ok(report)
}

fn described(plan: &ArrayPlan, converted: usize, checksum: Option<u32>) -> ConvertedArray {
    ConvertedArray {
        path: plan.path.clone(),
        shape: plan.spec.shape.clone(),
        dtype: plan.dtype,
        chunk: plan.spec.chunk.clone(),
        converted,
        boxes: n_boxes(plan),
        checksum,
    }
}

fn n_boxes(plan: &ArrayPlan) -> usize {
    plan.spec.shape.iter().zip(&plan.box_shape).map(|(n, size)| n.div_ceil(*size)).product()
}

/// Calls `f` with the boxes of an array, numbered, a few a thread at a time.
fn for_each_batch(
    plan: &ArrayPlan,
    mut f: impl FnMut(Vec<(usize, Vec<usize>, Vec<usize>)>) -> Result<(), IoError>,
) -> Result<(), IoError> {
    let shape = &plan.spec.shape;
    let origin = vec![0; shape.len()];
    let batch_len = 2 * rayon::current_num_threads();
    let mut parts = Parts::new(&origin, shape, &plan.box_shape).enumerate();
    loop {
        let batch: Vec<_> =
            parts.by_ref().take(batch_len).map(|(number, part)| (number, part.in_box, part.size)).collect();
        if batch.is_empty() {
            return Ok(());
        }
        f(batch)?;
    }
}

fn copy(plan: &ArrayPlan, array: &ZarrArray, (start, size): (&[usize], &[usize])) -> Result<(), IoError> {
    let len = size.iter().product();
    let mut values = Voxels::zeros(plan.dtype, len).map_err(|error| IoError::core(array.folder(), error))?;
    plan.data_set.read_box(start, size, values.view_mut())?;
    array.write_box(start, size, values.view())
}

fn verify(
    plan: &Plan,
    folder: &Path,
    options: &ConvertOptions,
    progress: &dyn Progress,
) -> Result<Vec<ConvertedArray>, IoError> {
    progress.begin("verify", plan.n_bytes());
    let mut report = Vec::new();
    for array_plan in &plan.arrays {
        let array = ZarrArray::open(inside(folder, &array_plan.path), &options.limits)?;
        let mut all = crc32fast::Hasher::new();
        for_each_batch(array_plan, |batch| {
            let sums = batch.into_par_iter().map(|(_, start, size)| {
                let (source, stored) = checksums(array_plan, &array, (&start, &size))?;
                if source != stored {
                    let at = format!("box {start:?}+{size:?}: CRC-32 {stored:#010x}, the source has {source:#010x}");
                    return Err(IoError::damaged(array.folder(), at));
                }
                progress.advance((size.iter().product::<usize>() * array_plan.dtype.size()) as u64);
                Ok(source)
            });
            let sums: Vec<u32> = sums.collect::<Result<_, IoError>>()?;
            sums.iter().for_each(|sum| all.update(&sum.to_le_bytes()));
            progress.check().map_err(|stopped| IoError::io(folder, "verify", std::io::Error::other(stopped)))
        })?;
        report.push(described(array_plan, 0, Some(all.finalize())));
    }
    Ok(report)
}

fn inside(folder: &Path, path: &str) -> PathBuf {
    path.split('/').fold(folder.to_owned(), |folder, part| folder.join(part))
}

/// Removes what a killed process was writing, but for arrays whose names only look like it.
fn remove_temporaries(folder: &Path, is_planned: &dyn Fn(&Path) -> bool) -> Result<(), IoError> {
    let entries = fs::read_dir(folder).map_err(|error| IoError::io(folder, "list", error))?;
    for entry in entries {
        let path = entry.map_err(|error| IoError::io(folder, "list", error))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_temporary = name.rsplit_once(".tmp-").is_some_and(|(_, rest)| {
            !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
        });
        if is_temporary && !is_planned(&path) {
            remove(&path)?;
        } else if path.is_dir() {
            remove_temporaries(&path, is_planned)?;
        }
    }
    Ok(())
}
