//! `unsafe`: where it may stand and what must be written beside it.

use super::{Finding, RustFile};
use crate::repo::Package;

/// Packages whose crate root does not forbid `unsafe`, and why.
const MAY_USE_UNSAFE: &[(&str, &str)] = &[("volkit-kernels", "SIMD intrinsics")];

/// One proof for the many one-line blocks of a `Lane`-like impl, written above it.
const FOR_ALL: &str = "SAFETY of every block below";

pub(super) fn check(file: &RustFile, findings: &mut Vec<Finding>) {
    let impls = file.source.trait_impls();
    let covered = |line| impls.iter().any(|i| i.contains(line) && has_comment_above(file, i.first, FOR_ALL));
    for (line, next) in file.source.unsafe_sites() {
        let advice = match next.as_str() {
            "{" if !covered(line) && !has_comment_above(file, line, "SAFETY:") => {
                "write `// SAFETY:` above the block: why each requirement holds"
            }
            "impl" if !has_comment_above(file, line, "SAFETY:") => {
                "write `// SAFETY:` above the impl: why the promise holds"
            }
            // The requirements of a trait's method are stated by the trait.
            "fn" if !impls.iter().any(|i| i.contains(line)) && !has_comment_above(file, line, "# Safety") => {
                "write a `# Safety` section: what the caller must make sure of"
            }
            _ => continue,
        };
        findings.push(Finding::new(&file.path, line, "safety", advice));
    }
}

/// Looks upwards through comments, attributes and the beginning of the same statement.
fn has_comment_above(file: &RustFile, line: usize, wanted: &str) -> bool {
    if file.source.lines[line - 1].contains(wanted) {
        return true;
    }
    for at in (0..line - 1).rev() {
        let text = file.source.lines[at].trim();
        if text.starts_with("//") || text.starts_with("#[") || text.starts_with("#![") {
            if text.contains(wanted) {
                return true;
            }
        } else if text.is_empty() || text.ends_with([';', '}', '{']) {
            return false;
        }
    }
    false
}

/// Crate roots say `#![forbid(unsafe_code)]`.
pub(super) fn check_roots(rust: &[RustFile], packages: &[Package], findings: &mut Vec<Finding>) {
    for package in packages.iter().filter(|p| !MAY_USE_UNSAFE.iter().any(|(name, _)| *name == p.name())) {
        for root in ["src/lib.rs", "src/main.rs"].map(|r| package.file(r)) {
            if let Some(file) = rust.iter().find(|f| f.path == root)
                && !file.source.code.iter().any(|l| l.trim() == "#![forbid(unsafe_code)]")
            {
                findings.push(Finding::new(
                    &root,
                    1,
                    "unsafe-root",
                    "write `#![forbid(unsafe_code)]` in the crate root",
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Manifest;

    fn lines(text: &str) -> Vec<usize> {
        let mut findings = Vec::new();
        check(&RustFile::new("crates/a/src/b.rs", text), &mut findings);
        findings.iter().map(|f| f.line).collect()
    }

    #[test]
    fn a_block_without_its_proof_is_found() {
        assert_eq!(lines("fn f() {\n    unsafe { g() };\n}\n"), [2]);
        assert_eq!(lines("fn f() {\n    // SAFETY: g has no requirement.\n    unsafe { g() };\n}\n"), []);
        assert_eq!(lines("fn f() {\n    // SAFETY: holds.\n    let x = a +\n        unsafe { g() };\n}\n"), []);
        // A proof belongs to one block, not to the next one too.
        assert_eq!(lines("fn f() {\n    // SAFETY: holds.\n    unsafe { g() };\n    unsafe { h() };\n}\n"), [4]);
    }

    #[test]
    fn one_proof_above_an_impl_covers_its_blocks() {
        let body = "impl T for X {\n    fn f() {\n        unsafe { g() }\n    }\n}\n";
        assert_eq!(lines(body), [3]);
        assert_eq!(lines(&format!("// SAFETY of every block below: g asks for nothing.\n#[allow(x)]\n{body}")), []);
        assert_eq!(lines(&format!("// SAFETY: this is about something else.\n{body}")), [4]);
    }

    #[test]
    fn an_unsafe_function_without_its_contract_is_found() {
        assert_eq!(lines("/// Adds.\npub unsafe fn f() {}\n"), [2]);
        assert_eq!(lines("/// Adds.\n///\n/// # Safety\n/// AVX2.\n#[inline]\npub unsafe fn f() {}\n"), []);
        assert_eq!(lines("impl T for X {\n    unsafe fn f() {}\n}\n"), []);
        assert_eq!(lines("impl X {\n    unsafe fn f() {}\n}\n"), [2]);
        assert_eq!(lines("unsafe impl Send for X {}\n"), [1]);
    }

    #[test]
    fn a_root_that_allows_unsafe_is_found() {
        let package = |name| Package {
            folder: "crates/a".into(),
            manifest: Manifest::parse(&format!("[package]\nname = \"{name}\"\n")),
        };
        let count = |name, text| {
            let mut findings = Vec::new();
            check_roots(&[RustFile::new("crates/a/src/lib.rs", text)], &[package(name)], &mut findings);
            findings.len()
        };
        assert_eq!(count("volkit-io", "//! x\n"), 1);
        assert_eq!(count("volkit-io", "//! x\n// #![forbid(unsafe_code)]\n"), 1);
        assert_eq!(count("volkit-io", "//! x\n#![forbid(unsafe_code)]\n"), 0);
        assert_eq!(count("volkit-kernels", "//! x\n"), 0);
    }
}
