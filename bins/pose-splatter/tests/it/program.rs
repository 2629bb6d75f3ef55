//! The program in a folder of its own.

use std::fs;

use serde_json::Value;
use volkit_bench::{ProgramFolder, ProgramRun};

pub(crate) fn folder() -> ProgramFolder {
    ProgramFolder::new(env!("CARGO_BIN_EXE_pose-splatter")).unwrap()
}

pub(crate) fn run(folder: &ProgramFolder, arguments: &str) -> ProgramRun {
    ProgramRun::of(&mut folder.command(arguments)).unwrap()
}

pub(crate) fn json(folder: &ProgramFolder, name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(folder.path(name)).unwrap()).unwrap()
}

/// Changes keys of a configuration; null takes a key away.
pub(crate) fn configure(folder: &ProgramFolder, name: &str, changes: &[(&str, Value)]) {
    let mut config = json(folder, name);
    for (key, value) in changes {
        config[*key] = value.clone();
        if value.is_null() {
            config.as_object_mut().unwrap().remove(*key);
        }
    }
    fs::write(folder.path(name), config.to_string()).unwrap();
}
