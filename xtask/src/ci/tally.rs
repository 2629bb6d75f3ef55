//! Counting tests from what test runners print.

use std::fmt;

/// Tests so far.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Tally {
    /// Adds the closing lines of libtest (`test result: ..`) and nextest (`Summary [..] ..`) found in `output`.
    pub(super) fn add(&mut self, output: &str) {
        for line in output.lines().map(without_colours) {
            let line = line.trim();
            if let Some(rest) = line.strip_prefix("test result:") {
                self.add_counts(rest);
            } else if let Some((_, rest)) = line.strip_prefix("Summary [").and_then(|l| l.split_once("tests run:")) {
                self.add_counts(rest);
            }
        }
    }

    /// Number of tests that ran.
    pub(super) fn ran(&self) -> usize {
        self.passed + self.failed
    }

    fn add_counts(&mut self, text: &str) {
        let words: Vec<&str> = text.split([' ', ',', ';', '.', '(', ')']).filter(|w| !w.is_empty()).collect();
        for pair in words.windows(2) {
            let Ok(n) = pair[0].parse::<usize>() else { continue };
            match pair[1] {
                "passed" => self.passed += n,
                "failed" | "timed" => self.failed += n,
                "ignored" | "skipped" => self.skipped += n,
                _ => {}
            }
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 { write!(f, ", {} skipped", self.skipped) } else { Ok(()) }
    }
}

fn without_colours(line: &str) -> String {
    let mut out = String::new();
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            chars.by_ref().find(char::is_ascii_alphabetic);
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_runners_are_counted() {
        let mut tally = Tally::default();
        tally.add("test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.13s\n");
        tally.add("test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out\n");
        tally.add("     Summary [   1.234s] 34 tests run: 30 passed (1 slow), 4 failed, 2 skipped\n");
        assert_eq!(tally, Tally { passed: 37, failed: 7, skipped: 3 });
        assert_eq!(tally.to_string(), "37 passed, 7 failed, 3 skipped");
    }

    #[test]
    fn colours_do_not_hide_a_count() {
        let mut tally = Tally::default();
        tally.add("\u{1b}[32;1m     Summary\u{1b}[0m [   0.004s] \u{1b}[1m2\u{1b}[0m tests run: \u{1b}[1m2\u{1b}[0m \u{1b}[32;1mpassed\u{1b}[0m\n");
        assert_eq!((tally.ran(), tally.to_string().as_str()), (2, "2 passed, 0 failed"));
    }

    #[test]
    fn other_lines_do_not_count() {
        let mut tally = Tally::default();
        tally.add("3 passed the gate, 4 failed\n");
        assert_eq!(tally.ran(), 0);
    }
}
