//! What of an HDF5 file becomes what in a store.

use std::path::Path;

use serde_json::{Map, Value};
use volkit_core::DType;

use super::attributes::to_json;
use super::options::ConvertOptions;
use crate::zarr::{ElementType, fill_json};
use crate::{Hdf5DataSet, Hdf5File, Hdf5Kind, IoError, ZarrSpec, walk_hdf5};

/// Files of metadata, whose names no array can have.
const RESERVED: [&str; 5] = [".zarray", ".zgroup", ".zattrs", ".zmetadata", "zarr.json"];
/// Bytes of a box beyond which the chunks of the source are decoded more than once.
const BOX_BYTES: usize = 32 << 20;

/// A data set to convert.
pub(super) struct ArrayPlan {
    pub(super) path: String,
    pub(super) data_set: Box<dyn Hdf5DataSet>,
    pub(super) dtype: DType,
    pub(super) spec: ZarrSpec,
    /// Shape of what is read at a time: whole chunks of the store that hold whole chunks of the source.
    pub(super) box_shape: Vec<usize>,
}

/// A conversion.
pub(super) struct Plan {
    pub(super) root: Map<String, Value>,
    pub(super) groups: Vec<(String, Map<String, Value>)>,
    pub(super) arrays: Vec<ArrayPlan>,
    pub(super) warnings: Vec<String>,
}

impl Plan {
    pub(super) fn new(file: &dyn Hdf5File, path: &Path, options: &ConvertOptions) -> Result<Self, IoError> {
        let (nodes, warnings) = walk_hdf5(file)?;
        let mut plan = Self { root: Map::new(), groups: Vec::new(), arrays: Vec::new(), warnings };
        let (mut lost, mut odd) = (Vec::new(), Vec::new());
        let mut attributes = |object: &str| -> Map<String, Value> {
            let Ok(attributes) = file.attributes(object) else {
                lost.push(format!("all of '{object}' (can not be read)"));
                return Map::new();
            };
            let (kept, names) = to_json(&attributes);
            lost.extend(names.into_iter().map(|name| format!("{object}@{name}")));
            kept
        };
        plan.root = attributes("");
        for node in nodes {
            check_name(path, &node.path)?;
            if node.kind == Hdf5Kind::Group {
                let attributes = attributes(&node.path);
                plan.groups.push((node.path, attributes));
                continue;
            }
            let data_set = match file.data_set(&node.path) {
                Ok(data_set) => data_set,
                Err(error) => {
                    plan.warnings.push(format!("'{}' can not be read and is left out: {error}", node.path));
                    continue;
                }
            };
            let Some(dtype) = data_set.info().dtype else {
                odd.push(format!("{} ({})", node.path, data_set.info().type_name));
                continue;
            };
            let attributes = attributes(&node.path);
            plan.arrays.push(array(node.path, data_set, (dtype, attributes), options));
        }
        if !odd.is_empty() {
            plan.warnings.push(format!("data sets that hold no numbers are left out: {}", odd.join(", ")));
        }
        if !lost.is_empty() {
            plan.warnings.push(format!("attributes of other types are left out: {}", lost.join(", ")));
        }
        Ok(plan)
    }

    pub(super) fn n_bytes(&self) -> u64 {
        self.arrays.iter().map(|array| array.n_bytes() as u64).sum()
    }
}

impl ArrayPlan {
    fn n_bytes(&self) -> usize {
        self.spec.shape.iter().product::<usize>() * self.dtype.size()
    }
}

fn array(
    path: String,
    data_set: Box<dyn Hdf5DataSet>,
    (dtype, attributes): (DType, Map<String, Value>),
    options: &ConvertOptions,
) -> ArrayPlan {
    let info = data_set.info();
    let chunk = options.chunks.chunk(&info.shape, dtype, info.chunk.as_deref());
    let element = ElementType { dtype, is_bool: info.is_bool };
    let zero = vec![0; dtype.size()];
    let mut spec = ZarrSpec::new(info.shape.clone(), dtype)
        .with_fill(fill_json(info.fill.as_ref().unwrap_or(&zero), element))
        .with_chunk(chunk.clone())
        .with_codec(options.codec)
        .with_version(options.version)
        .with_attributes(attributes);
    spec.is_bool = info.is_bool;
    let box_shape = box_shape(&info.shape, &chunk, info.chunk.as_deref(), dtype.size());
    ArrayPlan { path, data_set, dtype, spec, box_shape }
}

/// Whole chunks of the store, as many along each axis as a chunk of the source reaches over.
fn box_shape(shape: &[usize], chunk: &[usize], source: Option<&[usize]>, element: usize) -> Vec<usize> {
    let Some(source) = source else { return chunk.to_vec() };
    let mut out = chunk.to_vec();
    for axis in (0..shape.len()).rev() {
        let wanted = source[axis].min(shape[axis]).div_ceil(chunk[axis]).max(1) * chunk[axis];
        let others: usize = (0..shape.len()).filter(|other| *other != axis).map(|other| out[other]).product();
        let most = (BOX_BYTES / (others * element).max(1) / chunk[axis]).max(1) * chunk[axis];
        out[axis] = wanted.min(most);
    }
    out
}

/// Names that a store can not have, or that would leave it.
fn check_name(path: &Path, name: &str) -> Result<(), IoError> {
    for part in name.split('/') {
        let why = if matches!(part, "" | "." | "..") {
            "is no name of an array or group"
        } else if part.contains(['\\', '\0']) {
            "holds a character that no name in a store may hold"
        } else if RESERVED.contains(&part) {
            "is the name of a metadata file of a store"
        } else if part.starts_with("__") {
            "begins with two underscores, which Zarr version 3 reserves: rename it in the source"
        } else {
            continue;
        };
        return Err(IoError::bad_header(path, "name", format!("'{name}'"), why));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{box_shape, check_name};
    use std::path::Path;

    #[test]
    fn names_that_would_leave_the_store() {
        for bad in ["..", "a/../b", ".", "a\\b", "x/zarr.json", ".zarray", "__init", "a/__b", "a\0"] {
            let error = check_name(Path::new("a.h5"), bad).unwrap_err().to_string();
            assert!(error.starts_with(&format!("a.h5: name = '{bad}'")), "{error}");
        }
        assert!(check_name(Path::new("a.h5"), "day 1/_t1/zarr").is_ok());
    }

    #[test]
    fn boxes_hold_chunks_of_both() {
        assert_eq!(box_shape(&[100, 40, 40], &[1, 40, 40], Some(&[13, 10, 10]), 1), [13, 40, 40]);
        assert_eq!(box_shape(&[100, 40], &[8, 8], None, 1), [8, 8]);
        // A box of 64 MiB would be too large: as many images as fit.
        assert_eq!(box_shape(&[64, 1024, 1024], &[1, 1024, 1024], Some(&[64, 64, 64]), 1), [32, 1024, 1024]);
    }
}
