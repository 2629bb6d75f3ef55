//! Programs that are timed from outside, run after run, with everything loaded and warm.

use std::io::{BufRead, Write};
use std::time::Instant;

use volkit_core::{BoxError, VoxelsRef};

use crate::usage::{cpu_secs, peak_bytes};

/// Answers the lines of a driver on `input` until it ends, one line on `output` for each.
///
/// First comes `ready NAME`. `run` calls `run` with the result of the last run, where there was one (to be used again, or
/// dropped before the next is made), and is answered with CPU seconds, wall seconds and the peak resident bytes so far.
/// `save FILE` writes the `values` of the last result as f32 in native byte order and is answered with `saved`.
///
/// ```
/// let mut answers = Vec::new();
/// let run = |last: Option<Vec<f32>>| Ok(vec![last.map_or(1.0, |last| last[0] + 1.0)]);
/// volkit_bench::serve_runs("adder", "run\nrun\n".as_bytes(), &mut answers, run, |last| last)?;
/// let answers = String::from_utf8(answers)?;
/// assert!(answers.starts_with("ready adder\n") && answers.lines().count() == 3);
/// # Ok::<(), volkit_core::BoxError>(())
/// ```
///
/// # Errors
/// Those of `run`; a line that is neither; `save` before the first `run`; a file that can not be written.
pub fn serve_runs<T>(
    name: &str,
    input: impl BufRead,
    mut output: impl Write,
    mut run: impl FnMut(Option<T>) -> Result<T, BoxError>,
    values: impl Fn(&T) -> &[f32],
) -> Result<(), BoxError> {
    writeln!(output, "ready {name}")?;
    output.flush()?;
    let mut last = None;
    for line in input.lines() {
        let line = line?;
        match line.split_once(' ').unwrap_or((&line, "")) {
            ("run", _) => {
                let begun = (cpu_secs().unwrap_or(0.0), Instant::now());
                last = Some(run(last.take())?);
                let wall = begun.1.elapsed().as_secs_f64();
                let cpu = cpu_secs().unwrap_or(0.0) - begun.0;
                writeln!(output, "{cpu:.4} {wall:.4} {}", peak_bytes().unwrap_or(0))?;
            }
            ("save", file) => {
                let last = last.as_ref().ok_or("save: nothing was run yet")?;
                std::fs::write(file, VoxelsRef::from(values(last)).bytes()).map_err(|e| format!("{file}: {e}"))?;
                writeln!(output, "saved")?;
            }
            _ => return Err(format!("`{line}`: expected `run` or `save FILE`").into()),
        }
        output.flush()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::serve_runs;

    fn served(lines: &str) -> Result<String, String> {
        let mut answers = Vec::new();
        let run = |last: Option<Vec<f32>>| Ok(vec![last.map_or(0.5, |last| last[0] + 1.0), 2.0]);
        serve_runs("net", lines.as_bytes(), &mut answers, run, |last| last).map_err(|error| error.to_string())?;
        Ok(String::from_utf8(answers).unwrap())
    }

    #[test]
    fn runs_get_the_last_result_and_the_last_is_saved() {
        let folder = std::env::temp_dir().join(format!("volkit-serve-{}", std::process::id()));
        let answers = served(&format!("run\nrun\nsave {}\n", folder.display())).unwrap();
        let lines: Vec<&str> = answers.lines().collect();
        assert_eq!((lines[0], lines[3], lines.len()), ("ready net", "saved", 4));
        let figures: Vec<f64> = lines[2].split_whitespace().map(|word| word.parse().unwrap()).collect();
        assert_eq!(figures.len(), 3);
        let saved = std::fs::read(&folder).unwrap();
        std::fs::remove_file(&folder).unwrap();
        assert_eq!(saved, [1.5f32, 2.0].map(f32::to_ne_bytes).concat());
    }

    #[test]
    fn other_lines_end_it() {
        assert_eq!(served("walk\n").unwrap_err(), "`walk`: expected `run` or `save FILE`");
        assert_eq!(served("save x\n").unwrap_err(), "save: nothing was run yet");
        assert!(served("run\nsave /no/such/folder/x\n").unwrap_err().starts_with("/no/such/folder/x: "));
    }
}
