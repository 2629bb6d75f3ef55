//! `cargo xtask train-default`: the training of the network of this project, or a check that it can be had again.

use std::process::Command;

use crate::failure::{Failure, Outcome};
use crate::process;
use crate::repo::Repo;

pub(crate) const HELP: &str = "\
cargo xtask train-default [--check]

Trains the network of this project with the settings in crates/seg/weights/default.toml, going on from the checkpoint in
out/default-network where there is one. Needs the label maps that the settings name, and two hours of a processor core.

  --check   train anew for 200 steps in out/train-default and compare each loss with the log beside the settings";

const CONFIG: &str = "crates/seg/weights/default.toml";
const LOG: &str = "crates/seg/weights/default-log.jsonl";
const CHECK_FOLDER: &str = "out/train-default";

pub(crate) fn run(repo: &Repo, args: &[String]) -> Outcome {
    let line = match args {
        [] => vec!["synthseg", CONFIG, "--resume"],
        [flag] if flag == "--check" => vec!["synthseg", "check", CONFIG, LOG, CHECK_FOLDER],
        _ => return Err(Failure::Usage(format!("train-default: unknown option `{}`", args.join(" ")))),
    };
    process::run(&mut repo.cargo(&["build", "--release", "-p", "unet-train"]))?;
    let program = repo.target_dir()?.join("release/unet-train");
    process::run(Command::new(program).args(line).current_dir(&repo.root))
}
