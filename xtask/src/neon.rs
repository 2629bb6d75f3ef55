//! `cargo xtask neon`: the kernels' tests built for 64-bit Arm and run under qemu on an x86-64 Debian.

use std::process::Command;

use crate::failure::{Failure, Outcome};
use crate::process;
use crate::repo::Repo;

pub(crate) const HELP: &str = "\
cargo xtask neon [--debug] [-- TEST-ARGUMENTS]

Builds the tests of volkit-kernels (without the feature rayon) for aarch64-unknown-linux-gnu with Debian's rustc-web, and
runs them under qemu-user. Installs the packages it needs when run by root on Debian, else says which are missing.
The test programs are linked statically: threads of dynamically linked ones hang under qemu 7.2.

  --debug   the test profile instead of the release profile";

const TARGET: &str = "aarch64-unknown-linux-gnu";
const RUSTC: &str = "/usr/bin/rustc";
const LINKER: &str = "aarch64-linux-gnu-gcc";
const EMULATOR: &str = "qemu-aarch64-static";
const PACKAGES: &[&str] =
    &["rustc-web", "libstd-rust-web-dev:arm64", "gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross", "qemu-user-static"];

pub(crate) fn run(repo: &Repo, args: &[String]) -> Outcome {
    let (own, tests) = args.split_at(args.iter().position(|a| a == "--").unwrap_or(args.len()));
    let is_debug = match own {
        [] => false,
        [flag] if flag == "--debug" => true,
        _ => return Err(Failure::Usage(format!("neon: unknown option `{}`", own.join(" ")))),
    };
    if let Some(missing) = missing_tool() {
        install(missing)?;
    }
    println!("{}", process::output_of(RUSTC, &["--version"]).unwrap_or_default().trim());
    let mut command =
        repo.cargo(&["test", "-p", "volkit-kernels", "--no-default-features", "--lib", "--tests", "--no-fail-fast"]);
    command.args(["--target", TARGET, "--target-dir"]).arg(repo.target_dir()?.join("neon"));
    if !is_debug {
        command.arg("--release");
    }
    command.args(tests);
    let variable = |suffix: &str| format!("CARGO_TARGET_{}_{suffix}", TARGET.to_uppercase().replace('-', "_"));
    command
        .env("RUSTC", RUSTC)
        .env(variable("LINKER"), LINKER)
        .env(variable("RUNNER"), EMULATOR)
        .env(variable("RUSTFLAGS"), "-Ctarget-feature=+crt-static")
        // Thin LTO would be repeated for each test program.
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        // rustup's clippy and rustdoc wrappers must not meet another compiler's metadata.
        .env_remove("RUSTC_WRAPPER")
        .env_remove("RUSTC_WORKSPACE_WRAPPER");
    process::run(&mut command)
}

/// The first program or library that is not there.
fn missing_tool() -> Option<&'static str> {
    let runs = |program| process::output_of(program, &["--version"]).is_some();
    let libraries = process::output_of(RUSTC, &["--print", "target-libdir", "--target", TARGET]);
    let has_std = libraries.is_some_and(|folder| {
        let mut entries = std::fs::read_dir(folder.trim()).into_iter().flatten().flatten();
        entries.any(|e| e.file_name().to_string_lossy().starts_with("libstd-"))
    });
    let found =
        [(runs(RUSTC), RUSTC), (has_std, "libstd for aarch64"), (runs(LINKER), LINKER), (runs(EMULATOR), EMULATOR)];
    found.iter().find(|(is_there, _)| !is_there).map(|(_, name)| *name)
}

fn install(missing: &str) -> Outcome {
    let by_hand = format!(
        "{missing} is missing. On Debian 12 or later: dpkg --add-architecture arm64 && apt-get update && \
         apt-get install --no-install-recommends {}",
        PACKAGES.join(" ")
    );
    let is_root = process::output_of("id", &["-u"]).is_some_and(|id| id.trim() == "0");
    if !is_root || process::output_of("apt-get", &["--version"]).is_none() {
        return Err(Failure::failed(by_hand));
    }
    println!("{missing} is missing: installing {}", PACKAGES.join(" "));
    process::run(Command::new("dpkg").args(["--add-architecture", "arm64"]))?;
    process::run(Command::new("apt-get").args(["update", "-q"]))?;
    let mut command = Command::new("apt-get");
    command
        .args(["install", "-q", "-y", "--no-install-recommends"])
        .args(PACKAGES)
        .env("DEBIAN_FRONTEND", "noninteractive");
    process::run(&mut command)?;
    missing_tool()
        .map_or(Ok(()), |still| Err(Failure::failed(format!("{still} is still missing after the installation"))))
}
