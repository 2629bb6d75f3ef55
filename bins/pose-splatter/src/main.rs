//! `pose-splatter`: from multi-view videos of an animal to a trained model and animated 3-D Gaussians.
#![forbid(unsafe_code)]

mod args;
mod background;
mod compare;
mod evaluate;
mod ffmpeg;
mod output;
mod page;
mod picture;
mod prepare;
mod presets;
mod project;
mod render;
mod run;
mod stamp;
mod studio;
mod synth;
mod synth_files;
mod track;
mod train;
mod truth;
mod videos;

use std::process::ExitCode;

use clap::Parser as _;
use serde::Serialize;
use volkit_bench::Display;
use volkit_core::{BoxError, error_line};

use crate::args::{Args, Command, Step};
use crate::project::Project;

/// Keeps the memory of tensors between steps; the system's allocator gives it back, and pages are cleared anew.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    match work(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pose-splatter: {}", error_line(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn work(args: &Args) -> Result<(), BoxError> {
    let display = Display::new(args.quiet)?.counting("items");
    let steps = |from: Step, to: Step| (Some(from), Some(to));
    let (config, (from, to)) = match &args.command {
        Command::Synth(synth) => {
            let outcome = synth::run(synth, args.threads, &display);
            display.finish();
            let config = outcome?;
            if !args.quiet {
                println!("{}", config.display());
            }
            return Ok(());
        }
        Command::Run { config, from, to } => (config, (*from, *to)),
        Command::Prepare { config } => (config, steps(Step::World, Step::Crop)),
        Command::Train { config } => (config, steps(Step::Train, Step::Train)),
        Command::Evaluate { config } => (config, steps(Step::Evaluate, Step::Evaluate)),
        Command::Render(args_of) if args_of.is_step() => (&args_of.config, steps(Step::Render, Step::Render)),
        Command::Render(render) => {
            let outcome = Project::open(&render.config, args.threads)
                .and_then(|project| render::render(&project, render, &display));
            display.finish();
            let (path, n) = outcome?;
            let report = serde_json::json!({ "path": path, "pictures": n });
            return tell(args, &report, &format!("{}: {n} pictures", path.display()));
        }
        Command::Compare { runs, out } => {
            let comparison = compare::compare(runs, out.as_deref())?;
            return tell(args, &comparison, &comparison.lines());
        }
        Command::Preset(preset) => {
            println!("{}", serde_json::to_string_pretty(&presets::config(preset)?)?);
            return Ok(());
        }
        Command::Export { config } => (config, steps(Step::Export, Step::Export)),
    };
    let outcome = run::run(config, [from, to], args.threads, &display);
    display.finish();
    let report = outcome?;
    tell(args, &report, &report.lines())
}

/// Prints a report as the command line asks.
fn tell(args: &Args, report: &impl Serialize, lines: &str) -> Result<(), BoxError> {
    if args.json {
        println!("{}", serde_json::to_string_pretty(report)?);
    } else if !args.quiet {
        println!("{lines}");
    }
    Ok(())
}
