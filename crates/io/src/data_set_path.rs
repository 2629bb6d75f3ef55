//! Names of data sets in files: `scans.h5:/day1/t1`.

use std::path::{Path, PathBuf};

/// Suffixes of files in which data sets have names.
const SUFFIXES: [&str; 3] = [".h5", ".hdf5", ".hdf"];

/// Splits `FILE.h5:/path/in/file` into the file and the path in it. Whatever exists under the whole name, and names
/// without `:/` behind one of the suffixes `.h5`, `.hdf5` and `.hdf`, are files alone.
///
/// ```
/// use std::path::PathBuf;
/// use volkit_io::split_data_set;
/// assert_eq!(split_data_set("scans.h5:/day1/t1"), (PathBuf::from("scans.h5"), Some("day1/t1".to_owned())));
/// assert_eq!(split_data_set("scans.h5"), (PathBuf::from("scans.h5"), None));
/// ```
#[must_use]
pub fn split_data_set(path: impl AsRef<Path>) -> (PathBuf, Option<String>) {
    let path = path.as_ref();
    let whole = || (path.to_owned(), None);
    let Some(text) = path.to_str() else { return whole() };
    let lower = text.to_ascii_lowercase();
    let split = SUFFIXES.iter().find_map(|suffix| {
        let at = lower.find(&format!("{suffix}:/"))?;
        Some(at + suffix.len())
    });
    match split {
        Some(at) if !path.exists() => {
            let name = text[at + 1..].trim_matches('/');
            (PathBuf::from(&text[..at]), (!name.is_empty()).then(|| name.to_owned()))
        }
        _ => whole(),
    }
}

#[cfg(test)]
mod tests {
    use super::split_data_set;
    use std::path::PathBuf;

    #[test]
    fn only_known_suffixes_split() {
        for (text, file, name) in [
            ("a.h5:/x", "a.h5", Some("x")),
            ("d/A.HDF5:/x/y/", "d/A.HDF5", Some("x/y")),
            ("a.h5:/", "a.h5", None),
            ("a.nii:/x", "a.nii:/x", None),
            ("a.h5/x", "a.h5/x", None),
            ("C:/a.h5", "C:/a.h5", None),
        ] {
            assert_eq!(split_data_set(text), (PathBuf::from(file), name.map(str::to_owned)), "{text}");
        }
    }

    #[test]
    fn what_exists_is_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let odd = folder.path().join("a.h5:");
        std::fs::create_dir(&odd).unwrap();
        let path = odd.join("x");
        std::fs::write(&path, b"").unwrap();
        assert_eq!(split_data_set(&path), (path, None));
    }
}
