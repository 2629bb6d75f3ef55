//! Label maps of a folder.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use rayon::prelude::*;
use volkit_seg::training::LabelMap;

use super::config::DataConfig;

/// Maps of this kind show the cerebrum alone.
const CEREBRUM_MARK: &str = "seg_cerebral";
const SUFFIXES: [&str; 3] = [".nii.gz", ".nii", ".mgz"];

/// Label maps by what they are for.
pub(crate) struct Maps;

impl Maps {
    /// Reads the maps to train on: those of the folder that are not held out.
    pub(crate) fn read_training(config: &DataConfig) -> Result<Vec<LabelMap>> {
        let mut files = files(&config.maps)?;
        files.retain(|(name, _)| !config.held_out.contains(name));
        ensure!(!files.is_empty(), "{}: no label map to train on", config.maps.display());
        files.par_iter().map(|(_, path)| read(path)).collect()
    }

    /// Reads the maps that are never trained on, with their names.
    pub(crate) fn read_held_out(config: &DataConfig) -> Result<Vec<(String, LabelMap)>> {
        let files = files(&config.maps)?;
        let find = |name: &String| {
            let found = files.iter().find(|(other, _)| other == name);
            found.with_context(|| format!("{}: no map '{name}' to hold out", config.maps.display()))
        };
        config.held_out.par_iter().map(|name| Ok((name.clone(), read(&find(name)?.1)?))).collect()
    }
}

fn files(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let context = || format!("{}: can not list", folder.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(context)? {
        let path = entry.with_context(context)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(stem) = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix)) {
            found.push((stem.to_owned(), path));
        }
    }
    found.sort();
    Ok(found)
}

fn read(path: &Path) -> Result<LabelMap> {
    let labels = volkit_io::read(path)?.into_parts().0;
    let is_cerebrum = path.to_string_lossy().contains(CEREBRUM_MARK);
    LabelMap::new(&labels, is_cerebrum).with_context(|| path.display().to_string())
}
