//! An error as programs print it.

use std::error::Error;

/// An error and its causes on one line, from the outside in: `scan.nii: can not read: disk full`.
///
/// A cause that the line tells already is left out, line breaks become spaces, and an empty message is skipped.
///
/// ```
/// let cause = std::io::Error::other("disk\nfull");
/// assert_eq!(volkit_core::error_line(&cause), "disk full");
/// ```
#[must_use]
pub fn error_line(error: &(dyn Error + 'static)) -> String {
    let mut line = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = on_one_line(&error.to_string());
        if line.is_empty() {
            line = text;
        } else if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        next = error.source();
    }
    line
}

/// The lines of a text, trimmed, with one space between them.
fn on_one_line(text: &str) -> String {
    text.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::fmt;

    use super::error_line;

    #[derive(Debug)]
    struct Told(&'static str, Option<Box<Told>>);

    impl fmt::Display for Told {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Told {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|cause| cause as _)
        }
    }

    fn line(messages: &[&'static str]) -> String {
        let chain = messages.iter().rev().fold(None, |cause, message| Some(Box::new(Told(message, cause))));
        error_line(chain.unwrap().as_ref())
    }

    #[test]
    fn causes_follow_and_are_told_once() {
        assert_eq!(line(&["a.nii: can not write", "disk\r\nfull\n"]), "a.nii: can not write: disk full");
        assert_eq!(line(&["b.nii: no space", "no space"]), "b.nii: no space");
        assert_eq!(line(&["a", "b: c", "c", "d"]), "a: b: c: d");
    }

    #[test]
    fn empty_messages_leave_no_colon() {
        assert_eq!(line(&["", "b"]), "b");
        assert_eq!(line(&["a", "\n", "c"]), "a: c");
        assert_eq!(line(&[""]), "");
    }
}
