//! What a suite found.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

/// How a case ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The result is the expected one.
    Ok,
    /// It is not, or could not be had; why.
    #[serde(rename = "FAIL")]
    Fail(String),
    /// It is not that of the other program, but what the documentation says it is instead, which was computed and
    /// compared; where that is written, and by how much the results differ.
    Differs(String),
    /// The case was not run; why.
    Skipped(String),
}

/// The result of one case.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CaseResult {
    /// Name of the case, as its index gives it.
    pub name: String,
    /// The error that came nearest to its tolerance, or went furthest beyond; none where only exact things were
    /// compared.
    pub error: Option<f64>,
    /// The tolerance of that error.
    pub tolerance: Option<f64>,
    /// Whatever else is worth knowing (counts of differing voxels, say); may be empty.
    pub note: String,
    /// How it ended.
    pub verdict: Verdict,
}

impl CaseResult {
    pub(crate) fn skipped(name: impl Into<String>, why: impl Into<String>) -> Self {
        Self::without_numbers(name, Verdict::Skipped(why.into()))
    }

    pub(crate) fn failed(name: impl Into<String>, why: impl Into<String>) -> Self {
        Self::without_numbers(name, Verdict::Fail(why.into()))
    }

    fn without_numbers(name: impl Into<String>, verdict: Verdict) -> Self {
        Self { name: name.into(), error: None, tolerance: None, note: String::new(), verdict }
    }
}

impl fmt::Display for CaseResult {
    /// One line: `NAME  error E  tolerance T  ok`, `exact` where there are no numbers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        match (self.error, self.tolerance, &self.verdict) {
            (Some(error), Some(tolerance), _) => write!(f, "  error {error:.2e}  tolerance {tolerance:.2e}")?,
            (_, _, Verdict::Ok | Verdict::Differs(_)) => write!(f, "  exact")?,
            _ => {}
        }
        if !self.note.is_empty() {
            write!(f, "  {}", self.note)?;
        }
        match &self.verdict {
            Verdict::Ok => write!(f, "  ok"),
            Verdict::Fail(why) => write!(f, "  FAIL: {why}"),
            Verdict::Differs(how) => write!(f, "  differs: {how}"),
            Verdict::Skipped(why) => write!(f, "  skipped: {why}"),
        }
    }
}

/// The results of all cases of a suite.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SuiteReport {
    /// Name of the suite.
    pub suite: &'static str,
    /// Folder that the cases came from.
    pub folder: PathBuf,
    /// Cases that gave the expected result.
    pub passed: usize,
    /// Cases that did not.
    pub failed: usize,
    /// Cases that gave another result than the other program, as documented.
    pub differing: usize,
    /// Cases that were not run.
    pub skipped: usize,
    /// The cases, in the order of the folder's indexes.
    pub cases: Vec<CaseResult>,
}

impl SuiteReport {
    pub(crate) fn new(suite: &'static str, folder: PathBuf, cases: Vec<CaseResult>) -> Self {
        let count = |wanted: fn(&Verdict) -> bool| cases.iter().filter(|case| wanted(&case.verdict)).count();
        let passed = count(|verdict| matches!(verdict, Verdict::Ok));
        let failed = count(|verdict| matches!(verdict, Verdict::Fail(_)));
        let differing = count(|verdict| matches!(verdict, Verdict::Differs(_)));
        let skipped = count(|verdict| matches!(verdict, Verdict::Skipped(_)));
        Self { suite, folder, passed, failed, differing, skipped, cases }
    }

    /// The last line of a run: `N passed, N failed, N skipped`, and how many differ as documented where some do.
    #[must_use]
    pub fn summary(&self) -> String {
        let summary = format!("{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped);
        if self.differing == 0 { summary } else { format!("{summary}, {} differ as documented", self.differing) }
    }
}
