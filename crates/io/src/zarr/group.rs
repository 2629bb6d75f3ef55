//! Groups: their attributes, and what lies in them.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::metadata::{Fields, ZarrVersion, inner_path, not_a_store, read_object, version_of, write_object};
use super::v2;
use crate::{IoError, Limits};

/// Groups in groups beyond this are not entered.
const MOST_DEPTH: usize = 32;

/// An array or a group of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZarrEntry {
    /// Path from the root of the store, without a leading `/`.
    pub path: String,
    /// Whether it is an array.
    pub is_array: bool,
}

/// What lies in a store, sorted by path, and what is odd about it. The root itself is not listed.
///
/// Consolidated metadata serve as the list where the root has them, and each entry is compared with the metadata that
/// really stand there.
///
/// # Errors
/// When the folder is no store, or can not be read.
pub fn list_zarr(folder: impl AsRef<Path>, limits: &Limits) -> Result<(Vec<ZarrEntry>, Vec<String>), IoError> {
    let folder = folder.as_ref();
    let (mut entries, mut warnings) = (Vec::new(), Vec::new());
    match consolidated(folder, limits)? {
        Some(listed) => {
            for (path, said) in listed {
                let Some(inner) = inner_path(folder, &path).filter(|_| !path.is_empty()) else {
                    warnings.push(format!("consolidated metadata name '{path}', which lies outside the store"));
                    continue;
                };
                match real_metadata(&inner, limits) {
                    Ok((real, is_array)) => {
                        if without_consolidated(&real) != without_consolidated(&said) {
                            warnings.push(format!("'{path}': the consolidated metadata are not those of the store"));
                        }
                        entries.push(ZarrEntry { path, is_array });
                    }
                    Err(error) => warnings.push(format!("'{path}' of the consolidated metadata: {error}")),
                }
            }
        }
        None => walk(folder, "", 0, &mut entries)?,
    }
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok((entries, warnings))
}

fn without_consolidated(metadata: &Map<String, Value>) -> Map<String, Value> {
    metadata.iter().filter(|(key, _)| *key != "consolidated_metadata").map(|(k, v)| (k.clone(), v.clone())).collect()
}

/// A path in a store and the metadata listed for it.
type ListedNode = (String, Map<String, Value>);

/// Paths and metadata that the root of a store lists.
fn consolidated(folder: &Path, limits: &Limits) -> Result<Option<Vec<ListedNode>>, IoError> {
    match version_of(folder) {
        None => Err(not_a_store(folder)),
        Some((ZarrVersion::V3, _)) => {
            let root = read_object(&folder.join("zarr.json"), limits)?;
            let listed = root.get("consolidated_metadata").and_then(|all| all.get("metadata"));
            let Some(listed) = listed.and_then(Value::as_object) else { return Ok(None) };
            let entry = |(path, value): (&String, &Value)| Some((path.clone(), value.as_object()?.clone()));
            Ok(Some(listed.iter().filter_map(entry).collect()))
        }
        Some((ZarrVersion::V2, _)) => {
            let path = folder.join(".zmetadata");
            if !path.exists() {
                return Ok(None);
            }
            let all = read_object(&path, limits)?;
            let listed = Fields { path: &path, object: &all, prefix: "" }.child("metadata")?;
            let entry = |(key, value): (&String, &Value)| {
                let name = key.strip_suffix("/.zarray").or_else(|| key.strip_suffix("/.zgroup"))?;
                Some((name.to_owned(), value.as_object()?.clone()))
            };
            Ok(Some(listed.iter().filter_map(entry).collect()))
        }
    }
}

/// The metadata of the node in a folder, and whether it is an array.
fn real_metadata(folder: &Path, limits: &Limits) -> Result<(Map<String, Value>, bool), IoError> {
    match version_of(folder) {
        Some((ZarrVersion::V3, _)) => {
            let metadata = read_object(&folder.join("zarr.json"), limits)?;
            let is_array = metadata.get("node_type").and_then(Value::as_str) == Some("array");
            Ok((metadata, is_array))
        }
        Some((ZarrVersion::V2, true)) => Ok((read_object(&folder.join(".zarray"), limits)?, true)),
        Some((ZarrVersion::V2, false)) => Ok((read_object(&folder.join(".zgroup"), limits)?, false)),
        None => Err(not_a_store(folder)),
    }
}

fn walk(folder: &Path, prefix: &str, depth: usize, entries: &mut Vec<ZarrEntry>) -> Result<(), IoError> {
    if is_array(folder) || depth > MOST_DEPTH {
        return Ok(());
    }
    let listed = fs::read_dir(folder).map_err(|error| IoError::io(folder, "list", error))?;
    for entry in listed {
        let entry = entry.map_err(|error| IoError::io(folder, "list", error))?;
        let (inner, Some(name)) = (entry.path(), entry.file_name().to_str().map(str::to_owned)) else { continue };
        // A link may lead out of the store or around in it.
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if !is_folder || version_of(&inner).is_none() {
            continue;
        }
        let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
        entries.push(ZarrEntry { path: path.clone(), is_array: is_array(&inner) });
        walk(&inner, &path, depth + 1, entries)?;
    }
    Ok(())
}

/// Whether a folder says that it is an array.
pub(crate) fn is_array(folder: &Path) -> bool {
    real_metadata(folder, &Limits::default()).is_ok_and(|(_, is_array)| is_array)
}

/// The attributes of the group or array in a folder.
pub(crate) fn root_attributes(folder: &Path, limits: &Limits) -> Result<Map<String, Value>, IoError> {
    match version_of(folder) {
        Some((ZarrVersion::V3, _)) => {
            let path = folder.join("zarr.json");
            let object = read_object(&path, limits)?;
            let fields = Fields { path: &path, object: &object, prefix: "" };
            if object.contains_key("attributes") { Ok(fields.child("attributes")?.clone()) } else { Ok(Map::new()) }
        }
        Some(_) => v2::read_attributes(folder, limits),
        None => Err(not_a_store(folder)),
    }
}

/// Writes the metadata of a group into a folder that is there.
pub(crate) fn write_group(folder: &Path, version: ZarrVersion, attributes: &Map<String, Value>) -> Result<(), IoError> {
    let object = |value: Value| value.as_object().cloned().unwrap_or_default();
    match version {
        ZarrVersion::V3 => {
            let group = json!({"zarr_format": 3, "node_type": "group", "attributes": attributes});
            write_object(&folder.join("zarr.json"), &object(group))
        }
        ZarrVersion::V2 => {
            if !attributes.is_empty() {
                write_object(&folder.join(".zattrs"), attributes)?;
            }
            write_object(&folder.join(".zgroup"), &object(json!({"zarr_format": 2})))
        }
    }
}
