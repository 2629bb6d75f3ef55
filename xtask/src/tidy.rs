//! `cargo xtask tidy`: the rules of the house that no compiler checks.

mod documents;
mod layers;
mod report;
mod safety;
mod size;
mod tree;
mod words;

use crate::arrows;
use crate::failure::{Failure, Outcome};
use crate::repo::{Package, Repo};
use crate::rust_source::{RustSource, Span};

pub(crate) const HELP: &str = "\
cargo xtask tidy [--report]

Checks sizes of files, functions and traits, module docs, SAFETY texts, the arrows between crates, the files that every
package and the repository must have, fixture checksums, links of the pages, and words that must not appear.
Each finding is one line: file:line: rule: what to do.

  --report   also print median, 90th percentile and largest of each size, and test lines per code line of each package";

/// One broken rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    file: String,
    line: usize,
    rule: &'static str,
    advice: String,
}

impl Finding {
    fn new(file: &str, line: usize, rule: &'static str, advice: impl Into<String>) -> Self {
        Self { file: file.into(), line, rule, advice: advice.into() }
    }
}

/// A Rust file of the repository, read once for all rules.
pub(crate) struct RustFile {
    path: String,
    source: RustSource,
    /// Whether it stands under `src/` and is no module of tests.
    is_product: bool,
}

impl RustFile {
    fn new(path: &str, text: &str) -> Self {
        let in_src = path.contains("/src/");
        let is_tests = path.ends_with("/tests.rs") || path.contains("/tests/");
        Self { path: path.into(), source: RustSource::new(text), is_product: in_src && !is_tests }
    }

    /// Lines of a product file that are not in an inline test module.
    fn product_lines(&self) -> usize {
        let tests: usize = self.source.test_modules().iter().map(Span::len).sum();
        let all = self.source.lines.len() - usize::from(self.source.lines.last().is_some_and(String::is_empty));
        all - tests.min(all)
    }
}

pub(crate) fn run(repo: &Repo, args: &[String]) -> Outcome {
    let with_report = match args {
        [] => false,
        [flag] if flag == "--report" => true,
        _ => return Err(Failure::Usage(format!("tidy: unknown option `{}`", args.join(" ")))),
    };
    let files = repo.files()?;
    let packages = repo.packages()?;
    let rust = rust_files(repo, &files)?;
    let mut findings = check_sources(&rust, &packages);
    findings.extend(check_repository(repo, &files, &packages)?);
    findings.sort();
    findings.dedup();
    for f in &findings {
        println!("{}:{}: {}: {}", f.file, f.line, f.rule, f.advice);
    }
    if with_report {
        report::print(&rust, &packages);
    }
    if findings.is_empty() {
        println!("tidy: {} files, {} packages, nothing to do", files.len(), packages.len());
        Ok(())
    } else {
        Err(Failure::failed(format!("tidy: {} findings", findings.len())))
    }
}

fn rust_files(repo: &Repo, files: &[String]) -> Outcome<Vec<RustFile>> {
    files.iter().filter(|f| f.ends_with(".rs")).map(|f| Ok(RustFile::new(f, &repo.read(f)?))).collect()
}

fn check_sources(rust: &[RustFile], packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in rust {
        size::check(file, &mut findings);
        safety::check(file, &mut findings);
        words::check_rust(file, &mut findings);
        tree::check_module_docs(file, &mut findings);
        tree::check_file_name(&file.path, &mut findings);
    }
    safety::check_roots(rust, packages, &mut findings);
    findings
}

fn check_repository(repo: &Repo, files: &[String], packages: &[Package]) -> Outcome<Vec<Finding>> {
    let mut findings = Vec::new();
    let architecture = repo.read(arrows::PAGE).unwrap_or_default();
    layers::check(packages, &architecture, &mut findings);
    arrows_are_current(packages, &architecture, &mut findings);
    tree::check_entries(files, &mut findings);
    tree::check_packages(packages, files, &mut findings);
    tree::check_front_page(packages, &repo.read("README.md").unwrap_or_default(), &mut findings);
    for path in files {
        if words::is_text(path) {
            words::check_text(path, &repo.read(path)?, &mut findings);
        }
        if path.ends_with(".md") {
            documents::check_links(
                path,
                &repo.read(path)?,
                &|f| repo.read(f).ok(),
                &|f| repo.path(f).exists(),
                &mut findings,
            );
        }
    }
    documents::check_fixtures(
        files,
        &repo.read("fixtures/README.md").unwrap_or_default(),
        &|f| std::fs::read(repo.path(f)).ok(),
        &mut findings,
    );
    Ok(findings)
}

fn arrows_are_current(packages: &[Package], architecture: &str, findings: &mut Vec<Finding>) {
    if arrows::committed(architecture) != Some(arrows::map(packages).as_str()) {
        let advice = "the crate map is not what the manifests say: run `cargo xtask arrows --write`";
        findings.push(Finding::new(arrows::PAGE, 1, "arrows", advice));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Manifest;

    #[test]
    fn a_stale_or_missing_map_is_found() {
        let text = "[package]\nname = \"volkit-core\"\n";
        let packages = [Package { folder: "crates/core".into(), manifest: Manifest::parse(text) }];
        let count = |page: &str| {
            let mut findings = Vec::new();
            arrows_are_current(&packages, page, &mut findings);
            findings.len()
        };
        let page = |map: &str| format!("<!-- arrows:begin -->\n```text\n{map}```\n<!-- arrows:end -->\n");
        assert_eq!(count(&page(&arrows::map(&packages))), 0);
        assert_eq!(count(&page("volkit-core -> volkit-io\n")), 1);
        assert_eq!(count("no map"), 1);
    }

    #[test]
    fn rules_for_sources_reach_every_file() {
        let rust = [RustFile::new("crates/a/src/utils.rs", "fn f() {\n    unsafe { g() }\n}\n")];
        let mut rules: Vec<&str> = check_sources(&rust, &[]).iter().map(|f| f.rule).collect();
        rules.sort_unstable();
        assert_eq!(rules, ["file-name", "module-docs", "safety"]);
    }

    #[test]
    fn inline_tests_are_no_product_lines() {
        let text = "//! x\nfn f() {}\n#[cfg(test)]\nmod tests {\n    fn g() {}\n}\n";
        assert_eq!(RustFile::new("crates/a/src/b.rs", text).product_lines(), 3);
        assert!(!RustFile::new("crates/a/src/b/tests.rs", text).is_product);
        assert!(!RustFile::new("crates/a/tests/it/b.rs", text).is_product);
    }
}
