//! What must exist, and what must not: top-level entries, files of a package, names, module docs.

use super::{Finding, RustFile};
use crate::repo::Package;

const TOP_LEVEL: &[&str] = &[
    ".cargo",
    ".ci",
    ".gitignore",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "benches",
    "bins",
    "clippy.toml",
    "crates",
    "docs",
    "fixtures",
    "rustfmt.toml",
    "xtask",
];
const EMPTY_NAMES: &[&str] = &["utils", "util", "helpers", "helper", "common", "misc"];
const METADATA: &[&str] =
    &["name", "description", "version", "edition", "rust-version", "license", "authors", "keywords", "categories"];

/// Nothing at the top that was not agreed on.
pub(super) fn check_entries(files: &[String], findings: &mut Vec<Finding>) {
    for path in files {
        let top = path.split('/').next().unwrap_or_default();
        if !TOP_LEVEL.contains(&top) {
            findings.push(Finding::new(
                path,
                1,
                "top-level",
                format!("`{top}` has no place at the top of the repository: move it"),
            ));
        }
    }
}

/// Every package has its metadata and lints; a library has a page and an example.
pub(super) fn check_packages(packages: &[Package], files: &[String], findings: &mut Vec<Finding>) {
    let mut examples: Vec<(&str, &str)> = Vec::new();
    for package in packages {
        let manifest = package.file("Cargo.toml");
        let mut add = |advice: String| findings.push(Finding::new(&manifest, 1, "package", advice));
        for key in METADATA.iter().filter(|key| !package.manifest.has("package", key)) {
            add(format!("`[package]` lacks `{key}`"));
        }
        if package.manifest.value("lints", "workspace") != Some("true") {
            add("write `[lints]` with `workspace = true`".into());
        }
        let is_tool = !package.folder.starts_with("crates/") && !package.folder.starts_with("bins/");
        if package.is_publishable() == is_tool {
            add(format!("`publish = false` belongs to benches and xtask only, here it is {is_tool}"));
        }
        if !package.folder.starts_with("crates/") {
            continue;
        }
        if !files.contains(&package.file("README.md")) {
            add("write README.md: problem, one-minute example, features".into());
        }
        let prefix = package.file("examples/");
        let own = files.iter().filter(|f| f.ends_with(".rs")).filter_map(|f| f.strip_prefix(&prefix));
        let own: Vec<&str> = own.collect();
        if own.is_empty() {
            add("write a runnable example in examples/".into());
        }
        for name in own {
            if let Some((other, _)) = examples.iter().find(|(_, n)| *n == name) {
                add(format!("the example {name} has the name of one of {other}: both would be built to one file"));
            }
            examples.push((&package.folder, name));
        }
    }
}

/// The front page lists what people can use.
pub(super) fn check_front_page(packages: &[Package], readme: &str, findings: &mut Vec<Finding>) {
    for package in packages.iter().filter(|p| p.is_publishable()) {
        if !readme.contains(&format!("`{}`", package.name())) {
            let advice = format!("`{}` is in none of the tables: add a row", package.name());
            findings.push(Finding::new("README.md", 1, "front-page", advice));
        }
    }
}

/// A module file says what it is.
pub(super) fn check_module_docs(file: &RustFile, findings: &mut Vec<Finding>) {
    let first = file.source.lines.iter().map(|l| l.trim()).find(|l| !l.is_empty());
    if !first.is_some_and(|l| l.starts_with("//!")) {
        findings.push(Finding::new(&file.path, 1, "module-docs", "begin with `//!`: what this file is about"));
    }
}

