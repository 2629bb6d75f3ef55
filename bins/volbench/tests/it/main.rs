//! The command line of volbench.
#![allow(clippy::unwrap_used)]

mod compare;
mod conformance;
mod doctor;
mod gate;
mod phantom;

use std::path::Path;
use std::process::Command;

/// What a run of the program gave.
struct Run {
    code: i32,
    out: String,
    err: String,
}

fn volbench(folder: &Path, args: &[&str]) -> Run {
    volbench_with(folder, args, &[])
}

/// Runs with environment variables; the variables of the program itself are unset where none is given.
fn volbench_with(folder: &Path, args: &[&str], variables: &[(&str, &Path)]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_volbench"));
    command.args(args).current_dir(folder).env_remove("VOLKIT_SHARED").env_remove("VOLKIT_ISA");
    let output = command.envs(variables.iter().copied()).output().unwrap();
    Run {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}
