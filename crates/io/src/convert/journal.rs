//! What an interrupted conversion has finished: a text file beside the unfinished store, one line a box.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use crate::IoError;

/// The file that a store is made from, as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SourceState {
    pub(super) bytes: u64,
    /// Nanoseconds since 1970 of the last change.
    pub(super) modified: String,
    pub(super) options: String,
}

impl SourceState {
    pub(super) fn of(path: &Path, options: String) -> Result<Self, IoError> {
        let metadata = fs::metadata(path).map_err(|error| IoError::io(path, "read", error))?;
        let modified = metadata.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        let modified = modified.map_or_else(|| "unknown".to_owned(), |since| since.as_nanos().to_string());
        Ok(Self { bytes: metadata.len(), modified, options })
    }

    pub(super) fn to_json(&self) -> Value {
        json!({"bytes": self.bytes, "modified_ns": self.modified, "options": self.options})
    }
}

/// The journal of a conversion that goes on.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: Mutex<File>,
    /// Array and number of each box that was finished before.
    done: BTreeSet<(String, usize)>,
}

impl Journal {
    /// Opens the journal of the same conversion, or none.
    pub(super) fn resume(path: &Path, state: &SourceState) -> Result<Option<Self>, IoError> {
        let Ok(text) = fs::read_to_string(path) else { return Ok(None) };
        let mut lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let head: Option<Value> = lines.next().and_then(|line| serde_json::from_str(line).ok());
        if head != Some(state.to_json()) {
            return Ok(None);
        }
        let entry = |line: &str| {
            let (number, array) = line.trim_end_matches('\n').split_once(' ')?;
            Some((array.to_owned(), number.parse().ok()?))
        };
        let mut entries: Vec<(String, usize)> = lines.filter_map(entry).collect();
        // The last box is done again: its line may have reached the disk before its chunks.
        entries.pop();
        let done: BTreeSet<(String, usize)> = entries.into_iter().collect();
        let journal = Self::create(path, state)?;
        for (array, number) in &done {
            journal.finished(array, *number)?;
        }
        Ok(Some(Self { done, ..journal }))
    }

    pub(super) fn create(path: &Path, state: &SourceState) -> Result<Self, IoError> {
        let failed = |error| IoError::io(path, "write", error);
        let mut file = OpenOptions::new().create(true).write(true).truncate(true).open(path).map_err(failed)?;
        writeln!(file, "{}", state.to_json()).map_err(failed)?;
        Ok(Self { path: path.to_owned(), file: Mutex::new(file), done: BTreeSet::new() })
    }

    pub(super) fn is_done(&self, array: &str, number: usize) -> bool {
        !self.done.is_empty() && self.done.contains(&(array.to_owned(), number))
    }

    /// Records a finished box, in one write.
    pub(super) fn finished(&self, array: &str, number: usize) -> Result<(), IoError> {
        let line = format!("{number} {array}\n");
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(line.as_bytes()).map_err(|error| IoError::io(&self.path, "write", error))
    }
}

#[cfg(test)]
mod tests {
    use super::{Journal, SourceState};

    #[test]
    fn a_cut_line_and_the_last_box_are_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let state = SourceState { bytes: 5, modified: "7".to_owned(), options: "x".to_owned() };
        assert!(Journal::resume(&path, &state).unwrap().is_none());
        let journal = Journal::create(&path, &state).unwrap();
        for number in 0..3 {
            journal.finished("a/b c", number).unwrap();
        }
        drop(journal);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{text}9 a/b")).unwrap();
        let journal = Journal::resume(&path, &state).unwrap().unwrap();
        let done: Vec<bool> = (0..4).map(|number| journal.is_done("a/b c", number)).collect();
        assert_eq!(done, [true, true, false, false]);
        assert!(!journal.is_done("a/b", 0) && !journal.is_done("a/b", 9));
        let other = SourceState { bytes: 6, ..state };
        assert!(Journal::resume(&path, &other).unwrap().is_none());
    }
}
