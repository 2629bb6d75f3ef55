//! `cargo xtask peers`: our programs beside the ones people use now, in turn on one machine.

use std::path::PathBuf;
use std::process::Command;

use crate::failure::{Failure, Outcome};
use crate::process;
use crate::repo::Repo;

pub(crate) const HELP: &str = "\
cargo xtask peers meshnet --model FILE --image FILE [--runs N] [--threads N] [--dir FOLDER]

Runs our release `synthseg` and a PyTorch program on the same scan and weights, file to labels, in turn (A B A B), and
prints CPU seconds, wall seconds and peak memory of each run, the ratios of the medians, and how far the labels agree.
The scan must be conformed already (256^3, 1 mm, LIA): the PyTorch program resamples nothing.

  --model FILE    MeshNet weights in safetensors
  --image FILE    the scan
  --runs N        runs of each program (default 2)
  --threads N     threads of each program (default: all cores)
  --dir FOLDER    where Python's packages are kept (default: volkit/peers in $XDG_CACHE_HOME or ~/.cache)

The first run creates a Python environment there (python3 with venv is needed) and installs torch, numpy, nibabel and
safetensors: 5.4 GB on disk for PyTorch's Linux build for x86-64, which carries GPU libraries that stay unused here.";

const REQUIREMENTS: &[&str] = &["torch", "numpy", "nibabel", "safetensors"];

struct Options {
    model: String,
    image: String,
    runs: String,
    threads: String,
    folder: PathBuf,
}

pub(crate) fn run(repo: &Repo, args: &[String]) -> Outcome {
    match args.split_first() {
        Some((name, rest)) if name == "meshnet" => meshnet(repo, &parse(rest)?),
        Some((name, _)) => Err(Failure::Usage(format!("peers: no comparison is called `{name}`"))),
        None => Err(Failure::Usage("peers: name a comparison: meshnet".into())),
    }
}

fn parse(args: &[String]) -> Outcome<Options> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (mut model, mut image, mut folder) = (None, None, None);
    let (mut runs, mut threads) = ("2".to_owned(), cores.to_string());
    for pair in args.chunks(2) {
        let [flag, value] = pair else {
            return Err(Failure::Usage(format!("peers: `{}` needs a value", pair[0])));
        };
        match flag.as_str() {
            "--model" => model = Some(value.clone()),
            "--image" => image = Some(value.clone()),
            "--runs" => runs = positive(flag, value)?,
            "--threads" => threads = positive(flag, value)?,
            "--dir" => folder = Some(PathBuf::from(value)),
            _ => return Err(Failure::Usage(format!("peers: unknown option `{flag}`"))),
        }
    }
    Ok(Options {
        model: model.ok_or_else(|| Failure::Usage("peers: --model is missing".into()))?,
        image: image.ok_or_else(|| Failure::Usage("peers: --image is missing".into()))?,
        runs,
        threads,
        folder: folder.map_or_else(default_folder, Ok)?,
    })
}

fn positive(flag: &str, value: &str) -> Outcome<String> {
    let is_positive = value.parse::<u32>().is_ok_and(|n| n > 0);
    if is_positive {
        Ok(value.into())
    } else {
        Err(Failure::Usage(format!("peers: {flag} {value}: a positive number is needed")))
    }
}

fn default_folder() -> Outcome<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").filter(|v| !v.is_empty()).map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|h| PathBuf::from(h).join(".cache"));
    let cache =
        cache.or_else(home).ok_or_else(|| Failure::failed("neither XDG_CACHE_HOME nor HOME is set: give --dir"))?;
    Ok(cache.join("volkit/peers"))
}

fn meshnet(repo: &Repo, options: &Options) -> Outcome {
    let python = environment(&options.folder)?;
    process::run(&mut repo.cargo(&["build", "--release", "-p", "synthseg"]))?;
    let scripts = repo.path("xtask/peers");
    let out = repo.path("out/peers/meshnet");
    std::fs::create_dir_all(&out).map_err(|e| Failure::io(&out, &e))?;
    let mut command = Command::new(python);
    command.arg(scripts.join("meshnet.py")).arg("--synthseg").arg(repo.target_dir()?.join("release/synthseg"));
    command.args(["--model", &options.model, "--image", &options.image, "--runs", &options.runs]);
    command.args(["--threads", &options.threads, "--out"]).arg(out);
    process::run(&mut command)
}

/// The Python of the environment, made on first use.
fn environment(folder: &std::path::Path) -> Outcome<PathBuf> {
    let python = folder.join("bin/python3");
    let check = format!("import {}", REQUIREMENTS.join(", "));
    if process::output_of(&python.to_string_lossy(), &["-c", &check]).is_some() {
        return Ok(python);
    }
    println!("making a Python environment in {}", folder.display());
    process::run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    process::run(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(REQUIREMENTS))?;
    process::run(Command::new(&python).args(["-c", &check]))?;
    Ok(python)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Outcome<Options> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_read_and_checked() {
        let options = parsed("--model m --image i --runs 3 --dir d").unwrap();
        assert_eq!((options.model.as_str(), options.runs.as_str(), options.folder), ("m", "3", PathBuf::from("d")));
        for bad in ["--image i --dir d", "--model m --dir d", "--model m --image i --runs 0", "--model", "--x 1"] {
            assert!(matches!(parsed(bad), Err(Failure::Usage(_))), "{bad}");
        }
    }
}
