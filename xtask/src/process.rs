//! Running other programs: what is run is always shown in a form that can be pasted back.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc;

use crate::failure::{Failure, Outcome};

/// The command as a shell line: variables set for it, program, arguments.
pub(crate) fn shell_line(command: &Command) -> String {
    let mut words = Vec::new();
    for (key, value) in command.get_envs() {
        if let Some(value) = value {
            words.push(format!("{}={}", key.to_string_lossy(), quoted(&value.to_string_lossy())));
        }
    }
    words.push(quoted(&command.get_program().to_string_lossy()));
    words.extend(command.get_args().map(|a| quoted(&a.to_string_lossy())));
    words.join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.into() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// Runs to the end with our own output; an exit code other than 0 is a failure that names the command.
pub(crate) fn run(command: &mut Command) -> Outcome {
    let line = shell_line(command);
    let status = command.status().map_err(|e| Failure::failed(format!("`{line}` did not start: {e}")))?;
    if status.success() { Ok(()) } else { Err(Failure::failed(format!("`{line}` ended with {status}"))) }
}

/// Runs and shows standard output and error as they come, and returns both, in order of arrival.
pub(crate) fn run_captured(command: &mut Command) -> Outcome<(bool, String)> {
    let line = shell_line(command);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| Failure::failed(format!("`{line}` did not start: {e}")))?;
    let (sender, receiver) = mpsc::channel();
    let streams: [Option<Box<dyn Read + Send>>; 2] =
        [child.stdout.take().map(|s| Box::new(s) as _), child.stderr.take().map(|s| Box::new(s) as _)];
    let readers: Vec<_> = streams
        .into_iter()
        .flatten()
        .map(|stream| {
            let sender = sender.clone();
            std::thread::spawn(move || forward(stream, &sender))
        })
        .collect();
    drop(sender);
    let mut text = String::new();
    let mut out = std::io::stdout().lock();
    for line in receiver {
        // A closed terminal must not end the run: the count at the end is still wanted.
        let _ = out.write_all(line.as_bytes());
        text.push_str(&line);
    }
    drop(out);
    for reader in readers {
        let _ = reader.join();
    }
    let status = child.wait().map_err(|e| Failure::failed(format!("`{line}`: {e}")))?;
    Ok((status.success(), text))
}

fn forward(stream: impl Read, sender: &mpsc::Sender<String>) {
    let mut reader = BufReader::new(stream);
    let mut bytes = Vec::new();
    while matches!(reader.read_until(b'\n', &mut bytes), Ok(n) if n > 0) {
        if sender.send(String::from_utf8_lossy(&bytes).into_owned()).is_err() {
            return;
        }
        bytes.clear();
    }
}

/// Runs silently; standard output when the program exists and succeeds.
pub(crate) fn output_of(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).stderr(Stdio::null()).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_line_can_be_pasted() {
        let mut command = Command::new("cargo");
        command.env("RUSTDOCFLAGS", "-D warnings").args(["doc", "it's"]);
        assert_eq!(shell_line(&command), r"RUSTDOCFLAGS='-D warnings' cargo doc 'it'\''s'");
    }

    #[test]
    fn both_streams_and_the_exit_code_come_back() {
        let (ok, text) = run_captured(Command::new("sh").args(["-c", "echo out; echo err >&2; exit 3"])).unwrap();
        assert!(!ok);
        assert!(text.contains("out\n") && text.contains("err\n"), "{text}");
    }

    #[test]
    fn a_failing_command_is_named() {
        let Err(Failure::Failed(message)) = run(Command::new("sh").args(["-c", "exit 3"])) else {
            panic!("exit code 3 passed");
        };
        assert!(message.contains("sh -c 'exit 3'"), "{message}");
    }
}
