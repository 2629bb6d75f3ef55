//! `unet-train synthseg`: training on label maps alone.

mod args;
mod check;
mod config;
mod evaluate;
mod export;
mod maps;
mod samples;
mod state;
mod train;

pub(crate) use args::SynthSegArgs;

use anyhow::{Context as _, Result};
use volkit_bench::Display;

use args::Action;
use config::Config;

/// Does what a command line asks for.
pub(crate) fn run(args: &SynthSegArgs) -> Result<()> {
    rayon::ThreadPoolBuilder::new().num_threads(args.threads).build_global().context("can not start threads")?;
    let display = Display::new(args.quiet)?;
    let outcome = act(args, &display);
    display.finish();
    outcome
}

fn act(args: &SynthSegArgs, display: &Display) -> Result<()> {
    match &args.action {
        None => {
            let config = args.config.as_ref().context("invariant: asked for by the command line")?;
            train::train(&Config::read(config)?, args.resume, display)
        }
        Some(Action::Evaluate { config, weights }) => {
            let found = evaluate::evaluate(&Config::read(config)?, weights.as_deref(), display)?;
            print!("{}", found.to_markdown());
            Ok(())
        }
        Some(Action::Export { config, output }) => {
            println!("{}", export::export(&Config::read(config)?, output)?);
            Ok(())
        }
        Some(Action::Check { config, log, folder, steps }) => {
            println!("{}", check::check(&Config::read(config)?, log, folder, *steps, display)?);
            Ok(())
        }
        Some(Action::Samples { config, output, count }) => samples::samples(&Config::read(config)?, output, *count),
    }
}
