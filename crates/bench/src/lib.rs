//! Measuring volume software: time per stage, memory, differences between results, and volumes made by code.
//!
//! [`StageClock`] is a [`volkit_core::Progress`] that times what passes through it and gives a [`RunReport`]; the
//! metrics ([`dice`], [`compare`], [`psnr`]) say how far two results are apart; phantoms ([`HeadPhantom`],
//! [`ShellsPhantom`]) are inputs of any size that need no download; a [`Workload`] is timed by [`measure`].
//!
//! This crate opens no file and runs no network.
#![forbid(unsafe_code)]

mod clock;
mod error;
mod measure;
mod metrics;
mod phantom;
mod random;
mod report;
mod usage;

pub use clock::StageClock;
pub use error::BenchError;
pub use measure::{Measurement, RunPlan, Spread, Workload, measure};
pub use metrics::{Difference, LabelDice, compare, dice, different_labels, different_values, psnr};
pub use phantom::{Grid, HEAD_TISSUES, HeadPhantom, Phantom, SeededMeshNet, ShellsPhantom, Tissue};
pub use random::Random;
pub use report::{RunReport, StageTime};
pub use usage::{cpu_secs, peak_bytes};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
