//! Whether a training gives the losses of its log again.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use volkit_bench::Display;

use super::config::Config;
use super::train::{LOG, LogLine, read_log, train};

/// Largest relative difference of a loss: the same program on the same instruction set gives the same bits, another
/// instruction set adds in another order.
const TOLERANCE: f64 = 1e-3;

/// Trains anew in `folder` for `steps` steps and compares each loss with that of `log`.
pub(crate) fn check(config: &Config, log: &Path, folder: &Path, steps: u64, display: &Display) -> Result<String> {
    let expected = read_log(log)?;
    let wanted =
        expected.get(..steps as usize).with_context(|| format!("{}: has {} steps", log.display(), expected.len()))?;
    if folder.exists() {
        std::fs::remove_dir_all(folder).with_context(|| format!("{}: can not empty", folder.display()))?;
    }
    let mut config = config.clone();
    config.training.folder = folder.to_owned();
    config.training.stop_at = Some(steps);
    train(&config, false, display)?;
    compare(&read_log(&folder.join(LOG))?, wanted)
}

fn compare(found: &[LogLine], wanted: &[LogLine]) -> Result<String> {
    ensure!(found.len() == wanted.len(), "{} of {} steps were done", found.len(), wanted.len());
    let (mut worst, mut equal) = (0.0f64, 0);
    for (found, wanted) in found.iter().zip(wanted) {
        let off = (found.loss - wanted.loss).abs() / wanted.loss.abs().max(f64::MIN_POSITIVE);
        let (step, loss) = (wanted.step, wanted.loss);
        ensure!(found.step == step && off <= TOLERANCE, "step {step}: loss {}, the log has {loss}", found.loss);
        worst = worst.max(off);
        equal += usize::from(found.loss == loss);
    }
    Ok(format!("{} losses as in the log: {equal} to the bit, largest relative difference {worst:.1e}", found.len()))
}

#[cfg(test)]
mod tests {
    use super::{LogLine, compare};

    fn line(step: u64, loss: f64) -> LogLine {
        LogLine { step, loss, dice: 0.5, cross_entropy: 1.0, gradient: 1.0, rate: 1e-3, secs: 0.0 }
    }

    #[test]
    fn losses_are_compared() {
        let wanted = [line(0, 4.0), line(1, 3.0)];
        let text = compare(&[line(0, 4.0), line(1, 3.0001)], &wanted).unwrap();
        assert!(text.starts_with("2 losses") && text.contains("1 to the bit"), "{text}");
        let error = compare(&[line(0, 4.0), line(1, 3.1)], &wanted).unwrap_err().to_string();
        assert!(error.contains("step 1") && error.contains("3.1"), "{error}");
        assert!(compare(&[line(0, 4.0)], &wanted).is_err());
    }
}
