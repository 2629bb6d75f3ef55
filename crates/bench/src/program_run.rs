//! Programs run in a folder of their own: for the tests of programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use volkit_core::BoxError;

/// What a run of a program printed and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramRun {
    /// Exit code; none after a signal.
    pub code: Option<i32>,
    /// Standard output, as text.
    pub stdout: String,
    /// Standard error, as text.
    pub stderr: String,
}

/// A temporary folder in which a program runs; it goes when this is dropped.
#[derive(Debug)]
pub struct ProgramFolder {
    program: &'static str,
    folder: tempfile::TempDir,
}

impl ProgramFolder {
    /// An empty folder for the program at that path, as `env!("CARGO_BIN_EXE_name")` tells it.
    ///
    /// # Errors
    /// When the system makes no temporary folder.
    pub fn new(program: &'static str) -> Result<Self, BoxError> {
        Ok(Self { program, folder: tempfile::tempdir()? })
    }

    /// The path of a file in the folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program with arguments separated by blanks, to be run in the folder.
    #[must_use]
    pub fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(self.program);
        command.current_dir(self.folder.path()).args(arguments.split_whitespace());
        command
    }

    /// Every file and folder, by relative path, sorted.
    ///
    /// # Errors
    /// When a folder can not be read.
    pub fn listing(&self) -> Result<Vec<String>, BoxError> {
        let mut names = Vec::new();
        list(self.folder.path(), self.folder.path(), &mut names)?;
        names.sort();
        Ok(names)
    }
}

impl ProgramRun {
    /// Runs a command to its end.
    ///
    /// # Errors
    /// When it can not be run, or prints what is no text.
    pub fn of(command: &mut Command) -> Result<Self, BoxError> {
        let Output { status, stdout, stderr } = command.output()?;
        Ok(Self { code: status.code(), stdout: String::from_utf8(stdout)?, stderr: String::from_utf8(stderr)? })
    }

    /// The run itself where it has succeeded.
    ///
    /// # Errors
    /// All that is known about a run that has not.
    pub fn succeeded(self) -> Result<Self, BoxError> {
        if self.code == Some(0) { Ok(self) } else { Err(format!("{self:?}").into()) }
    }
}

fn list(root: &Path, folder: &Path, names: &mut Vec<String>) -> Result<(), BoxError> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        names.push(path.strip_prefix(root)?.to_string_lossy().into_owned());
        if path.is_dir() {
            list(root, &path, names)?;
        }
    }
    Ok(())
}
