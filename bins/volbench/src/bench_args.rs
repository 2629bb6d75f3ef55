//! The commands that measure, as they are typed.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use crate::suite::Suite;

/// Runs two commands in turn (A B A B ..) and compares their time and memory.
///
/// Prints mean, standard deviation, coefficient of variation and median of wall and CPU seconds, the peak memory of each
/// command, and the ratios A / B. The commands go through the shell as they are (`sh -c`, on Windows `cmd /C`), so
/// that names with spaces are quoted inside; what they print is dropped. Exit status 1 when a command fails, with its
/// status and the end of its messages.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Example:\n  volbench compare 'synthseg --i t1.nii.gz --o a.nii.gz --model v2.h5 --threads 2' \\\n    \
                        'synthseg --i t1.nii.gz --o b.nii.gz --model v2.h5 --threads 1' --runs 5"
)]
pub(crate) struct CompareArgs {
    /// The first command, in quotes
    #[arg(value_name = "CMD A")]
    pub(crate) command_a: String,
    /// The second command, in quotes
    #[arg(value_name = "CMD B")]
    pub(crate) command_b: String,
    /// Timed runs of each, at least 1
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) runs: usize,
    /// Runs of each before the timed ones
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) warmup: usize,
    /// Also writes every run as JSON to this file, or to standard output instead of the table (`-`)
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Does not tell of each run on standard error
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

/// Runs benchmarks on made-up data and writes what they took.
///
/// Every benchmark is run some times to warm up and then timed; wall and CPU seconds of each timed run, the largest
/// memory and the work done are written with the facts about the machine.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example: volbench run --suite kernels --suite io --out now.json")]
pub(crate) struct RunArgs {
    /// Which benchmarks; several times for several suites [default: all but `memory`]
    #[arg(long, value_name = "NAME", value_parser = Suite::parser())]
    pub(crate) suite: Vec<String>,
    /// Report to write (JSON)
    #[arg(long, value_name = "JSON")]
    pub(crate) out: PathBuf,
    /// Timed runs of each benchmark, at least 1
    #[arg(long, value_name = "N", default_value_t = 7)]
    pub(crate) runs: usize,
    /// Runs of each before the timed ones
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) warmup: usize,
    /// Voxels along each axis of the volumes, 32 to 256 (`kernels` and `memory` have sizes of their own)
    #[arg(long, value_name = "N", default_value_t = 96, value_parser = clap::value_parser!(u16).range(32..=256))]
    pub(crate) size: u16,
    /// Threads; 0 is one per core
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) threads: usize,
    /// Does not tell of each benchmark on standard output
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

/// Compares a report of `volbench run` with an earlier one of the same kind of machine.
///
/// A benchmark is slower when its median CPU time (wall time where the system tells no other) is above that of the
/// baseline by more than the larger of 5 % and three times the noise (coefficient of variation) of the noisier of the two
/// series. Exit status 1 when one is slower, or is missing from a suite that was run, or the machines differ in kind.
#[derive(Debug, ClapArgs)]
pub(crate) struct GateArgs {
    /// The baseline: a report, or a folder with one report for each kind of machine, named `KIND.json`
    pub(crate) base: PathBuf,
    /// The report to judge
    pub(crate) now: PathBuf,
    /// Also writes the comparison as JSON to this file, or to standard output instead of the lines (`-`)
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// Prints a report of `volbench run` as a Markdown table.
#[derive(Debug, ClapArgs)]
pub(crate) struct ReportArgs {
    /// The report
    pub(crate) now: PathBuf,
    /// Puts the table into this page instead, between the lines `<!-- report:begin -->` and `<!-- report:end -->`
    #[arg(long, value_name = "FILE")]
    pub(crate) into: Option<PathBuf>,
}
