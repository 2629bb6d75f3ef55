//! `tidy --report`: where the sizes stand against the aims.

use super::RustFile;
use crate::repo::Package;

/// Calls that end the program when they fail.
const PANICKING: &[&str] = &[".unwrap()", ".expect(", "panic!(", "unreachable!("];

pub(super) fn print(rust: &[RustFile], packages: &[Package]) {
    let product: Vec<&RustFile> = rust.iter().filter(|f| f.is_product).collect();
    print_sizes("lines in a file", product.iter().map(|f| f.product_lines()).collect());
    let functions = product.iter().flat_map(|f| {
        let tests = f.source.test_modules();
        f.source.functions().into_iter().filter(move |s| !tests.iter().any(|t| t.contains(s.first)))
    });
    print_sizes("lines in a function", functions.map(|s| s.len()).collect());
    println!("{:<24} {:>6} {:>6} {:>6} {:>9}", "package", "code", "tests", "ratio", "panics/1k");
    for package in packages {
        let prefix = package.file("");
        let own: Vec<&RustFile> = rust.iter().filter(|f| f.path.starts_with(&prefix)).collect();
        let code: usize = own.iter().filter(|f| f.is_product).map(|f| f.product_lines()).sum();
        let all: usize = own.iter().filter(|f| !f.path.contains("/examples/")).map(|f| f.source.lines.len() - 1).sum();
        let panics: usize = own.iter().filter(|f| f.is_product).map(|f| panicking_calls(f)).sum();
        let per = |n: usize, of: usize| n as f64 / of.max(1) as f64;
        let tests = all.saturating_sub(code);
        println!(
            "{:<24} {code:>6} {tests:>6} {:>6.2} {:>9.1}",
            package.name(),
            per(tests, code),
            1000.0 * per(panics, code)
        );
    }
}

fn print_sizes(what: &str, mut sizes: Vec<usize>) {
    sizes.sort_unstable();
    let at = |q: f64| percentile(&sizes, q);
    println!(
        "{what}: {} counted, median {}, p90 {}, p99 {}, largest {}",
        sizes.len(),
        at(0.5),
        at(0.9),
        at(0.99),
        at(1.0)
    );
}

fn percentile(sorted: &[usize], q: f64) -> usize {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * q).round() as usize).copied().unwrap_or(0)
}

fn panicking_calls(file: &RustFile) -> usize {
    let tests = file.source.test_modules();
    let lines = file.source.code.iter().enumerate().filter(|(i, _)| !tests.iter().any(|t| t.contains(i + 1)));
    lines.map(|(_, l)| PANICKING.iter().map(|p| l.matches(p).count()).sum::<usize>()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_few_and_many() {
        assert_eq!(percentile(&[], 0.5), 0);
        assert_eq!(percentile(&[7], 0.9), 7);
        let hundred: Vec<usize> = (0..=100).collect();
        assert_eq!((percentile(&hundred, 0.5), percentile(&hundred, 0.9), percentile(&hundred, 1.0)), (50, 90, 100));
    }

    #[test]
    fn panics_of_tests_and_comments_do_not_count() {
        let text = "//! x\nfn f() { a.unwrap(); } // .unwrap()\n#[cfg(test)]\nmod tests {\n    fn g() { a.expect(\"\"); }\n}\n";
        assert_eq!(panicking_calls(&RustFile::new("crates/a/src/b.rs", text)), 1);
    }
}
