//! Archives that stand for NVIDIA's shared libraries and open them when a function is called for the first time.
//!
//! Each function is one jump through a slot. Until it was called, the slot leads to code that keeps the arguments, opens
//! the library, looks the function up, stores it in the slot and jumps there. Where the library or the function is
//! missing, the call returns what that library's functions return for it, or null where they return no status; nothing
//! is stored then.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, Outcome};
use crate::process;
use crate::repo::Repo;

/// A library that is opened late.
struct Library {
    /// Name of the archive without `lib` and `.a`.
    name: &'static str,
    /// Module of the crate cudarc that declares its functions.
    module: &'static str,
    /// Names of the shared library, the best first.
    files: &'static [&'static str],
    /// Type that its functions return.
    status: &'static str,
    /// What of that type says that the library is not there.
    absent: u32,
}

const LIBRARIES: [Library; 5] = [
    // CUDA_ERROR_STUB_LIBRARY
    Library { name: "cuda", module: "driver", files: &["libcuda.so.1", "libcuda.so"], status: "CUresult", absent: 34 },
    // CUBLAS_STATUS_NOT_INITIALIZED
    Library {
        name: "cublas",
        module: "cublas",
        files: &["libcublas.so.13", "libcublas.so.12", "libcublas.so"],
        status: "cublasStatus_t",
        absent: 1,
    },
    Library {
        name: "cublasLt",
        module: "cublaslt",
        files: &["libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so"],
        status: "cublasStatus_t",
        absent: 1,
    },
    // CURAND_STATUS_NOT_INITIALIZED
    Library {
        name: "curand",
        module: "curand",
        files: &["libcurand.so.10", "libcurand.so"],
        status: "curandStatus_t",
        absent: 101,
    },
    // NVRTC_ERROR_INTERNAL_ERROR
    Library {
        name: "nvrtc",
        module: "nvrtc",
        files: &["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"],
        status: "nvrtcResult",
        absent: 11,
    },
];

/// A function and whether it returns the library's status.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Function {
    name: String,
    is_status: bool,
}

/// Writes `lib<name>.a` for every library into `folder`.
pub(super) fn build(repo: &Repo, folder: &Path) -> Outcome {
    let cudarc = cudarc_folder(repo)?;
    for library in &LIBRARIES {
        let source = cudarc.join("src").join(library.module).join("sys/mod.rs");
        let text = fs::read_to_string(&source).map_err(|e| Failure::io(&source, &e))?;
        let functions = functions(&text, library.status);
        if functions.is_empty() {
            return Err(Failure::failed(format!("{}: declares no functions", source.display())));
        }
        archive(library, &functions, folder)?;
        println!("lib{}.a: {} functions", library.name, functions.len());
    }
    Ok(())
}

/// Where cargo keeps the sources of the crate that declares the functions.
fn cudarc_folder(repo: &Repo) -> Outcome<PathBuf> {
    let manifest = repo.path("Cargo.toml");
    let args = ["metadata", "--format-version", "1", "--all-features", "--manifest-path", &*manifest.to_string_lossy()];
    let metadata = process::output_of("cargo", &args).unwrap_or_default();
    let manifests = metadata.split("\"manifest_path\":\"").skip(1).filter_map(|rest| rest.split('"').next());
    let found = manifests
        .map(Path::new)
        .filter_map(Path::parent)
        .find(|folder| folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with("cudarc-")));
    found.map(Path::to_path_buf).ok_or_else(|| Failure::failed("`cargo metadata` knows no package cudarc"))
}

/// The C functions that a module of cudarc declares: `pub unsafe fn NAME(..) -> TYPE {`. What it has of its own is
/// no function of C, and is told by its name.
fn functions(text: &str, status: &str) -> Vec<Function> {
    const OWN: [&str; 2] = ["culib", "is_culib_present"];
    let mut found: Vec<Function> = text
        .split("pub unsafe fn ")
        .skip(1)
        .filter_map(|rest| {
            let name = rest.split(['(', '<']).next()?.trim();
            let signature = rest.split(['{', ';']).next()?;
            let result = signature.rsplit_once("->").map_or("", |(_, result)| result.trim());
            let is_plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            let is_c = is_plain && !OWN.contains(&name);
            is_c.then(|| Function { name: name.to_owned(), is_status: result == status })
        })
        .collect();
    found.sort();
    found.dedup_by(|a, b| a.name == b.name);
    found
}

