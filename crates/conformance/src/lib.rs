//! Runs folders of golden results, made by independent programs, against volkit.
//!
//! A golden folder holds inputs, an index (JSON) of cases and what each case must give, within a tolerance. [`run`]
//! takes any folder in the format of a [`Suite`] and returns one [`CaseResult`] a case: ok, FAIL or skipped with the
//! reason. A case can not stop the run, whatever its files hold.
#![forbid(unsafe_code)]

mod check;
mod digest;
mod error;
mod geometry;
mod index;
mod machine;
mod meshnet;
mod nn3d;
mod npy;
mod report;
mod splat;
mod suite;
mod synthseg;
mod tiling;
mod training;
mod volume;

pub use error::ConformanceError;
pub use report::{CaseResult, SuiteReport, Verdict};
pub use suite::{Suite, SuiteOptions, run};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
