//! What is compared in one case.

use std::fmt::Debug;

use crate::report::{CaseResult, Verdict};

/// Failures that one line names; the rest is counted.
const NAMED_FAILURES: usize = 3;

/// Gathers the comparisons of a case.
#[derive(Debug, Default)]
pub(crate) struct Check {
    nearest: Option<(f64, f64)>,
    failures: Vec<String>,
    note: String,
}

impl Check {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Text for the case's line.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.note = note.into();
    }

    pub(crate) fn fail(&mut self, why: impl Into<String>) {
        self.failures.push(why.into());
    }

    /// Must be the same.
    #[allow(clippy::needless_pass_by_value)] // Callers compare temporaries.
    pub(crate) fn equal<T: PartialEq<U> + Debug, U: Debug>(&mut self, what: &str, got: T, wanted: U) {
        if got != wanted {
            self.fail(format!("{what} is {got:?}, expected {wanted:?}"));
        }
    }

    /// Must not exceed its tolerance; NaN does.
    pub(crate) fn within(&mut self, what: &str, error: f64, tolerance: f64) {
        let error = if error.is_nan() { f64::INFINITY } else { error };
        if self.nearest.is_none_or(|(e, t)| ratio(error, tolerance) > ratio(e, t)) {
            self.nearest = Some((error, tolerance));
        }
        if error > tolerance {
            self.fail(format!("{what} is off by {error:e}, tolerance {tolerance:e}"));
        }
    }

    /// Each number must lie within `atol + rtol * |wanted|`; NaN equals NaN, an infinity equals itself.
    pub(crate) fn close(&mut self, what: &str, got: &[f64], wanted: &[f64], rtol: f64, atol: f64) {
        self.close_within(what, got, wanted, |w| if w.is_finite() { atol + rtol * w.abs() } else { atol });
    }

    /// The same with the tolerance of each expected number.
    pub(crate) fn close_within(&mut self, what: &str, got: &[f64], wanted: &[f64], tolerance: impl Fn(f64) -> f64) {
        if got.len() != wanted.len() {
            self.fail(format!("{what} has {} numbers, expected {}", got.len(), wanted.len()));
            return;
        }
        let mut worst: Option<(f64, f64, usize)> = None;
        for (index, (&g, &w)) in got.iter().zip(wanted).enumerate() {
            let same = g == w || (g.is_nan() && w.is_nan());
            let error = if same { 0.0 } else { (g - w).abs() };
            let error = if error.is_nan() { f64::INFINITY } else { error };
            let tolerance = tolerance(w);
            if worst.is_none_or(|(e, t, _)| ratio(error, tolerance) > ratio(e, t)) {
                worst = Some((error, tolerance, index));
            }
        }
        let Some((error, tolerance, index)) = worst else { return };
        let place = if got.len() > 1 { format!("{what}[{index}]") } else { what.to_owned() };
        self.within(&place, error, tolerance);
    }

    /// As [`Check::into_result`], but what is right is told as the difference `how`.
    pub(crate) fn into_difference(self, name: String, how: String) -> CaseResult {
        let mut result = self.into_result(name);
        if result.verdict == Verdict::Ok {
            result.verdict = Verdict::Differs(how);
        }
        result
    }

    pub(crate) fn into_result(self, name: String) -> CaseResult {
        let verdict = if self.failures.is_empty() {
            Verdict::Ok
        } else {
            let named = self.failures.iter().take(NAMED_FAILURES).cloned().collect::<Vec<_>>().join("; ");
            let more = self.failures.len().saturating_sub(NAMED_FAILURES);
            Verdict::Fail(if more > 0 { format!("{named}; and {more} more") } else { named })
        };
        let (error, tolerance) = self.nearest.unzip();
        CaseResult { name, error, tolerance, note: self.note, verdict }
    }
}

/// How much of its tolerance an error uses.
fn ratio(error: f64, tolerance: f64) -> f64 {
    if error == 0.0 { 0.0 } else { error / tolerance }
}

#[cfg(test)]
mod tests {
    use super::Check;
    use crate::report::Verdict;

    #[test]
    fn the_error_nearest_to_its_tolerance_is_kept() {
        let mut check = Check::new();
        check.within("a", 1e-3, 1.0);
        check.within("b", 0.5e-6, 1e-6);
        check.close("c", &[1.0, f64::NAN, f64::INFINITY], &[1.0, f64::NAN, f64::INFINITY], 0.0, 0.0);
        let result = check.into_result("x".to_owned());
        assert_eq!((result.error, result.tolerance, result.verdict), (Some(0.5e-6), Some(1e-6), Verdict::Ok));
    }

    #[test]
    fn every_kind_of_difference_fails() {
        let fails = |compare: fn(&mut Check)| {
            let mut check = Check::new();
            compare(&mut check);
            matches!(check.into_result(String::new()).verdict, Verdict::Fail(_))
        };
        assert!(fails(|c| c.equal("n", 1, 2)));
        assert!(fails(|c| c.within("n", f64::NAN, 1.0)));
        assert!(fails(|c| c.close("n", &[1.0], &[1.0, 2.0], 1.0, 1.0)));
        assert!(fails(|c| c.close("n", &[f64::NAN], &[1.0], 1.0, 1.0)));
        assert!(fails(|c| c.close("n", &[1e9], &[f64::INFINITY], 1.0, 1.0)));
        assert!(fails(|c| c.close("n", &[1.0 + 1e-9], &[1.0], 0.0, 0.0)));
        assert!(!fails(|c| c.close("n", &[1.1], &[1.0], 0.1, 0.01)));
    }

    #[test]
    fn many_failures_are_counted() {
        let mut check = Check::new();
        (0..5).for_each(|i| check.equal("n", i, -1));
        let Verdict::Fail(why) = check.into_result(String::new()).verdict else { panic!() };
        assert_eq!(why, "n is 0, expected -1; n is 1, expected -1; n is 2, expected -1; and 2 more");
    }
}
