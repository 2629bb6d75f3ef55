//! `cargo xtask gpu`: programs with CUDA, built on a machine that needs neither a GPU nor a driver.

mod lazy;
mod toolkit;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, Outcome};
use crate::metal_check::{chosen, script};
use crate::peers::default_folder;
use crate::process;
use crate::repo::Repo;

pub(crate) const HELP: &str = "\
cargo xtask gpu [--toolkit DIR] [--cap N] [--debug] [--prepare] [--dir FOLDER]
cargo xtask gpu --check [PACKAGE..]

Builds `volbench` and `synthseg` with the feature cuda for x86-64 Linux, and runs `volbench doctor` of it.

The programs start on any machine: NVIDIA's libraries are not linked but opened when a function of theirs is called for
the first time, and where one is missing its functions return its status code for that. They need libc 2.34 or later.
Without --toolkit the compiler and headers are fetched by pip (CUDA 13.0, 180 MB): the programs then need driver 580 or
later. For older drivers name an installed toolkit of the version wanted (12.0: driver 525 or later); pip has no
compiler of version 12. Beside the driver a run needs cuBLAS and cuRAND of that version (pip: nvidia-cublas,
nvidia-curand), on LD_LIBRARY_PATH or where the system looks.

The first build takes 12 minutes of CPU time: candle compiles kernels for quantised networks too.

With --check nothing is fetched or built: every package with a feature cuda (or those named) is type-checked, with a
script that stands for NVIDIA's compiler and makes empty files.

  --toolkit DIR  an installed toolkit, with bin/nvcc, include and lib64
  --cap N        least compute capability (default 80: RTX 30, A100 and later; the driver compiles for newer ones)
  --debug        the dev profile instead of the release profile
  --prepare      toolkit and libraries only: prints the variables for a build by hand
  --dir FOLDER   where toolkit and libraries are kept (default: volkit/gpu in $XDG_CACHE_HOME or ~/.cache)";

const FEATURES: &str = "volbench/cuda,synthseg/cuda";
const PROGRAMS: [&str; 2] = ["volbench", "synthseg"];

struct Options {
    toolkit: Option<PathBuf>,
    folder: PathBuf,
    cap: String,
    is_debug: bool,
    is_preparation: bool,
}

impl Options {
    fn parse(args: &[String]) -> Outcome<Self> {
        let mut options =
            Self { toolkit: None, folder: PathBuf::new(), cap: "80".into(), is_debug: false, is_preparation: false };
        let mut args = args.iter();
        while let Some(flag) = args.next() {
            let mut value = || args.next().ok_or_else(|| Failure::Usage(format!("gpu: {flag} takes a value")));
            match flag.as_str() {
                "--toolkit" => options.toolkit = Some(value()?.into()),
                "--dir" => options.folder = value()?.into(),
                "--cap" => options.cap = value()?.clone(),
                "--debug" => options.is_debug = true,
                "--prepare" => options.is_preparation = true,
                _ => return Err(Failure::Usage(format!("gpu: unknown option `{flag}`"))),
            }
        }
        if options.folder.as_os_str().is_empty() {
            options.folder = default_folder("gpu")?;
        }
        if options.cap.is_empty() || !options.cap.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Failure::Usage(format!("gpu: --cap {}: a number, as 80", options.cap)));
        }
        Ok(options)
    }
}

/// Stands for `nvcc`: makes what it is asked for, empty.
const COMPILER: &str = r#"#!/bin/sh
folder=. ptx=
while [ $# -gt 0 ]; do
  case "$1" in
    --version) echo "release 13.0, V13.0.0" ;;
    --ptx) ptx=yes ;;
    --output-directory) folder="$2"; shift ;;
    -o) : > "$2"; shift ;;
    *.cu) if [ -n "$ptx" ]; then : > "$folder/$(basename "$1" .cu).ptx"; fi ;;
  esac
  shift
done
"#;

/// Type-checks what has the feature, without a toolkit.
fn check(repo: &Repo, args: &[String]) -> Outcome {
    let packages = repo.packages()?;
    let names = chosen(&packages, "cuda", args)?;
    let target = repo.target_dir()?.join("cuda-check");
    // Its parent counts as the toolkit.
    let tools = target.join("toolkit/bin");
    std::fs::create_dir_all(&tools).map_err(|e| Failure::io(&tools, &e))?;
    let compiler = script(&tools, "nvcc", COMPILER)?;
    let features: Vec<String> = names.iter().map(|name| format!("{name}/cuda")).collect();
    let mut command = repo.cargo(&["check", "--target-dir"]);
    command.arg(&target).args(names.iter().flat_map(|name| ["-p", name]));
    command.args(["--features", &features.join(",")]);
    command.env("NVCC", &compiler).env("CUDA_COMPUTE_CAP", "80").env("CUDARC_CUDA_VERSION", "13000");
    process::run(&mut command)?;
    println!("gpu --check: {} packages: {}", names.len(), names.join(" "));
    Ok(())
}

