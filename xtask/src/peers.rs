//! `cargo xtask peers`: our programs beside the ones people use now, in turn on one machine.

mod options;

use std::path::{Path, PathBuf};
use std::process::Command;

use self::options::Options;
use crate::failure::{Failure, Outcome};
use crate::process;
use crate::repo::Repo;

pub(crate) const HELP: &str = "\
cargo xtask peers meshnet --model FILE --image FILE [--runs N] [--threads N] [--dir FOLDER]
cargo xtask peers unet --model FILE --size X,Y,Z [--runs N] [--threads N] [--modes M,..] [--engines E,..] [--dir FOLDER]

meshnet runs our release `synthseg` and a PyTorch program on the same scan and weights, file to labels, in turn (A B A
B), and prints CPU seconds, wall seconds and peak memory of each run, the ratios of the medians, and how far the labels
agree. The scan must be conformed already (256^3, 1 mm, LIA): the PyTorch program resamples nothing.

unet times forward passes of a SynthSeg network over an image of noise, engine after engine, all loaded and warm, and
prints the medians, their ratios to ours, and how far the posteriors are apart.

  --model FILE    meshnet: weights in safetensors; unet: Keras weights (.h5)
  --image FILE    the scan
  --size X,Y,Z    voxels of the image
  --runs N        runs of each program (default 2; unet 5)
  --threads N     threads of each program (default: all cores)
  --modes M,..    our modes (default exact)
  --engines E,..  torch, torch-first, tensorflow, onnxruntime, openvino, openvino-bf16 (default: all but torch-first)
  --dir FOLDER    where Python's packages are kept (default: volkit/peers in $XDG_CACHE_HOME or ~/.cache)

The first run creates a Python environment there (python3 with venv is needed) and installs what the comparison needs:
for meshnet 5.4 GB on disk, for PyTorch's Linux build for x86-64 carries GPU libraries that stay unused here, and 2 GB
more for unet.";

/// A comparison: its script in `xtask/peers` and what its Python needs.
struct Comparison {
    name: &'static str,
    script: &'static str,
    /// Modules to import, and the packages that bring them.
    modules: &'static [&'static str],
    packages: &'static [&'static str],
    run: fn(&Repo, &Options, Command) -> Outcome,
}

const COMPARISONS: &[Comparison] = &[
    Comparison {
        name: "meshnet",
        script: "meshnet.py",
        modules: &["torch", "numpy", "nibabel", "safetensors"],
        packages: &["torch", "numpy", "nibabel", "safetensors"],
        run: meshnet,
    },
    Comparison {
        name: "unet",
        script: "unet.py",
        modules: &["torch", "numpy", "h5py", "tensorflow", "onnx", "onnxruntime", "openvino"],
        // SynthSeg's own version of TensorFlow where there is one for this Python.
        packages: &[
            "torch",
            "h5py",
            "tensorflow-cpu==2.15.1; python_version<'3.12'",
            "tensorflow-cpu; python_version>='3.12'",
            "numpy<2; python_version<'3.12'",
            // Later ones need a newer ml_dtypes than that TensorFlow allows.
            "onnx<1.18",
            "onnxruntime",
            "openvino",
        ],
        run: unet,
    },
];

pub(crate) fn run(repo: &Repo, args: &[String]) -> Outcome {
    let names = || COMPARISONS.iter().map(|c| c.name).collect::<Vec<_>>().join(", ");
    let Some((name, rest)) = args.split_first() else {
        return Err(Failure::Usage(format!("peers: name a comparison: {}", names())));
    };
    let Some(comparison) = COMPARISONS.iter().find(|c| c.name == name) else {
        return Err(Failure::Usage(format!("peers: no comparison is called `{name}`; there are {}", names())));
    };
    let options = Options::parse(rest)?;
    options.check_for(comparison.name)?;
    let python = environment(&options.folder()?, comparison)?;
    let out = repo.path("out/peers").join(comparison.name);
    std::fs::create_dir_all(&out).map_err(|e| Failure::io(&out, &e))?;
    let mut command = Command::new(python);
    command.arg(repo.path("xtask/peers").join(comparison.script));
    command.args(["--model", &options.model, "--threads", &options.threads]).arg("--out").arg(out);
    (comparison.run)(repo, &options, command)
}

fn meshnet(repo: &Repo, options: &Options, mut command: Command) -> Outcome {
    process::run(&mut repo.cargo(&["build", "--release", "-p", "synthseg"]))?;
    command.arg("--synthseg").arg(repo.target_dir()?.join("release/synthseg"));
    command.args(["--image", &options.image, "--runs", options.runs_or("2")]);
    process::run(&mut command)
}

fn unet(repo: &Repo, options: &Options, mut command: Command) -> Outcome {
    process::run(&mut repo.cargo(&["build", "--release", "-p", "volkit-benches-forward"]))?;
    command.arg("--forward").arg(repo.target_dir()?.join("release/forward"));
    command.args(["--size", &options.size, "--runs", options.runs_or("5")]);
    command.args(["--modes", &options.modes, "--engines", &options.engines]);
    process::run(&mut command)
}

/// The Python of the environment, which is made or completed where something is missing.
fn environment(folder: &Path, comparison: &Comparison) -> Outcome<PathBuf> {
    let python = folder.join("bin/python3");
    let check = format!("import {}", comparison.modules.join(", "));
    if process::output_of(&python.to_string_lossy(), &["-c", &check]).is_some() {
        return Ok(python);
    }
    println!("installing Python packages in {}", folder.display());
    if !python.exists() {
        process::run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    }
    process::run(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(comparison.packages))?;
    process::run(Command::new(&python).args(["-c", &check]))?;
    Ok(python)
}
