//! The steps of `cargo xtask ci`.

use std::path::Path;
use std::process::Command;

use super::tally::Tally;
use crate::failure::{Failure, Outcome};
use crate::process;
use crate::repo::{Package, Repo};
use crate::tidy;

/// One step.
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) in_full: bool,
    pub(super) in_quick: bool,
    pub(super) run: fn(&Repo, &mut Tally) -> Outcome,
}

pub(super) const STEPS: &[Step] = &[
    Step { name: "fmt", in_full: true, in_quick: true, run: fmt },
    Step { name: "tidy", in_full: true, in_quick: true, run: |repo, _| tidy::run(repo, &[]) },
    Step { name: "clippy", in_full: true, in_quick: false, run: clippy },
    Step { name: "clippy-default", in_full: false, in_quick: true, run: |repo, _| clippy_with(repo, &[]) },
    Step { name: "test", in_full: true, in_quick: true, run: test },
    Step { name: "serial", in_full: true, in_quick: false, run: serial },
    Step { name: "doctest", in_full: true, in_quick: false, run: doctest },
    Step { name: "doc", in_full: true, in_quick: false, run: doc },
    Step { name: "examples", in_full: true, in_quick: false, run: examples },
    Step { name: "package", in_full: true, in_quick: false, run: package },
];

/// Packages whose archives are also built: those that others build on and that need nothing of ours.
const VERIFIED: &[&str] = &["volkit-core", "volkit-kernels"];

/// Features that need a toolkit or a system that a plain machine lacks.
const NOT_HERE: &[&str] = &["cuda", "metal"];

/// Needs the HDF5 library of the system with its headers, which `.ci/run` installs where it can.
const HDF5_C: &str = "hdf5-c";

/// Whether the system has that library where its build script looks.
fn has_hdf5_library() -> bool {
    std::env::var_os("HDF5_DIR").is_some()
        || process::output_of("pkg-config", &["--exists", "hdf5"]).is_some()
        || ["/usr/include/hdf5/serial/hdf5.h", "/usr/include/hdf5.h"].iter().any(|header| Path::new(header).exists())
}

/// Every feature of every package that builds on any machine: `--features volkit-core/testing,..`.
fn wide_features(packages: &[Package], with_hdf5_c: bool) -> String {
    let features = packages.iter().flat_map(|package| {
        let here = |f: &&str| *f != "default" && !NOT_HERE.contains(f) && (with_hdf5_c || *f != HDF5_C);
        let names = package.manifest.features().into_iter().filter(here);
        names.map(|f| format!("{}/{f}", package.name())).collect::<Vec<_>>()
    });
    features.collect::<Vec<_>>().join(",")
}

/// A `cargo` command on the whole workspace with those features.
fn cargo_wide(repo: &Repo, args: &[&str]) -> Outcome<Command> {
    let mut command = repo.cargo(args);
    command.args(["--workspace", "--features", &wide_features(&repo.packages()?, has_hdf5_library())]);
    Ok(command)
}

fn fmt(repo: &Repo, _: &mut Tally) -> Outcome {
    process::run(&mut repo.cargo(&["fmt", "--all", "--check"]))
}

fn clippy(repo: &Repo, _: &mut Tally) -> Outcome {
    clippy_with(repo, &["--no-default-features"])?;
    clippy_with(repo, &[])?;
    let with_hdf5_c = has_hdf5_library();
    if !with_hdf5_c {
        println!("skipped: feature {HDF5_C}: there is no HDF5 library with headers here (Debian: libhdf5-dev)");
    }
    clippy_with(repo, &["--features", &wide_features(&repo.packages()?, with_hdf5_c)])
}

fn clippy_with(repo: &Repo, features: &[&str]) -> Outcome {
    let mut command = repo.cargo(&["clippy", "--workspace", "--all-targets"]);
    process::run(command.args(features).args(["--", "-D", "warnings"]))
}

fn test(repo: &Repo, tally: &mut Tally) -> Outcome {
    let has_nextest = process::output_of("cargo", &["nextest", "--version"]).is_some();
    let runner: &[&str] = if has_nextest {
        &["nextest", "run", "--no-fail-fast"]
    } else {
        &["test", "--lib", "--bins", "--tests", "--no-fail-fast"]
    };
    counted(&mut cargo_wide(repo, runner)?, tally)
}

fn serial(repo: &Repo, tally: &mut Tally) -> Outcome {
    // Integration tests only: the unit tests would compile all kernels once more, for code that rayon does not touch.
    let args = ["test", "-p", "volkit-kernels", "--no-default-features", "--test", "it"];
    counted(&mut repo.cargo(&args), tally)
}

fn doctest(repo: &Repo, tally: &mut Tally) -> Outcome {
    counted(&mut cargo_wide(repo, &["test", "--doc"])?, tally)
}

/// A test run: it must succeed and must have run something.
fn counted(command: &mut Command, tally: &mut Tally) -> Outcome {
    let line = process::shell_line(command);
    let (succeeded, output) = process::run_captured(command)?;
    let before = tally.ran();
    tally.add(&output);
    if !succeeded {
        Err(Failure::failed(format!("`{line}` failed")))
    } else if tally.ran() == before {
        Err(Failure::failed(format!("`{line}` ran no test")))
    } else {
        Ok(())
    }
}

fn doc(repo: &Repo, _: &mut Tally) -> Outcome {
    process::run(cargo_wide(repo, &["doc", "--no-deps"])?.env("RUSTDOCFLAGS", "-D warnings"))
}

/// Built together, so that features are unified as in the tests and nothing is compiled twice; then run one by one.
fn examples(repo: &Repo, _: &mut Tally) -> Outcome {
    process::run(&mut cargo_wide(repo, &["build", "--examples"])?)?;
    let target = repo.target_dir()?;
    let scratch = target.join("example-runs");
    std::fs::create_dir_all(&scratch).map_err(|e| Failure::io(&scratch, &e))?;
    let files = repo.files()?;
    for file in files.iter().filter(|f| f.starts_with("crates/") && f.contains("/examples/")) {
        let Some((_, name)) = file.rsplit_once('/') else { continue };
        let Some(name) = name.strip_suffix(".rs") else { continue };
        println!("-- {file}");
        process::run(Command::new(target.join("debug/examples").join(name)).current_dir(&scratch))?;
    }
    Ok(())
}

fn package(repo: &Repo, _: &mut Tally) -> Outcome {
    let packages = repo.packages()?;
    let mut command = repo.cargo(&["package", "--workspace", "--no-verify", "--allow-dirty", "--quiet"]);
    for hidden in packages.iter().filter(|p| !p.is_publishable()) {
        command.args(["--exclude", hidden.name()]);
    }
    process::run(&mut command)?;
    let mut command = repo.cargo(&["package", "--allow-dirty", "--quiet"]);
    for name in VERIFIED {
        command.args(["-p", name]);
    }
    process::run(&mut command)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Manifest;

    #[test]
    fn features_that_need_a_gpu_toolkit_stay_off() {
        let text = "[package]\nname = \"volkit-a\"\n[features]\ndefault = [\"x\"]\nx = []\ncuda = []\ny = []\nmetal = []\nhdf5-c = []\n";
        let package = Package { folder: "crates/a".into(), manifest: Manifest::parse(text) };
        assert_eq!(wide_features(std::slice::from_ref(&package), false), "volkit-a/x,volkit-a/y");
        assert_eq!(wide_features(&[package], true), "volkit-a/x,volkit-a/y,volkit-a/hdf5-c");
    }
}
