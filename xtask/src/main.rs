//! Repository tasks of volkit: `cargo xtask --help`.

#![forbid(unsafe_code)]

mod arrows;
mod ci;
mod demo;
mod failure;
mod gates;
mod gpu;
mod interop;
mod manifest;
mod metal_check;
mod neon;
mod peers;
mod process;
mod repo;
mod rust_source;
mod sha256;
mod tidy;
mod train_default;

use std::process::ExitCode;

use failure::{Failure, Outcome};
use repo::Repo;

struct Task {
    name: &'static str,
    summary: &'static str,
    help: &'static str,
    run: fn(&Repo, &[String]) -> Outcome,
}

const TASKS: &[Task] = &[
    Task { name: "ci", summary: "everything that must hold before a change lands", help: ci::HELP, run: ci::run },
    Task { name: "tidy", summary: "the house rules, as checks", help: tidy::HELP, run: tidy::run },
    Task { name: "demo", summary: "a phantom head, segmented and drawn", help: demo::HELP, run: demo::run },
    Task { name: "arrows", summary: "the crate map of docs/ARCHITECTURE.md", help: arrows::HELP, run: arrows::run },
    Task { name: "neon", summary: "the kernels' tests for aarch64, under qemu", help: neon::HELP, run: neon::run },
    Task { name: "gpu", summary: "programs with CUDA, built without a GPU", help: gpu::HELP, run: gpu::run },
    Task {
        name: "metal-check",
        summary: "what has a feature metal, checked for macOS",
        help: metal_check::HELP,
        run: metal_check::run,
    },
    Task {
        name: "interop",
        summary: "files between ours and Python's programs",
        help: interop::HELP,
        run: interop::run,
    },
    Task {
        name: "train-default",
        summary: "the training of the network of this project",
        help: train_default::HELP,
        run: train_default::run,
    },
    Task {
        name: "gates",
        summary: "what a pipeline must reach, beside what it reaches",
        help: gates::HELP,
        run: gates::run,
    },
    Task { name: "peers", summary: "volkit against the programs people use now", help: peers::HELP, run: peers::run },
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(message)) => {
            eprintln!("xtask: {message}\n\n{}", overview());
            ExitCode::from(2)
        }
        Err(Failure::Failed(message)) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(args: &[String]) -> Outcome {
    let Some(name) = args.first() else {
        return Err(Failure::Usage("no task given".into()));
    };
    if name == "--help" || name == "-h" {
        println!("{}", overview());
        return Ok(());
    }
    let task =
        TASKS.iter().find(|t| t.name == name).ok_or_else(|| Failure::Usage(format!("no task is called `{name}`")))?;
    let rest = &args[1..];
    if rest.iter().any(|a| a == "--help" || a == "-h") {
        println!("{}", task.help);
        return Ok(());
    }
    (task.run)(&Repo::find()?, rest)
}

fn overview() -> String {
    let mut text = String::from("cargo xtask TASK [OPTIONS]\n\n");
    for task in TASKS {
        text.push_str(&format!("  {:<8} {}\n", task.name, task.summary));
    }
    text.push_str("\n`cargo xtask TASK --help` tells the options of one.");
    text
}
