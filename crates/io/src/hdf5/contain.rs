//! The one place where a panic is caught: the pure-Rust HDF5 library reads bytes that anyone may have written.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::IoError;

/// Runs a call into the library; a panic is the error that the object `name` is damaged. The library's own state is
/// behind locks that it takes over when a holder has panicked, and nothing of ours is changed inside.
pub(super) fn contained<T>(path: &Path, name: &str, call: impl FnOnce() -> Result<T, IoError>) -> Result<T, IoError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
            let source = format!("damaged: the HDF5 reader gave up ({text})").into();
            Err(IoError::DataSet { path: path.to_owned(), name: shown(name), source })
        }
    }
}

/// An object's path; the root group is `/`.
pub(super) fn shown(name: &str) -> String {
    if name.is_empty() { "/".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::contained;
    use std::path::Path;

    #[test]
    fn a_panic_is_an_error_that_names_file_and_object() {
        let result = contained::<()>(Path::new("a.h5"), "x", || panic!("index 9 out of range"));
        let message = result.unwrap_err().to_string();
        assert_eq!(message, "a.h5: 'x': damaged: the HDF5 reader gave up (index 9 out of range)");
        assert_eq!(contained(Path::new("a.h5"), "", || Ok(3)).unwrap(), 3);
    }
}
