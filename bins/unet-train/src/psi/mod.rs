//! `unet-train psi`: phase-shifting interferometry.

mod args;
mod closed_form;
mod config;
mod files;
mod generate;
mod inference;
mod map_picture;
mod report;
mod scenes;
mod train;

pub(crate) use args::PsiArgs;

use std::sync::Arc;

use anyhow::Result;
use volkit_bench::{Display, StageClock};
use volkit_kernels::Threads;

use self::args::Step;
use self::config::PsiConfig;
use self::report::Report;
use self::train::Stage;

/// What every step works with.
pub(crate) struct Run<'a> {
    args: &'a PsiArgs,
    config: PsiConfig,
    threads: Threads,
    clock: StageClock,
}

/// Does what a command line asks for.
pub(crate) fn run(args: &PsiArgs) -> Result<()> {
    let config = PsiConfig::read(args)?;
    let display = Arc::new(Display::new(args.quiet)?);
    let clock = StageClock::wrapping(Arc::clone(&display) as Arc<_>);
    let run = Run { args, config, threads: Threads::new(args.threads), clock };
    let mut report = Report::default();
    let outcome = run.step(args.step, &mut report);
    display.finish();
    outcome?;
    let facts = run.clock.report("unet-train psi", env!("CARGO_PKG_VERSION")).with_threads(run.threads.count());
    report.print(facts, args)
}

impl Run<'_> {
    fn step(&self, step: Step, report: &mut Report) -> Result<()> {
        match step {
            Step::Generate => generate::run(self, report),
            Step::Pretrain => train::run(self, Stage::Pretrain, report),
            Step::Finetune => train::run(self, Stage::Finetune, report),
            Step::Inference => inference::run(self, report),
            Step::Test => inference::test(self, report),
            Step::ClosedForm => closed_form::run(self, report),
            Step::All => {
                generate::run(self, report)?;
                train::run(self, Stage::Pretrain, report)?;
                if self.config.finetune.epochs > 0 {
                    train::run(self, Stage::Finetune, report)?;
                }
                inference::run(self, report)?;
                inference::test(self, report)
            }
        }
    }
}
