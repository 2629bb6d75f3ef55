//! `volbench run`.

use std::process::ExitCode;

use volkit_bench::{BenchReport, MachineFacts, RunPlan, load_average, record_in_turn};
use volkit_core::BoxError;
use volkit_kernels::{Isa, Threads};

use crate::bench_args::RunArgs;
use crate::json_out::write_json;
use crate::machine::Machine;
use crate::suite::{SUITES, Setting, Suite};

pub(crate) fn run(args: &RunArgs) -> Result<ExitCode, BoxError> {
    rayon::ThreadPoolBuilder::new().num_threads(args.threads).build_global()?;
    let threads = Threads::new(args.threads);
    let plan = RunPlan::new().with_warmup(args.warmup).with_repeats(args.runs);
    let folder = tempfile::tempdir()?;
    let setting = Setting { size: usize::from(args.size), folder: folder.path(), threads: &threads };
    let wanted = |suite: &Suite| {
        if args.suite.is_empty() { !suite.is_heavy } else { args.suite.iter().any(|name| name == suite.name) }
    };
    let mut report = BenchReport {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        machine: facts(threads.count()),
        load_before: load_average(),
        warmup: args.warmup,
        ..BenchReport::default()
    };
    let once = RunPlan::new().with_warmup(0).with_repeats(1);
    for suite in SUITES.iter().filter(|suite| wanted(suite)) {
        let plan = if suite.is_heavy { &once } else { &plan };
        // One at a time: the memory of one is not that of another.
        for make in (suite.workloads)(&setting) {
            let mut workload = make()?;
            let series = record_in_turn(&mut [workload.as_mut()], plan, &mut |_, _, _| {})?;
            if !args.quiet {
                for series in &series {
                    let median = series.wall().map_or(f64::NAN, |spread| spread.median);
                    let peak =
                        series.peak_bytes.map_or(String::new(), |bytes| format!(", {:.0} MB", bytes as f64 * 1e-6));
                    println!("{}: {:.3} ms{peak}", series.id, 1e3 * median);
                }
            }
            report.series.extend(series);
        }
        if let Some(print_tables) = suite.print_tables.filter(|_| !args.quiet) {
            print_tables(&report.series)?;
        }
    }
    report.load_after = load_average();
    write_json(&args.out, &report)?;
    if !args.quiet {
        println!("kind of machine: {}", report.machine.kind());
    }
    Ok(ExitCode::SUCCESS)
}

fn facts(threads: usize) -> MachineFacts {
    let machine = Machine::detect();
    MachineFacts {
        os: machine.os.to_owned(),
        arch: machine.arch.to_owned(),
        cpu: machine.cpu.unwrap_or_default(),
        cores: machine.cores,
        isa: Isa::detect().name().to_owned(),
        threads,
    }
}
