//! SHA-256 of files and of bytes, as hexadecimal text.

use std::fs::File;
use std::io;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::error::IoError;

/// SHA-256 (FIPS 180-4) of a file's content: 64 hexadecimal digits. The file is read in blocks.
///
/// # Errors
/// [`IoError::MissingFile`], and [`IoError::Io`] when the file can not be opened or read.
pub fn sha256_file(path: &Path) -> Result<String, IoError> {
    let mut file = File::open(path).map_err(|error| IoError::io(path, "open", error))?;
    let mut hash = Sha256::new();
    io::copy(&mut file, &mut hash).map_err(|error| IoError::io(path, "read", error))?;
    Ok(hexadecimal(&hash.finalize()))
}

/// SHA-256 (FIPS 180-4) of bytes: 64 hexadecimal digits.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

fn hexadecimal(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::{sha256, sha256_file};

    #[test]
    fn the_example_of_the_standard() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "abc").unwrap();
        let wanted = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!((sha256_file(&path).unwrap().as_str(), sha256(b"abc").as_str()), (wanted, wanted));
        let missing = sha256_file(&folder.path().join("b")).unwrap_err();
        assert!(missing.to_string().contains("b: no such file"), "{missing}");
    }
}
