//! The two files of a pair: header and voxels.

use std::path::{Path, PathBuf};

use crate::IoError;

const HEADER: &str = "hdr";
const VOXELS: &str = "img";

/// The part of a pair that a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Header,
    Voxels,
}

/// A file name taken apart: everything before the suffix, the part it names, whether it ends in `.gz`.
struct Name {
    stem: String,
    part: Part,
    upper_case: bool,
    gz: Option<String>,
}

fn parse(path: &Path) -> Option<Name> {
    let name = path.file_name()?.to_str()?;
    let (base, gz) = match name.len().checked_sub(3).and_then(|at| name.split_at_checked(at)) {
        Some((base, suffix)) if suffix.eq_ignore_ascii_case(".gz") => (base, Some(suffix.to_owned())),
        _ => (name, None),
    };
    let (stem, suffix) = base.rsplit_once('.')?;
    let part = match suffix.to_ascii_lowercase().as_str() {
        HEADER => Part::Header,
        VOXELS => Part::Voxels,
        _ => return None,
    };
    let upper_case = suffix.chars().all(|c| c.is_ascii_uppercase());
    Some(Name { stem: stem.to_owned(), part, upper_case, gz })
}

/// The part of a pair that `path` names, if it names one.
pub(crate) fn part_of(path: &Path) -> Option<Part> {
    parse(path).map(|name| name.part)
}

/// The two names of a pair, header first, with the compression of `path`.
pub(crate) fn names(path: &Path) -> Option<(PathBuf, PathBuf)> {
    let name = parse(path)?;
    let gz = name.gz.as_deref().unwrap_or_default();
    let sibling = |part| path.with_file_name(format!("{}.{}{gz}", name.stem, suffix(part, name.upper_case)));
    Some((sibling(Part::Header), sibling(Part::Voxels)))
}

/// The file that holds `part` beside `path`: the one with the same `.gz` or none first, then the other.
///
/// # Errors
/// [`IoError::MissingFile`] when neither is there.
pub(crate) fn find(path: &Path, part: Part) -> Result<PathBuf, IoError> {
    let Some(name) = parse(path) else {
        return Err(IoError::not_this_format(path, "one file of a pair that is named neither .hdr nor .img"));
    };
    let other_gz = if name.gz.is_some() { None } else { Some(".gz".to_owned()) };
    let candidate = |gz: &Option<String>| {
        let suffix = suffix(part, name.upper_case);
        path.with_file_name(format!("{}.{suffix}{}", name.stem, gz.as_deref().unwrap_or_default()))
    };
    let (first, second) = (candidate(&name.gz), candidate(&other_gz));
    if first.exists() {
        return Ok(first);
    }
    if second.exists() {
        return Ok(second);
    }
    let what = if part == Part::Header { "header" } else { "voxels" };
    let why = format!("the {what} of {}; neither is {}", path.display(), second.display());
    Err(IoError::MissingFile { path: first, why: Some(why) })
}

fn suffix(part: Part, upper_case: bool) -> String {
    let suffix = if part == Part::Header { HEADER } else { VOXELS };
    if upper_case { suffix.to_ascii_uppercase() } else { suffix.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::{Part, names, part_of};
    use std::path::Path;

    #[test]
    fn names_of_pairs() {
        assert_eq!(part_of(Path::new("a/b.img.gz")), Some(Part::Voxels));
        assert_eq!(part_of(Path::new("a/b.nii.gz")), None);
        let (header, voxels) = names(Path::new("a/b.c.img.gz")).unwrap();
        assert_eq!((header.to_str(), voxels.to_str()), (Some("a/b.c.hdr.gz"), Some("a/b.c.img.gz")));
        let (header, _) = names(Path::new("X.IMG")).unwrap();
        assert_eq!(header.to_str(), Some("X.HDR"));
        assert!(names(Path::new("é")).is_none());
    }
}