pub(crate) fn run(repo: &Repo, args: &[String]) -> Outcome {
    if let Some((flag, names)) = args.split_first()
        && flag == "--check"
    {
        return check(repo, names);
    }
    let options = Options::parse(args)?;
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err(Failure::failed("gpu: the programs are for x86-64 Linux and are built there"));
    }
    let home = toolkit::prepare(&options.folder, options.toolkit.as_deref())?;
    lazy::build(repo, &home.join("lib"))?;
    let nvcc = home.join("bin/nvcc");
    let version = toolkit::version(&process::output_of(&nvcc.to_string_lossy(), &["--version"]).unwrap_or_default())
        .ok_or_else(|| Failure::failed(format!("{}: tells no version", nvcc.display())))?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([home.join("bin")].into_iter().chain(std::env::split_paths(&path)))
        .map_err(|e| Failure::failed(format!("PATH: {e}")))?;
    let target = repo.target_dir()?.join("gpu");
    let mut command = repo.cargo(&["build", "--features", FEATURES]);
    command.args(PROGRAMS.iter().flat_map(|name| ["-p", name]));
    if !options.is_debug {
        command.arg("--release");
    }
    command
        .arg("--target-dir")
        .arg(&target)
        .env("CUDA_HOME", &home)
        .env("CUDA_COMPUTE_CAP", &options.cap)
        .env("CUDARC_CUDA_VERSION", &version)
        .env("PATH", path);
    if options.is_preparation {
        println!("{}", process::shell_line(&command));
        return Ok(());
    }
    process::run(&mut command)?;
    let built = target.join(if options.is_debug { "debug" } else { "release" });
    for name in PROGRAMS {
        describe(&built.join(name))?;
    }
    process::run(Command::new(built.join("volbench")).arg("doctor"))
}

/// Size and libraries of a program; an error when it asks for one of NVIDIA's.
fn describe(program: &Path) -> Outcome {
    let size = std::fs::metadata(program).map_err(|e| Failure::io(program, &e))?.len();
    let dynamic = process::output_of("readelf", &["-d", &program.to_string_lossy()])
        .ok_or_else(|| Failure::failed("readelf (binutils) is needed to look at the program"))?;
    let needed = needed(&dynamic);
    println!("{}: {:.1} MB, needs {}", program.display(), size as f64 * 1e-6, needed.join(" "));
    match needed.iter().find(|name| ["libcu", "libnv"].iter().any(|start| name.starts_with(start))) {
        Some(name) => Err(Failure::failed(format!("{}: does not start without {name}", program.display()))),
        None => Ok(()),
    }
}

/// The libraries that `readelf -d` lists as needed.
fn needed(dynamic: &str) -> Vec<&str> {
    let lines = dynamic.lines().filter(|line| line.contains("(NEEDED)"));
    lines.filter_map(|line| line.split_once('[')?.1.split(']').next()).collect()
}

#[cfg(test)]
mod tests {
    use super::{Options, needed};

    fn options(line: &str) -> Result<Options, String> {
        let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Options::parse(&args).map_err(|error| format!("{error:?}"))
    }

    #[test]
    fn options_are_read() {
        let found = options("--toolkit t --cap 90 --debug --dir d").unwrap();
        assert_eq!((found.cap.as_str(), found.is_debug, found.is_preparation), ("90", true, false));
        assert_eq!((found.toolkit, found.folder), (Some("t".into()), "d".into()));
        assert_eq!(options("").unwrap().cap, "80");
        for wrong in ["--cap 9.0", "--cap", "--arch 3"] {
            assert!(options(wrong).is_err(), "{wrong}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_script_stands_for_the_compiler() {
        use std::process::Command;
        let folder = std::env::temp_dir().join(format!("volkit-nvcc-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let nvcc = super::script(&folder, "nvcc", super::COMPILER).unwrap();
        let run = |args: &[&str]| Command::new(&nvcc).current_dir(&folder).args(args).output().unwrap();
        let said = run(&["--version"]);
        assert_eq!(super::toolkit::version(&String::from_utf8_lossy(&said.stdout)).as_deref(), Some("13000"));
        assert!(run(&["-gencode=a", "--ptx", "--output-directory", ".", "src/unary.cu"]).status.success());
        assert!(run(&["-c", "-o", "moe.o", "--default-stream", "per-thread", "moe.cu"]).status.success());
        let is_there = ["unary.ptx", "moe.o", "moe.ptx"].map(|name| folder.join(name).is_file());
        assert_eq!(is_there, [true, true, false]);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn needed_libraries_are_listed() {
        let text = " 0x1 (NEEDED)  Shared library: [libc.so.6]\n 0x1 (SONAME) Library: [x]\n 0x1 (NEEDED) Shared library: [libcuda.so.1]\n";
        assert_eq!(needed(text), ["libc.so.6", "libcuda.so.1"]);
    }
}
