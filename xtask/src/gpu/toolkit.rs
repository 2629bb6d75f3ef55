//! The CUDA compiler and its headers, in one folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, Outcome};
use crate::process;

/// Wheels of the toolkit, of one release: compiler, its parts, headers, the static runtime. (cuRAND for its headers.)
const WHEELS: [&str; 6] = [
    "nvidia-cuda-nvcc==13.0.*",
    "nvidia-cuda-crt==13.0.*",
    "nvidia-nvvm==13.0.*",
    "nvidia-cuda-runtime==13.0.*",
    "nvidia-cuda-cccl==13.0.*",
    "nvidia-curand<10.5",
];

/// Where these wheels have their files.
const INSIDE: &str = "nvidia/cu13";

/// A folder `home` with `bin`, `include`, `nvvm` and a `lib` of ours with the static runtime, from wheels or from an
/// installed toolkit.
pub(super) fn prepare(folder: &Path, installed: Option<&Path>) -> Outcome<PathBuf> {
    let home = folder.join(if installed.is_some() { "home-installed" } else { "home" });
    let lib = home.join("lib");
    fs::create_dir_all(&lib).map_err(|e| Failure::io(&lib, &e))?;
    let toolkit = match installed {
        Some(toolkit) => toolkit.to_path_buf(),
        None => unpacked(folder)?,
    };
    for part in ["bin", "include", "nvvm"] {
        link(&toolkit.join(part), &home.join(part))?;
    }
    let names = ["lib/libcudart_static.a", "lib64/libcudart_static.a", "targets/x86_64-linux/lib/libcudart_static.a"];
    let runtime =
        names.iter().map(|name| toolkit.join(name)).find(|path| path.is_file()).ok_or_else(|| {
            Failure::failed(format!("{}: has no libcudart_static.a in lib or lib64", toolkit.display()))
        })?;
    // candle asks for `-lcudart`; with no shared library beside it this one is taken.
    let copy = lib.join("libcudart.a");
    fs::copy(&runtime, &copy).map_err(|e| Failure::io(&copy, &e))?;
    Ok(home)
}

/// The wheels, fetched and unpacked where that was not done before.
fn unpacked(folder: &Path) -> Outcome<PathBuf> {
    let (wheels, tree) = (folder.join("wheels"), folder.join("toolkit"));
    let inside = tree.join(INSIDE);
    let done = tree.join("complete");
    if done.is_file() {
        return Ok(inside);
    }
    let mut command = Command::new("python3");
    command.args(["-m", "pip", "download", "--quiet", "--no-deps", "--dest"]).arg(&wheels).args(WHEELS);
    process::run(&mut command)?;
    let entries = fs::read_dir(&wheels).map_err(|e| Failure::io(&wheels, &e))?;
    for wheel in entries.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "whl"))
    {
        process::run(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(&wheel).arg(&tree))?;
    }
    // Archives of Python keep no permissions.
    for programs in ["bin", "nvvm/bin"].map(|part| inside.join(part)) {
        let entries = fs::read_dir(&programs).map_err(|e| Failure::io(&programs, &e))?;
        for program in entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()) {
            make_executable(&program)?;
        }
    }
    fs::write(&done, "").map_err(|e| Failure::io(&done, &e))?;
    Ok(inside)
}

#[cfg(unix)]
fn make_executable(program: &Path) -> Outcome {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).map_err(|e| Failure::io(program, &e))
}

#[cfg(not(unix))]
fn make_executable(_: &Path) -> Outcome {
    Ok(())
}

#[cfg(unix)]
fn link(from: &Path, to: &Path) -> Outcome {
    if !from.is_dir() {
        return Err(Failure::failed(format!("{}: no such folder", from.display())));
    }
    let from = from.canonicalize().map_err(|e| Failure::io(from, &e))?;
    // An older link may lead elsewhere.
    let _ = fs::remove_file(to);
    std::os::unix::fs::symlink(&from, to).map_err(|e| Failure::io(to, &e))
}

#[cfg(not(unix))]
fn link(from: &Path, _: &Path) -> Outcome {
    Err(Failure::failed(format!("{}: links are made on Unix only", from.display())))
}

/// `13000` from what `nvcc --version` prints: `.. release 13.0, V13.0.88`.
pub(super) fn version(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("release ")?;
    let (major, minor) = rest.split(',').next()?.trim().split_once('.')?;
    let (major, minor): (u32, u32) = (major.parse().ok()?, minor.parse().ok()?);
    Some((1000 * major + 10 * minor).to_string())
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn versions_are_read() {
        let text = "Cuda compilation tools, release 13.0, V13.0.88\nBuild cuda_13.0.r13.0";
        assert_eq!(version(text).as_deref(), Some("13000"));
        assert_eq!(version("release 12.9, V12").as_deref(), Some("12090"));
        assert_eq!(version("no compiler"), None);
    }
}
