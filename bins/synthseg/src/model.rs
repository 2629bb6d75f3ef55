//! The network and the label table of a run.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use volkit_io::SafetensorsStore;
use volkit_seg::{LabelTable, Segmenter, open_model};

use crate::args::Args;

const MODELS_VARIABLE: &str = "VOLKIT_MODELS";

/// The weight file: a path that exists, or a name in the folder of models.
pub(crate) fn find(args: &Args) -> Result<PathBuf> {
    let asked = &args.model;
    if asked.is_file() {
        return Ok(asked.clone());
    }
    ensure!(!asked.is_dir(), "{}: --model is a folder, expected a weight file", asked.display());
    let is_name = asked.components().count() == 1 && asked.extension().is_none();
    let folder = args.models.clone().or_else(|| env::var_os(MODELS_VARIABLE).map(PathBuf::from));
    match folder {
        Some(folder) if is_name => {
            let file = folder.join(asked).with_extension("safetensors");
            ensure!(file.is_file(), "{}: no such model in '{}'", file.display(), folder.display());
            Ok(file)
        }
        Some(folder) if folder.join(asked).is_file() => Ok(folder.join(asked)),
        Some(folder) => bail!("{}: no such file, here or in '{}'", asked.display(), folder.display()),
        None => bail!("{}: no such file (names are looked up in --models or {MODELS_VARIABLE})", asked.display()),
    }
}

/// Reads the network.
pub(crate) fn open(path: &Path) -> Result<Box<dyn Segmenter>> {
    let store = SafetensorsStore::open(path)?;
    open_model(&store).with_context(|| path.display().to_string())
}

/// What the labels are called.
pub(crate) fn table(args: &Args, segmenter: &dyn Segmenter) -> Result<LabelTable> {
    let own = &segmenter.info().table;
    let Some(path) = &args.labels else { return Ok(own.clone()) };
    let text = fs::read_to_string(path).with_context(|| format!("{}: can not read", path.display()))?;
    let table = LabelTable::parse(&text).with_context(|| path.display().to_string())?;
    Ok(table.completed(own.len()))
}
