//! Where the chunks of an array lie in its folder.

use std::path::{Path, PathBuf};

/// How the indices of a chunk become the name of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyEncoding {
    /// Whether the name begins with `c` (the default of v3).
    pub(crate) prefixed: bool,
    /// `/` or `.`.
    pub(crate) separator: char,
}

impl KeyEncoding {
    /// The separator that a metadata file names.
    pub(crate) fn separator(text: &str) -> Option<char> {
        match text {
            "/" => Some('/'),
            "." => Some('.'),
            _ => None,
        }
    }

    /// The key of a chunk, relative to the folder of its array.
    pub(crate) fn key(self, index: &[usize]) -> String {
        let mut parts: Vec<String> = index.iter().map(usize::to_string).collect();
        if self.prefixed {
            parts.insert(0, "c".to_owned());
        } else if parts.is_empty() {
            parts.push("0".to_owned());
        }
        parts.join(self.separator.encode_utf8(&mut [0; 4]))
    }

    /// The file of a chunk.
    pub(crate) fn path(self, folder: &Path, index: &[usize]) -> PathBuf {
        folder.join(self.key(index))
    }
}

#[cfg(test)]
mod tests {
    use super::KeyEncoding;

    #[test]
    fn keys_of_both_versions() {
        let key = |prefixed, separator, index: &[usize]| KeyEncoding { prefixed, separator }.key(index);
        assert_eq!(key(true, '/', &[0, 1, 2]), "c/0/1/2");
        assert_eq!(key(true, '.', &[0, 1, 2]), "c.0.1.2");
        assert_eq!(key(false, '.', &[10, 1]), "10.1");
        assert_eq!(key(false, '/', &[10, 1]), "10/1");
        assert_eq!((key(true, '/', &[]), key(false, '.', &[])), ("c".to_owned(), "0".to_owned()));
        assert_eq!((KeyEncoding::separator("."), KeyEncoding::separator("..")), (Some('.'), None));
    }
}