fn archive(library: &Library, functions: &[Function], folder: &Path) -> Outcome {
    let path = |suffix: &str| folder.join(format!("{}{suffix}", library.name));
    let write = |path: &Path, text: String| fs::write(path, text).map_err(|e| Failure::io(path, &e));
    let (jumps, resolver) = (path("_jumps.S"), path("_resolve.c"));
    write(&jumps, assembly(library.name, functions))?;
    write(&resolver, resolve(library, functions))?;
    let (jumps_o, resolver_o) = (path("_jumps.o"), path("_resolve.o"));
    for (source, object) in [(&jumps, &jumps_o), (&resolver, &resolver_o)] {
        process::run(Command::new("cc").args(["-c", "-fPIC", "-O2"]).arg(source).arg("-o").arg(object))?;
    }
    let archive = folder.join(format!("lib{}.a", library.name));
    let _ = fs::remove_file(&archive);
    process::run(Command::new("ar").arg("crs").arg(&archive).args([&jumps_o, &resolver_o]))?;
    for file in [jumps, resolver, jumps_o, resolver_o] {
        fs::remove_file(&file).map_err(|e| Failure::io(&file, &e))?;
    }
    Ok(())
}

/// The jumps, the slots, and what runs before a function is known: all registers that may hold arguments are kept (System V,
/// x86-64) while `NAME_lazy_resolve(index)` tells where to go. The stack stays aligned to 16 bytes: return address and index,
/// six registers, 128 bytes.
fn assembly(name: &str, functions: &[Function]) -> String {
    let integers = ["rdi", "rsi", "rdx", "rcx", "r8", "r9"];
    let mut text = format!(".text\n.type {name}_first,@function\n{name}_first:\n");
    for register in integers {
        let _ = writeln!(text, "    pushq %{register}");
    }
    text.push_str("    subq $128,%rsp\n");
    for k in 0..8 {
        let _ = writeln!(text, "    movups %xmm{k},{}(%rsp)", 16 * k);
    }
    let _ = writeln!(text, "    movq 176(%rsp),%rdi\n    call {name}_lazy_resolve");
    for k in 0..8 {
        let _ = writeln!(text, "    movups {}(%rsp),%xmm{k}", 16 * k);
    }
    text.push_str("    addq $128,%rsp\n");
    for register in integers.iter().rev() {
        let _ = writeln!(text, "    popq %{register}");
    }
    text.push_str("    addq $8,%rsp\n    jmp *%rax\n");
    for (index, Function { name: function, .. }) in functions.iter().enumerate() {
        let _ = writeln!(text, ".globl {function}\n.type {function},@function\n{function}:");
        let _ = writeln!(text, "    jmp *{name}_slots+{}(%rip)", 8 * index);
        let _ = writeln!(text, "{name}_first_{index}:\n    pushq ${index}\n    jmp {name}_first");
    }
    let _ = writeln!(text, ".data\n.balign 8\n.hidden {name}_slots\n.globl {name}_slots\n{name}_slots:");
    for index in 0..functions.len() {
        let _ = writeln!(text, "    .quad {name}_first_{index}");
    }
    text.push_str(".section .note.GNU-stack,\"\",@progbits\n");
    text
}

/// The C half: opens the library once, looks functions up, and has what stands for missing ones.
fn resolve(library: &Library, functions: &[Function]) -> String {
    let Library { name, files, absent, .. } = library;
    let list = |texts: Vec<String>| texts.join(",");
    let files = list(files.iter().map(|file| format!("\"{file}\"")).collect());
    let names = list(functions.iter().map(|f| format!("\"{}\"", f.name)).collect());
    let kinds = list(functions.iter().map(|f| u8::from(f.is_status).to_string()).collect());
    format!(
        r#"#include <dlfcn.h>
#include <stddef.h>
extern void *{name}_slots[] __attribute__((visibility("hidden")));
static const char *const files[] = {{{files}, 0}};
static const char *const names[] = {{{names}}};
static const unsigned char is_status[] = {{{kinds}}};
static long absent_status(void) {{ return {absent}; }}
static long absent_other(void) {{ return 0; }}
static void *open_library(void) {{
    static void *library;
    static int is_tried;
    if (__atomic_load_n(&is_tried, __ATOMIC_ACQUIRE)) return __atomic_load_n(&library, __ATOMIC_ACQUIRE);
    void *found = 0;
    for (size_t k = 0; files[k] && !found; k++) found = dlopen(files[k], RTLD_NOW | RTLD_LOCAL);
    /* Two threads may come here: both open the same library. */
    __atomic_store_n(&library, found, __ATOMIC_RELEASE);
    __atomic_store_n(&is_tried, 1, __ATOMIC_RELEASE);
    return found;
}}
__attribute__((visibility("hidden"))) void *{name}_lazy_resolve(size_t index) {{
    void *library = open_library();
    void *function = library ? dlsym(library, names[index]) : 0;
    if (!function) return is_status[index] ? (void *)absent_status : (void *)absent_other;
    __atomic_store_n(&{name}_slots[index], function, __ATOMIC_RELEASE);
    return function;
}}
"#
    )
}

#[cfg(test)]
mod tests;
