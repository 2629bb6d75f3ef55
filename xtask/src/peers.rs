//! `cargo xtask peers`: our programs beside the ones people use now, in turn on one machine.

mod options;

use std::path::{Path, PathBuf};
use std::process::Command;

use self::options::Options;
pub(crate) use self::options::default_folder;
use crate::failure::{Failure, Outcome};
use crate::process;
use crate::repo::Repo;

pub(crate) const HELP: &str = "\
cargo xtask peers meshnet --model FILE --image FILE [--runs N] [--threads N] [--dir FOLDER]
cargo xtask peers unet --model FILE --size X,Y,Z [--runs N] [--threads N] [--modes M,..] [--engines E,..] [--dir FOLDER]
cargo xtask peers tiling [--size N,N,..] [--runs N] [--threads N] [--modes M,..] [--dir FOLDER]
cargo xtask peers io [--runs N] [--threads N] [--dir FOLDER]
cargo xtask peers zarr [--runs N] [--threads N] [--dir FOLDER]
cargo xtask peers splat [--runs N] [--threads N] [--dir FOLDER]
cargo xtask peers nn3d [--runs N] [--threads N] [--dir FOLDER]
cargo xtask peers train [--runs N] [--threads N] [--dir FOLDER]

meshnet runs our release `synthseg` and a PyTorch program on the same scan and weights, file to labels, in turn (A B A
B), and prints CPU seconds, wall seconds and peak memory of each run, the ratios of the medians, and how far the labels
agree. The scan must be conformed already (256^3, 1 mm, LIA): the PyTorch program resamples nothing.

unet times forward passes of a SynthSeg network over an image of noise, engine after engine, all loaded and warm, and
prints the medians, their ratios to ours, and how far the posteriors are apart.

tiling times the network 16-32-64-32-1 over square images of noise, directly and tile by tile (tiles of 512, overlap
128), beside PyTorch and MONAI's sliding window, all warm, and prints the same; then what tiling an identity costs both.

io reads and writes .nii.gz files of 256^3 voxels, which it makes, with our `iotime`, nibabel and SimpleITK in turn.

zarr reads and writes an array of 512^3 u16 in chunks of 64^3 (Zarr v3, zstd level 3; ours at level 1 too) with our `zarrtime`,
zarr-python and tensorstore, in turn, and prints seconds of each run, the medians and their ratios to ours.

splat times rendering and its gradients (10 000 Gaussians at 256 x 256, 50 000 at 512 x 512) in turn with a compositor in
PyTorch that works tile by tile with automatic differentiation, and prints how far pictures and gradients are apart.

nn3d times forward and backward passes of a convolution (24 -> 24 channels, 64^3) and of a U-Net (96 x 80 x 64, 8 to 128
features, batch norm in training) in turn with PyTorch, and prints how far results and gradients are apart.

train times training steps of the network 16-32-64-32-1 (4 images of 256 x 256: in f32, in bf16, image by image with summed
gradients, with activation checkpointing) in turn with PyTorch, and prints the memory of both, without what was there before
the first step, and how far losses and parameters are apart.

  --model FILE    meshnet: weights in safetensors; unet: Keras weights (.h5)
  --image FILE    the scan
  --size X,Y,Z    voxels of the image; tiling: lengths of the square images (default 512,1024,2048)
  --runs N        runs of each program (default meshnet 2, splat 3, the others 5)
  --threads N     threads of each program (default: all cores)
  --modes M,..    our modes, the one that others are compared with first (default fast-math,strict,exact)
  --engines E,..  torch, torch-first, torch-f64 (what others are compared with, not timed), tensorflow,
                  onnxruntime, openvino, openvino-bf16 (default: all but torch-first and torch-f64)
  --dir FOLDER    where Python's packages are kept (default: volkit/peers in $XDG_CACHE_HOME or ~/.cache)

The first run creates a Python environment there (python3 with venv is needed) and installs what the comparison needs:
for meshnet, splat, nn3d and train 5.4 GB on disk, for PyTorch's Linux build for x86-64 carries GPU libraries that stay unused here, and 2 GB
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
    Comparison {
        name: "tiling",
        script: "tiling.py",
        modules: &["torch", "numpy", "monai", "safetensors"],
        packages: &["torch", "numpy", "monai", "safetensors"],
        run: tiling,
    },
    Comparison {
        name: "io",
        script: "nifti_files.py",
        modules: &["numpy", "nibabel", "SimpleITK"],
        packages: &["numpy", "nibabel", "SimpleITK"],
        run: io,
    },
    Comparison {
        name: "zarr",
        script: "zarr_arrays.py",
        modules: &["numpy", "zarr", "tensorstore"],
        packages: &["numpy", "zarr", "tensorstore"],
        run: zarr,
    },
    Comparison {
        name: "splat",
        script: "splat.py",
        modules: &["torch", "numpy"],
        packages: &["torch", "numpy"],
        run: splat,
    },
    Comparison {
        name: "nn3d",
        script: "nn3d.py",
        modules: &["torch", "numpy", "safetensors"],
        packages: &["torch", "numpy", "safetensors"],
        run: nn3d,
    },
    Comparison {
        name: "train",
        script: "train.py",
        modules: &["torch", "numpy", "safetensors"],
        packages: &["torch", "numpy", "safetensors"],
        run: train,
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
    let python = environment(&options.folder()?, comparison.modules, comparison.packages)?;
    let out = repo.path("out/peers").join(comparison.name);
    std::fs::create_dir_all(&out).map_err(|e| Failure::io(&out, &e))?;
    let mut command = Command::new(python);
    command.arg(repo.path("xtask/peers").join(comparison.script));
    command.args(["--threads", &options.threads]).arg("--out").arg(out);
    (comparison.run)(repo, &options, command)
}

