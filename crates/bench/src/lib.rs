//! Measuring volume software: time per stage, memory, differences between results, and volumes made by code.
//!
//! [`StageClock`] is a [`volkit_core::Progress`] that times what passes through it and gives a [`RunReport`]; the
//! metrics ([`dice`], [`compare`], [`compare_voxels`], [`psnr`]) say how far two results are apart; phantoms ([`HeadPhantom`],
//! [`ShellsPhantom`], [`AnimalPhantom`]) are inputs of any size that need no download; a [`Workload`] is timed by [`measure`], two are
//! set beside each other by [`Comparison`], and [`gate`] compares a [`BenchReport`] with an earlier one.
//!
//! This crate opens no file of a user and runs no network.
#![forbid(unsafe_code)]

mod available;
mod baseline;
mod clock;
mod comparison;
#[cfg(feature = "program")]
mod display;
mod error;
mod exact;
mod measure;
mod metrics;
mod phantom;
#[cfg(feature = "plot")]
mod plot;
#[cfg(feature = "testing")]
mod program_run;
mod report;
mod series;
mod serve;
mod shell;
mod spread;
mod usage;
mod workload;

pub use available::available_bytes;
pub use baseline::{BenchReport, Change, GateReport, GateRow, LEAST_CHANGE, MachineFacts, NOISE_FACTOR, gate};
pub use clock::StageClock;
pub use comparison::Comparison;
#[cfg(feature = "program")]
pub use display::Display;
pub use error::BenchError;
pub use exact::compare_voxels;
pub use measure::{Measurement, measure};
pub use metrics::{Difference, LabelDice, compare, dice, different_labels, different_values, psnr};
pub use phantom::{AnimalCamera, AnimalPart, AnimalPhantom, AnimalPose, AnimalView};
pub use phantom::{
    Grid, HEAD_TISSUES, HeadPhantom, Phantom, SeededMeshNet, SeededUNet, ShellsPhantom, Tissue, seeded_posteriors,
};
#[cfg(feature = "plot")]
pub use plot::{Curve, LinePlot};
#[cfg(feature = "testing")]
pub use program_run::{ProgramFolder, ProgramRun};
pub use report::{RunReport, StageTime};
pub use series::{Series, record_in_turn};
pub use serve::serve_runs;
pub use shell::ShellCommand;
pub use spread::Spread;
pub use usage::{anonymous_bytes, cpu_secs, load_average, peak_bytes};
pub use volkit_core::Random;
pub use workload::{FnWorkload, RunPlan, Sample, Workload};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
