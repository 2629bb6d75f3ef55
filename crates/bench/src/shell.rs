//! Another program as a workload.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use volkit_core::BoxError;
use wait4::Wait4 as _;

use crate::{BenchError, Sample, Workload};

/// Most of a failing command's messages that an error carries, in bytes.
const TAIL_BYTES: usize = 2000;

/// A line for the shell (`sh -c LINE`, on Windows `cmd /C LINE`), timed from outside.
///
/// CPU time and peak memory are those of the shell and of all its descendants that were waited for; the peak is that of
/// the largest one. On Linux a child's peak starts with the memory of the program that started it, so that no peak is
/// below the one of this process. What the command prints is dropped, except for the end of its messages when it fails.
///
/// ```
/// # #[cfg(unix)] {
/// use volkit_bench::{ShellCommand, Workload};
/// let sample = ShellCommand::new("exit 0").sample()?;
/// assert!(sample.wall_secs > 0.0);
/// # }
/// # Ok::<(), volkit_core::BoxError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShellCommand {
    line: String,
}

impl ShellCommand {
    /// The command of that line, quoted as the shell wants it.
    #[must_use]
    pub fn new(line: impl Into<String>) -> Self {
        Self { line: line.into() }
    }

    fn spawn(&self) -> std::io::Result<Child> {
        shell(&self.line).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()
    }

    fn failed(&self, status: String, messages: &[u8]) -> BoxError {
        let messages = String::from_utf8_lossy(messages).trim_end().to_owned();
        BenchError::Command { line: self.line.clone(), status, messages }.into()
    }
}

impl Workload for ShellCommand {
    fn name(&self) -> &str {
        &self.line
    }

    fn run(&mut self) -> Result<(), BoxError> {
        self.sample().map(|_| ())
    }

    fn sample(&mut self) -> Result<Sample, BoxError> {
        let start = Instant::now();
        let mut child = self.spawn().map_err(|error| self.failed(format!("can not be started: {error}"), &[]))?;
        // The pipe closes when the last process that holds it ends.
        let messages = child.stderr.take().map_or_else(Vec::new, tail);
        let done = child.wait4().map_err(|error| self.failed(format!("can not be waited for: {error}"), &messages))?;
        let wall_secs = start.elapsed().as_secs_f64();
        if !done.status.success() {
            return Err(self.failed(done.status.to_string(), &messages));
        }
        let cpu_secs = (done.rusage.utime + done.rusage.stime).as_secs_f64();
        let peak_bytes = Some(done.rusage.maxrss).filter(|&bytes| bytes > 0);
        Ok(Sample { wall_secs, cpu_secs: Some(cpu_secs), peak_bytes })
    }
}

#[cfg(not(windows))]
fn shell(line: &str) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(line);
    command
}

#[cfg(windows)]
fn shell(line: &str) -> Command {
    use std::os::windows::process::CommandExt as _;
    let mut command = Command::new("cmd");
    // `cmd` has quoting rules of its own: the line goes to it as it is.
    command.arg("/C").raw_arg(line);
    command
}

/// Reads to the end and keeps the last bytes.
fn tail(mut from: impl Read) -> Vec<u8> {
    let (mut kept, mut block) = (Vec::new(), [0u8; 4096]);
    while let Ok(n @ 1..) = from.read(&mut block) {
        kept.extend_from_slice(&block[..n]);
        kept.drain(..kept.len().saturating_sub(TAIL_BYTES));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::{TAIL_BYTES, tail};

    #[test]
    fn the_end_is_kept() {
        let long: Vec<u8> = (0..100_000u32).map(|i| (i % 251) as u8).collect();
        assert_eq!(tail(&long[..]), long[long.len() - TAIL_BYTES..]);
        assert_eq!(tail(&b"short"[..]), b"short");
        assert!(tail(&b""[..]).is_empty());
    }
}