/// A file's name tells its subject.
pub(super) fn check_file_name(path: &str, findings: &mut Vec<Finding>) {
    let stem_of = |part: &str| part.strip_suffix(".rs").unwrap_or(part).to_owned();
    if path.split('/').map(stem_of).any(|s| EMPTY_NAMES.contains(&s.as_str())) {
        findings.push(Finding::new(path, 1, "file-name", "name the file by its subject"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Manifest;

    const GOOD: &str = "[package]\nname = \"volkit-a\"\ndescription = \"a\"\nversion.workspace = true\nedition.workspace = true\n\
        rust-version.workspace = true\nlicense.workspace = true\nauthors.workspace = true\nkeywords.workspace = true\n\
        categories.workspace = true\n[lints]\nworkspace = true\n";

    fn package(folder: &str, manifest: &str) -> Package {
        Package { folder: folder.into(), manifest: Manifest::parse(manifest) }
    }

    fn advice(packages: &[Package], files: &[&str]) -> Vec<String> {
        let files: Vec<String> = files.iter().map(|f| (*f).to_owned()).collect();
        let mut findings = Vec::new();
        check_packages(packages, &files, &mut findings);
        findings.into_iter().map(|f| f.advice).collect()
    }

    #[test]
    fn a_whole_package_passes_and_each_missing_part_is_named() {
        let files = ["crates/a/README.md", "crates/a/examples/one.rs"];
        assert_eq!(advice(&[package("crates/a", GOOD)], &files), Vec::<String>::new());
        assert_eq!(advice(&[package("crates/a", GOOD)], &[]).len(), 2);
        let no_keywords = GOOD.replace("keywords.workspace = true\n", "");
        assert_eq!(advice(&[package("crates/a", &no_keywords)], &files), ["`[package]` lacks `keywords`"]);
        let no_lints = GOOD.replace("[lints]\n", "[other]\n");
        assert_eq!(advice(&[package("crates/a", &no_lints)], &files).len(), 1);
        let hidden = GOOD.replace("name =", "publish = false\nname =");
        assert_eq!(advice(&[package("crates/a", &hidden)], &files).len(), 1);
        assert_eq!(advice(&[package("benches/a", &hidden)], &[]), Vec::<String>::new());
        assert_eq!(advice(&[package("benches/a", GOOD)], &[]).len(), 1);
    }

    #[test]
    fn two_examples_of_one_name_are_found() {
        let files =
            ["crates/a/README.md", "crates/a/examples/one.rs", "crates/b/README.md", "crates/b/examples/one.rs"];
        let packages = [package("crates/a", GOOD), package("crates/b", GOOD)];
        assert_eq!(advice(&packages, &files).len(), 1);
    }

    #[test]
    fn a_package_that_the_front_page_forgets_is_found() {
        let mut findings = Vec::new();
        let packages = [package("crates/a", GOOD), package("benches/b", "[package]\nname = \"b\"\npublish = false\n")];
        check_front_page(&packages, "| `volkit-b` |", &mut findings);
        assert_eq!(findings.len(), 1);
        check_front_page(&packages, "| [`volkit-a`](crates/a/README.md) |", &mut findings);
        assert_eq!(findings.len(), 1);
    }

    #[test]
    fn strangers_at_the_top_are_found() {
        let mut findings = Vec::new();
        check_entries(&["crates/a/x.rs".into(), "notes.txt".into(), "scripts/x.sh".into()], &mut findings);
        assert_eq!(findings.iter().map(|f| f.file.as_str()).collect::<Vec<_>>(), ["notes.txt", "scripts/x.sh"]);
    }

    #[test]
    fn a_file_without_docs_or_subject_is_found() {
        let mut findings = Vec::new();
        check_module_docs(&RustFile::new("a.rs", "// not a doc\nfn f() {}\n"), &mut findings);
        check_module_docs(&RustFile::new("b.rs", "\n//! doc\n"), &mut findings);
        check_module_docs(&RustFile::new("c.rs", ""), &mut findings);
        check_file_name("crates/a/src/utils.rs", &mut findings);
        check_file_name("crates/a/src/common/x.rs", &mut findings);
        check_file_name("crates/a/src/uncommon.rs", &mut findings);
        let found: Vec<_> = findings.iter().map(|f| (f.file.as_str(), f.rule)).collect();
        let expected = [
            ("a.rs", "module-docs"),
            ("c.rs", "module-docs"),
            ("crates/a/src/utils.rs", "file-name"),
            ("crates/a/src/common/x.rs", "file-name"),
        ];
        assert_eq!(found, expected);
    }
}
