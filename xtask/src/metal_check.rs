//! `cargo xtask metal-check`: what has a feature `metal`, type-checked for macOS on a Linux machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, Outcome};
use crate::process;
use crate::repo::{Package, Repo};

pub(crate) const HELP: &str = "\
cargo xtask metal-check [PACKAGE..]

Runs `cargo check --target aarch64-apple-darwin` with the feature metal on every package that has it, or on those named.
rustup has no standard library of macOS for Linux: it is checked from its sources with Debian's rustc-web and
rust-web-src, which belong together. Installs these when run by root on Debian, else says how.

Nothing is linked and nothing runs: this finds what does not compile for a Mac, not what computes wrongly there. C code of
dependencies is not compiled: a script stands for its compiler.";

const TARGET: &str = "aarch64-apple-darwin";
const RUSTC: &str = "/usr/bin/rustc";
const PACKAGES: [&str; 2] = ["rustc-web", "rust-web-src"];

/// Stands for a C compiler: makes the file behind `-o`, and says nothing else.
const COMPILER: &str = "#!/bin/sh\nwhile [ $# -gt 0 ]; do\n  if [ \"$1\" = -o ]; then : > \"$2\"; fi\n  shift\ndone\n";
/// Stands for an archiver: makes each archive that is named.
const ARCHIVER: &str = "#!/bin/sh\nfor a in \"$@\"; do\n  case \"$a\" in *.a) : > \"$a\" ;; esac\ndone\n";

pub(crate) fn run(repo: &Repo, args: &[String]) -> Outcome {
    let packages = repo.packages()?;
    let names = chosen(&packages, "metal", args)?;
    if !has_sources() {
        install()?;
    }
    println!("{}", process::output_of(RUSTC, &["--version"]).unwrap_or_default().trim());
    let target = repo.target_dir()?.join("metal");
    let tools = target.join("tools");
    fs::create_dir_all(&tools).map_err(|e| Failure::io(&tools, &e))?;
    let [compiler, archiver] = [script(&tools, "cc", COMPILER)?, script(&tools, "ar", ARCHIVER)?];
    let mut command = repo.cargo(&["check", "-Zbuild-std=std,panic_abort", "--target", TARGET, "--target-dir"]);
    command.arg(&target).args(names.iter().flat_map(|name| ["-p", name]));
    let features: Vec<String> = names.iter().map(|name| format!("{name}/metal")).collect();
    command.args(["--features", &features.join(",")]);
    let of_target = TARGET.replace('-', "_");
    command
        .env("RUSTC", RUSTC)
        // The flags for a standard library from sources are those of a nightly compiler.
        .env("RUSTC_BOOTSTRAP", "1")
        .env(format!("CC_{of_target}"), &compiler)
        .env(format!("CXX_{of_target}"), &compiler)
        .env(format!("AR_{of_target}"), &archiver)
        .env("SDKROOT", &tools)
        .env_remove("RUSTC_WRAPPER")
        .env_remove("RUSTC_WORKSPACE_WRAPPER");
    process::run(&mut command)?;
    println!("metal-check: {} packages: {}", names.len(), names.join(" "));
    Ok(())
}

/// The packages named, or all that have the feature.
pub(crate) fn chosen<'a>(packages: &'a [Package], feature: &str, args: &'a [String]) -> Outcome<Vec<&'a str>> {
    let has_it = |package: &&Package| package.manifest.features().contains(&feature);
    let all: Vec<&str> = packages.iter().filter(has_it).map(Package::name).collect();
    if let Some(other) = args.iter().find(|arg| !all.contains(&arg.as_str())) {
        let known = all.join(", ");
        return Err(Failure::Usage(format!("`{other}` is no package with a feature {feature} ({known})")));
    }
    Ok(if args.is_empty() { all } else { args.iter().map(String::as_str).collect() })
}

/// Whether the compiler is there with the sources of its own standard library.
fn has_sources() -> bool {
    process::output_of(RUSTC, &["--print", "sysroot"])
        .is_some_and(|sysroot| Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/Cargo.lock").is_file())
}

fn install() -> Outcome {
    let by_hand = format!(
        "the standard library's sources of {RUSTC} are missing. On Debian 12 or later: apt-get update && apt-get install \
         --no-install-recommends {}",
        PACKAGES.join(" ")
    );
    let is_root = process::output_of("id", &["-u"]).is_some_and(|id| id.trim() == "0");
    if !is_root || process::output_of("apt-get", &["--version"]).is_none() {
        return Err(Failure::failed(by_hand));
    }
    println!("installing {}", PACKAGES.join(" "));
    process::run(Command::new("apt-get").args(["update", "-q"]))?;
    let mut command = Command::new("apt-get");
    command
        .args(["install", "-q", "-y", "--no-install-recommends"])
        .args(PACKAGES)
        .env("DEBIAN_FRONTEND", "noninteractive");
    process::run(&mut command)?;
    if has_sources() { Ok(()) } else { Err(Failure::failed(by_hand)) }
}

/// Writes a program for the shell.
pub(crate) fn script(folder: &Path, name: &str, text: &str) -> Outcome<PathBuf> {
    let path = folder.join(name);
    fs::write(&path, text).map_err(|e| Failure::io(&path, &e))?;
    process::run(Command::new("chmod").arg("+x").arg(&path))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{ARCHIVER, COMPILER, chosen, script};
    use crate::manifest::Manifest;
    use crate::repo::Package;

    #[test]
    fn packages_with_the_feature_are_found() {
        let package = |name: &str, feature: &str| Package {
            folder: "crates/a".into(),
            manifest: Manifest::parse(&format!("[package]\nname = \"{name}\"\n[features]\n{feature} = []\n")),
        };
        let packages = [package("a", "metal"), package("b", "cuda"), package("c", "metal")];
        assert_eq!(chosen(&packages, "metal", &[]).unwrap(), ["a", "c"]);
        assert_eq!(chosen(&packages, "cuda", &[]).unwrap(), ["b"]);
        assert_eq!(chosen(&packages, "metal", &["c".to_owned()]).unwrap(), ["c"]);
        assert!(chosen(&packages, "metal", &["b".to_owned()]).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn scripts_stand_for_compiler_and_archiver() {
        let folder = std::env::temp_dir().join(format!("volkit-metal-check-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let [compiler, archiver] = [script(&folder, "cc", COMPILER).unwrap(), script(&folder, "ar", ARCHIVER).unwrap()];
        let run = |command: &mut Command| assert!(command.current_dir(&folder).status().unwrap().success());
        run(Command::new(compiler).args(["-O2", "-c", "a.c", "-o", "a.o"]));
        run(Command::new(archiver).args(["cq", "liba.a", "a.o"]));
        assert!(folder.join("a.o").is_file() && folder.join("liba.a").is_file());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
