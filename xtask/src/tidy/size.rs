//! Sizes: files, functions, `main.rs`, traits.

use super::{Finding, RustFile};

const FILE_LINES: usize = 500;
const FUNCTION_LINES: usize = 120;
const MAIN_LINES: usize = 150;
const REQUIRED_METHODS: usize = 5;

pub(super) fn check(file: &RustFile, findings: &mut Vec<Finding>) {
    let mut add = |line, rule, advice: String| findings.push(Finding::new(&file.path, line, rule, advice));
    if file.is_product {
        let lines = file.product_lines();
        if lines > FILE_LINES {
            add(1, "file-size", format!("{lines} lines without tests, at most {FILE_LINES}: split it by subject"));
        }
        if file.path.starts_with("bins/") && file.path.ends_with("/src/main.rs") && lines > MAIN_LINES {
            add(
                1,
                "main-size",
                format!("{lines} lines, at most {MAIN_LINES}: move flags to args.rs, work to a library"),
            );
        }
    }
    for f in file.source.functions() {
        if f.len() > FUNCTION_LINES {
            add(
                f.first,
                "function-size",
                format!("`{}` has {} lines, at most {FUNCTION_LINES}: split it", f.name, f.len()),
            );
        }
    }
    for (t, required) in file.source.public_traits() {
        if required > REQUIRED_METHODS {
            let advice = format!(
                "`{}` asks for {required} methods, at most {REQUIRED_METHODS}: provide some, or cut it in two",
                t.name
            );
            add(t.first, "trait-size", advice);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(path: &str, text: &str) -> Vec<(usize, &'static str)> {
        let mut findings = Vec::new();
        check(&RustFile::new(path, text), &mut findings);
        findings.iter().map(|f| (f.line, f.rule)).collect()
    }

    #[test]
    fn a_long_file_is_found_and_its_tests_do_not_count() {
        let long = "//! x\n".repeat(501);
        assert_eq!(rules("crates/a/src/b.rs", &long), [(1, "file-size")]);
        assert_eq!(rules("crates/a/tests/it/b.rs", &long), []);
        let tested = format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", "//! x\n".repeat(499), "// x\n".repeat(300));
        assert_eq!(rules("crates/a/src/b.rs", &tested), []);
    }

    #[test]
    fn a_long_main_is_found_in_bins_only() {
        let text = "//! x\n".repeat(151);
        assert_eq!(rules("bins/a/src/main.rs", &text), [(1, "main-size")]);
        assert_eq!(rules("bins/a/src/args.rs", &text), []);
    }

    #[test]
    fn a_long_function_is_found_where_it_begins() {
        let body = "    x();\n".repeat(119);
        assert_eq!(rules("crates/a/src/b.rs", &format!("//! x\nfn f() {{\n{body}}}\n")), [(2, "function-size")]);
        let body = "    x();\n".repeat(118);
        assert_eq!(rules("crates/a/src/b.rs", &format!("//! x\nfn f() {{\n{body}}}\n")), []);
    }

    #[test]
    fn a_trait_that_asks_too_much_is_found() {
        let text = format!("pub trait T {{\n{}}}\n", "    fn a(&self);\n".repeat(6));
        assert_eq!(rules("crates/a/src/b.rs", &text), [(1, "trait-size")]);
    }
}
