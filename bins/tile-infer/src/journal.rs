//! What is finished of a run: lines of JSON beside the partial file.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use volkit_core::BoxError;
use volkit_io::sha256;

/// First line: which run this is.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
struct Begun {
    run: String,
}

/// A later line: so many rows of tiles are in the file.
#[derive(Debug, Serialize, Deserialize)]
struct Rows {
    rows: usize,
}

/// The journal of a run.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Begins a journal, over an old one.
    pub(crate) fn begin(path: &Path, run: &str) -> Result<Self, BoxError> {
        let file = File::create(path).map_err(|error| format!("{}: can not create: {error}", path.display()))?;
        let mut journal = Self { path: path.to_owned(), file };
        journal.line(&Begun { run: run.to_owned() })?;
        Ok(journal)
    }

    /// Opens the journal of an earlier run and tells the rows that are finished; none where there is no journal.
    pub(crate) fn resume(path: &Path, run: &str) -> Result<Option<(Self, usize)>, BoxError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("{}: can not read: {error}", path.display()).into()),
        };
        // The last line may be cut: it is complete when its end is there.
        let complete = text.rfind('\n').map_or(0, |end| end + 1);
        let mut lines = text[..complete].lines();
        let Some(first) = lines.next() else { return Ok(None) };
        let begun: Begun =
            serde_json::from_str(first).map_err(|error| format!("{}: no journal: {error}", path.display()))?;
        if begun.run != run {
            let what = "is of another run (image, model, tiles or window differ); remove it and the partial file, or leave \
                        out --resume";
            return Err(format!("{}: {what}", path.display()).into());
        }
        let rows = lines.filter_map(|line| serde_json::from_str::<Rows>(line).ok()).map(|line| line.rows).max();
        let file = OpenOptions::new().write(true).open(path);
        let file = file.map_err(|error| format!("{}: can not write: {error}", path.display()))?;
        file.set_len(complete as u64)?;
        let mut journal = Self { path: path.to_owned(), file };
        std::io::Seek::seek(&mut journal.file, std::io::SeekFrom::End(0))?;
        Ok(Some((journal, rows.unwrap_or(0))))
    }

    /// Records that so many rows are finished; returns when the record is on the disk.
    pub(crate) fn record(&mut self, rows: usize) -> Result<(), BoxError> {
        self.line(&Rows { rows })
    }

    /// Removes the journal of a run that is complete.
    pub(crate) fn remove(self) -> Result<(), BoxError> {
        let Self { path, .. } = self;
        std::fs::remove_file(&path).map_err(|error| format!("{}: can not remove: {error}", path.display()).into())
    }

    fn line(&mut self, value: &impl Serialize) -> Result<(), BoxError> {
        let mut line = serde_json::to_vec(value)?;
        line.push(b'\n');
        let written = self.file.write_all(&line).and_then(|()| self.file.sync_data());
        written.map_err(|error| format!("{}: can not write: {error}", self.path.display()).into())
    }
}

/// The checksum of everything that the result depends on.
pub(crate) fn digest(parts: &[String]) -> String {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend((part.len() as u64).to_le_bytes());
        bytes.extend(part.as_bytes());
    }
    sha256(&bytes)
}

#[cfg(test)]
mod tests {
    use super::{Journal, digest};

    #[test]
    fn rows_survive_and_a_cut_line_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        assert!(Journal::resume(&path, "a").unwrap().is_none());
        let mut journal = Journal::begin(&path, "a").unwrap();
        journal.record(1).unwrap();
        journal.record(2).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{text}{{\"rows\":3")).unwrap();
        let (mut journal, rows) = Journal::resume(&path, "a").unwrap().unwrap();
        assert_eq!(rows, 2);
        journal.record(3).unwrap();
        assert_eq!(Journal::resume(&path, "a").unwrap().unwrap().1, 3);
        assert!(Journal::resume(&path, "b").unwrap_err().to_string().contains("another run"));
        std::fs::write(&path, "nonsense\n").unwrap();
        assert!(Journal::resume(&path, "a").unwrap_err().to_string().contains("no journal"));
        journal.remove().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn parts_do_not_run_together() {
        let digest = |parts: [&str; 2]| digest(&parts.map(str::to_owned));
        assert_eq!(digest(["a", "bc"]).len(), 64);
        assert_ne!(digest(["a", "bc"]), digest(["ab", "c"]));
    }
}
