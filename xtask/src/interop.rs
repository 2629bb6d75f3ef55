//! `cargo xtask interop`: Python reads what we write, and we read what Python writes.

use std::process::Command;

use crate::failure::{Failure, Outcome};
use crate::peers::{default_folder, environment};
use crate::process;
use crate::repo::Repo;

pub(crate) const HELP: &str = "\
cargo xtask interop [--dir FOLDER]

Builds `volconv` and converts between NIfTI, MGH, HDF5, Zarr and npy with it, beside nibabel, h5py and zarr-python: what
one writes, the other reads. Prints one line a case and ends with 1 when any differs.

  --dir FOLDER    where Python's packages are kept (default: volkit/interop in $XDG_CACHE_HOME or ~/.cache)";

const MODULES: &[&str] = &["nibabel", "h5py", "zarr", "numcodecs"];

pub(crate) fn run(repo: &Repo, args: &[String]) -> Outcome {
    let folder = match args {
        [] => default_folder("interop")?,
        [flag, folder] if flag == "--dir" => folder.into(),
        _ => return Err(Failure::Usage("interop: takes --dir FOLDER and nothing else".into())),
    };
    process::run(&mut repo.cargo(&["build", "-p", "volconv"]))?;
    let python = environment(&folder, MODULES, MODULES)?;
    let mut command = Command::new(python);
    command.arg(repo.path("xtask/interop/interop.py")).arg("--volconv").arg(repo.target_dir()?.join("debug/volconv"));
    process::run(&mut command)
}
