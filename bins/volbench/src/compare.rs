//! `volbench compare`.

use std::process::ExitCode;

use volkit_bench::{Comparison, RunPlan, Sample, ShellCommand};
use volkit_core::BoxError;

use crate::bench_args::CompareArgs;
use crate::json_out::{is_alone, write_json};

pub(crate) fn run(args: &CompareArgs) -> Result<ExitCode, BoxError> {
    let (mut a, mut b) = (ShellCommand::new(&args.command_a), ShellCommand::new(&args.command_b));
    let plan = RunPlan::new().with_warmup(args.warmup).with_repeats(args.runs);
    let mut tell = |number: usize, run: usize, sample: &Sample| {
        if args.quiet {
            return;
        }
        let run = if run == 0 { "warm-up".to_owned() } else { format!("run {run} of {}", args.runs) };
        eprintln!("{} {run}: {:.3} s", ["A", "B"][number], sample.wall_secs);
    };
    let comparison = Comparison::of(&mut a, &mut b, &plan, &mut tell)?;
    if !is_alone(args.json.as_deref()) {
        print!("{comparison}");
    }
    if let Some(path) = &args.json {
        write_json(path, &comparison)?;
    }
    Ok(ExitCode::SUCCESS)
}