fn meshnet(repo: &Repo, options: &Options, mut command: Command) -> Outcome {
    process::run(&mut repo.cargo(&["build", "--release", "-p", "synthseg"]))?;
    command.args(["--model", &options.model]).arg("--synthseg").arg(repo.target_dir()?.join("release/synthseg"));
    command.args(["--image", &options.image, "--runs", options.runs_or("2")]);
    process::run(&mut command)
}

fn unet(repo: &Repo, options: &Options, mut command: Command) -> Outcome {
    process::run(&mut repo.cargo(&["build", "--release", "-p", "volkit-benches-forward"]))?;
    command.args(["--model", &options.model]).arg("--forward").arg(repo.target_dir()?.join("release/forward"));
    command.args(["--size", &options.size, "--runs", options.runs_or("5")]);
    command.args(["--modes", &options.modes, "--engines", &options.engines]);
    process::run(&mut command)
}

fn tiling(repo: &Repo, options: &Options, mut command: Command) -> Outcome {
    process::run(&mut repo.cargo(&["build", "--release", "-p", "volkit-benches-tile", "--bins"]))?;
    let release = repo.target_dir()?.join("release");
    command.arg("--forward").arg(release.join("net-forward")).arg("--merge").arg(release.join("merge-cost"));
    let sizes = if options.size.is_empty() { "512,1024,2048" } else { &options.size };
    command.args(["--sizes", sizes, "--runs", options.runs_or("5"), "--modes", &options.modes]);
    process::run(&mut command)
}

fn io(repo: &Repo, options: &Options, mut command: Command) -> Outcome {
    process::run(&mut repo.cargo(&["build", "--release", "-p", "volkit-benches-io", "--no-default-features"]))?;
    command.arg("--iotime").arg(repo.target_dir()?.join("release/iotime"));
    command.args(["--runs", options.runs_or("5")]).env("RAYON_NUM_THREADS", &options.threads);
    process::run(&mut command)
}

fn zarr(repo: &Repo, options: &Options, mut command: Command) -> Outcome {
    let build = ["build", "--release", "-p", "volkit-benches-io", "--features", "zarr", "--bin", "zarrtime"];
    process::run(&mut repo.cargo(&build))?;
    command.arg("--program").arg(repo.target_dir()?.join("release/zarrtime"));
    command.args(["--runs", options.runs_or("5")]);
    process::run(&mut command)
}

fn splat(repo: &Repo, options: &Options, mut command: Command) -> Outcome {
    process::run(&mut repo.cargo(&["build", "--release", "-p", "volkit-benches-splat", "--bin", "splat-step"]))?;
    command.arg("--step").arg(repo.target_dir()?.join("release/splat-step"));
    command.args(["--runs", options.runs_or("3")]);
    process::run(&mut command)
}

fn nn3d(repo: &Repo, options: &Options, mut command: Command) -> Outcome {
    process::run(&mut repo.cargo(&["build", "--release", "-p", "volkit-benches-nn3d", "--bin", "nn3d-step"]))?;
    command.arg("--step").arg(repo.target_dir()?.join("release/nn3d-step"));
    command.args(["--runs", options.runs_or("5")]).env("RAYON_NUM_THREADS", &options.threads);
    process::run(&mut command)
}

fn train(repo: &Repo, options: &Options, mut command: Command) -> Outcome {
    process::run(&mut repo.cargo(&["build", "--release", "-p", "volkit-benches-train", "--bin", "train-step"]))?;
    command.arg("--step").arg(repo.target_dir()?.join("release/train-step"));
    command.args(["--runs", options.runs_or("5")]).env("RAYON_NUM_THREADS", &options.threads);
    process::run(&mut command)
}

/// The Python of the environment, which is made or completed where something is missing.
pub(crate) fn environment(folder: &Path, modules: &[&str], packages: &[&str]) -> Outcome<PathBuf> {
    let python = folder.join("bin/python3");
    let check = format!("import {}", modules.join(", "));
    if process::output_of(&python.to_string_lossy(), &["-c", &check]).is_some() {
        return Ok(python);
    }
    println!("installing Python packages in {}", folder.display());
    if !python.exists() {
        process::run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    }
    process::run(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(packages))?;
    process::run(Command::new(&python).args(["-c", &check]))?;
    Ok(python)
}
