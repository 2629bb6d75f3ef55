//! Where weight files are, and what they hold.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use volkit_core::ArrayStore;
use volkit_io::{SafetensorsStore, open_weights, sha256, sha256_file};
use volkit_seg::{ModelKind, default_weights};

use crate::args::ModelArgs;

const MODELS_VARIABLE: &str = "VOLKIT_MODELS";
const FREESURFER_VARIABLE: &str = "FREESURFER_HOME";
/// Where people get the published weights.
const ORIGIN: &str = "SynthSeg's weights come with FreeSurfer (the folder 'models' of its installation) and with the \
                      SynthSeg repository of its authors (github.com/BBillot/SynthSeg, folder 'models' and its README)";
/// Suffixes of weight files, the faster to load first.
const SUFFIXES: [&str; 2] = ["safetensors", "h5"];

/// How messages call the network that is part of this program.
const BUILT_IN: &str = "built-in network";

/// A file of weights, opened.
pub(crate) struct ModelFile {
    pub(crate) path: PathBuf,
    pub(crate) sha256: String,
    pub(crate) kind: ModelKind,
    pub(crate) store: Box<dyn ArrayStore>,
}

impl ModelFile {
    /// Opens a file; its content decides how it is read.
    pub(crate) fn open(path: PathBuf) -> Result<Self> {
        let store = open_weights(&path)?;
        let kind = ModelKind::recognise(store.as_ref()).with_context(|| path.display().to_string())?;
        let sha256 = sha256_file(&path)?;
        Ok(Self { path, sha256, kind, store })
    }

    /// The network that is part of this program, where this build has one.
    pub(crate) fn built_in() -> Option<Result<Self>> {
        let bytes = default_weights()?;
        let open = || {
            let store = SafetensorsStore::embedded(BUILT_IN, bytes)?;
            let kind = ModelKind::recognise(&store).context(BUILT_IN)?;
            Ok(Self { path: BUILT_IN.into(), sha256: sha256(bytes), kind, store: Box::new(store) })
        };
        Some(open())
    }
}

/// A folder that is looked in, and how the message about a missing model calls it.
struct Place {
    folder: Option<PathBuf>,
    name: String,
}

/// Folders of models, in the order in which they are looked in.
pub(crate) struct Places(Vec<Place>);

impl Places {
    /// Those of a command line: `--models`, the folders of explicit weights, the environment, the user's data folder.
    pub(crate) fn new(args: &ModelArgs) -> Self {
        let mut places = Vec::new();
        if let Some(folder) = &args.models {
            places.push(Place { folder: Some(folder.clone()), name: format!("--models '{}'", folder.display()) });
        }
        for folder in args.model.iter().filter(|path| path.is_file()).filter_map(|path| path.parent()) {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            places
                .push(Place { folder: Some(folder.to_owned()), name: format!("'{}' (of --model)", folder.display()) });
        }
        let mut of_variable = |variable: &str, below: &str| {
            let folder = env::var_os(variable).filter(|value| !value.is_empty());
            let folder =
                folder.map(|value| if below.is_empty() { value.into() } else { Path::new(&value).join(below) });
            let name = match &folder {
                Some(folder) => format!("'{}' ({variable})", folder.display()),
                None => format!("{variable} (not set)"),
            };
            places.push(Place { folder, name });
        };
        of_variable(MODELS_VARIABLE, "");
        of_variable(FREESURFER_VARIABLE, "models");
        if let Some(folder) = user_folder() {
            places.push(Place { name: format!("'{}'", folder.display()), folder: Some(folder) });
        }
        Self(places)
    }

    /// Whether there are weights of a published network.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.named(name).is_some()
    }

    /// The weights of a published network.
    pub(crate) fn find(&self, name: &str) -> Result<PathBuf> {
        self.named(name).with_context(|| {
            format!("{}. Name a file with --model, or a folder with --models. {ORIGIN}", self.not_found(name))
        })
    }

    /// What `--model` names: a path that exists, else a file or a name without suffix in the folders of models.
    pub(crate) fn resolve(&self, asked: &Path) -> Result<PathBuf> {
        if asked.is_file() {
            return Ok(asked.to_owned());
        }
        ensure!(!asked.is_dir(), "{}: --model is a folder, expected a weight file", asked.display());
        let plain = asked.components().count() == 1;
        let in_folder = |place: &Place| place.folder.as_ref().map(|folder| folder.join(asked));
        if let Some(path) = self.0.iter().filter_map(in_folder).find(|path| path.is_file()) {
            return Ok(path);
        }
        if let Some(path) = asked.to_str().filter(|_| plain).and_then(|name| self.named(name)) {
            return Ok(path);
        }
        bail!("{}: no such file; {}", asked.display(), self.not_found(&asked.display().to_string()))
    }

    fn named(&self, name: &str) -> Option<PathBuf> {
        let folders = self.0.iter().filter_map(|place| place.folder.as_ref());
        let files = folders.flat_map(|folder| SUFFIXES.map(|suffix| folder.join(format!("{name}.{suffix}"))));
        files.into_iter().find(|file| file.is_file())
    }

    fn not_found(&self, name: &str) -> String {
        let names: Vec<&str> = self.0.iter().map(|place| place.name.as_str()).collect();
        format!(
            "no model '{name}' ({}) in {}",
            SUFFIXES.map(|suffix| format!(".{suffix}")).join(", "),
            names.join(", ")
        )
    }
}

/// Folder of models in the user's data folder.
fn user_folder() -> Option<PathBuf> {
    let of = |variable: &str| env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let data = if cfg!(windows) {
        of("APPDATA")?
    } else if cfg!(target_os = "macos") {
        of("HOME")?.join("Library/Application Support")
    } else {
        of("XDG_DATA_HOME").or_else(|| Some(of("HOME")?.join(".local/share")))?
    };
    Some(data.join("volkit/models"))
}
