//! Files that this program writes itself, and whether outputs can be written at all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

/// Folders made for outputs; those that stay empty are taken away again at the end.
#[derive(Debug, Default)]
pub(crate) struct Folders {
    made: Vec<PathBuf>,
}

impl Folders {
    /// Makes the folder of an output and checks that a file can be made there, before minutes of work.
    pub(crate) fn prepare(&mut self, output: &Path) -> Result<()> {
        ensure!(!output.is_dir(), "{}: can not write: it is a folder", output.display());
        let folder = folder_of(output);
        self.make(&folder).with_context(|| format!("{}: can not make its folder", output.display()))?;
        let probe = folder.join(format!(".{}.tmp-{}", file_name(output), std::process::id()));
        let tried = fs::File::create_new(&probe).map(drop).and_then(|()| fs::remove_file(&probe));
        tried.with_context(|| format!("{}: can not write in '{}'", output.display(), folder.display()))
    }

    fn make(&mut self, folder: &Path) -> io::Result<()> {
        let missing: Vec<&Path> = folder.ancestors().take_while(|path| !path.exists()).collect();
        for path in missing.into_iter().rev().filter(|path| !path.as_os_str().is_empty()) {
            fs::create_dir(path)?;
            self.made.push(path.to_owned());
        }
        Ok(())
    }
}

impl Drop for Folders {
    fn drop(&mut self) {
        for folder in self.made.iter().rev() {
            // Fails for folders that hold something, as it should.
            let _ = fs::remove_dir(folder);
        }
    }
}

/// Writes a whole file, or nothing.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    Ok(volkit_io::write_atomically(path, |out| out.write_all(bytes))?)
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
