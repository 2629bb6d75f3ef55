//! The suite `splat`: scenes with their pictures and gradients, losses, and steps of training.
//!
//! There is no index: every `.safetensors` file of the folder is a case, and its kind follows from its tensors.

mod gradients;
mod loss;
mod scene;
mod strategy;
mod tensors;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use volkit_core::BoxError;
use volkit_splat::Threads;

use self::scene::Scene;
use self::tensors::Tensors;
use crate::ConformanceError;
use crate::machine::Machine;
use crate::suite::{Cases, Outcome, SuiteOptions};

pub(crate) fn run(
    folder: &Path,
    (options, machine): (&SuiteOptions, &Machine),
    cases: &mut Cases<'_>,
) -> Result<(), ConformanceError> {
    let files = files(folder)?;
    if files.is_empty() {
        return Err(ConformanceError::NoIndex { folder: folder.to_owned(), wanted: "*.safetensors" });
    }
    let threads = Arc::new(Threads::new(options.threads));
    for path in files {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let tensors = match Tensors::open(&path) {
            Ok(tensors) => tensors,
            Err(error) => {
                cases.case(name, || Err(error));
                continue;
            }
        };
        if tensors.has("render") {
            run_scene((&name, &tensors), machine, &threads, cases);
        } else if tensors.has("pred") && tensors.has("target") {
            cases.case(name, || loss::check(&tensors, &threads).map(Outcome::from));
        } else if tensors.has("adam_param") {
            cases.case(format!("{name}/adam"), || strategy::check_adam(&tensors).map(Outcome::from));
            cases.case(format!("{name}/split"), || strategy::check_split(&tensors).map(Outcome::from));
            cases.case(format!("{name}/relocation"), || {
                Ok(Outcome::Skipped("there is no training by relocation (MCMC)".to_owned()))
            });
        } else {
            let wanted = "has none of the tensors 'render', 'pred' and 'adam_param'";
            cases.case(name, || Err(wanted.into()));
        }
    }
    Ok(())
}

fn run_scene((name, tensors): (&str, &Tensors), machine: &Machine, threads: &Arc<Threads>, cases: &mut Cases<'_>) {
    let scene = match Scene::read(tensors) {
        Ok(scene) => scene,
        Err(error) => return cases.case(name.to_owned(), || Err(error)),
    };
    let rendered = match scene.render(tensors, machine, threads) {
        Ok(rendered) => rendered,
        Err(error) => return cases.case(name.to_owned(), || Err(error)),
    };
    cases.case(format!("{name}/projection"), || scene.check_projection(tensors, &rendered).map(Outcome::from));
    cases.case(format!("{name}/picture"), || scene.check_picture(tensors, &rendered).map(Outcome::from));
    cases.case(format!("{name}/gradients"), || gradients::check(&scene, tensors, &rendered).map(Outcome::from));
}

/// The files of the folder, sorted.
fn files(folder: &Path) -> Result<Vec<PathBuf>, ConformanceError> {
    let unreadable = |source| ConformanceError::Read { path: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|suffix| suffix == "safetensors") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Adds the name of a tensor to an error.
fn in_tensor(name: &str, error: impl std::fmt::Display) -> BoxError {
    format!("tensor '{name}': {error}").into()
}
