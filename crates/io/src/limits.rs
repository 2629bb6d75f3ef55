//! How much a file may ask of the machine.

use std::path::Path;
use std::sync::OnceLock;

use crate::IoError;

const GIB: u64 = 1 << 30;
/// Most that one volume takes by default, also on machines with more memory.
const DEFAULT_VOLUME_BYTES: u64 = 64 * GIB;
/// Extensions, tag records and footers beyond this are no metadata.
const DEFAULT_HEADER_BYTES: u64 = 64 << 20;

/// Distances between voxels that any instrument could have, in the file's unit (mm, metres or micrometres): from atoms
/// in metres to a planet in millimetres. Beyond, a header is damaged, and world positions would lose their digits.
const SPACING: std::ops::RangeInclusive<f64> = 1e-12..=1e12;

/// The first axis whose spacing is beyond all measure; 0 is left to whoever needs it to be something.
pub(crate) fn absurd_spacing(spacing: [f64; 3]) -> Option<usize> {
    spacing.iter().position(|spacing| *spacing != 0.0 && !SPACING.contains(spacing))
}

/// What [`absurd_spacing`] asks for.
pub(crate) fn spacing_rule(axis: usize) -> String {
    let (least, most) = (SPACING.start(), SPACING.end());
    format!("the step along axis {} must be from {least:e} to {most:e}", axis + 1)
}

/// Bounds that a header is checked against before anything is allocated.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of one volume or array in memory. Default: the smaller of the machine's memory and 64 GiB.
    pub volume_bytes: u64,
    /// Bytes of a header with everything that hangs on it (extensions, tag records). Default: 64 MiB.
    pub header_bytes: u64,
}

impl Limits {
    /// The same with another bound on volumes.
    #[must_use]
    pub fn with_volume_bytes(self, volume_bytes: u64) -> Self {
        Self { volume_bytes, ..self }
    }

    /// The same with another bound on headers.
    #[must_use]
    pub fn with_header_bytes(self, header_bytes: u64) -> Self {
        Self { header_bytes, ..self }
    }

    /// Checks a volume or array of `n` elements of `size` bytes; gives its bytes.
    pub(crate) fn check_array(&self, path: &Path, what: &str, n: usize, size: usize) -> Result<u64, IoError> {
        let needed = n as u128 * size as u128;
        if needed > u128::from(self.volume_bytes) {
            return Err(IoError::TooLarge {
                path: path.to_owned(),
                what: what.to_owned(),
                needed,
                limit: self.volume_bytes,
            });
        }
        Ok(needed as u64)
    }

    pub(crate) fn check_header(&self, path: &Path, what: &str, needed: u64) -> Result<(), IoError> {
        if needed > self.header_bytes {
            let needed = u128::from(needed);
            return Err(IoError::TooLarge {
                path: path.to_owned(),
                what: what.to_owned(),
                needed,
                limit: self.header_bytes,
            });
        }
        Ok(())
    }
}

impl Default for Limits {
    fn default() -> Self {
        let memory = physical_memory_bytes().unwrap_or(DEFAULT_VOLUME_BYTES);
        Self { volume_bytes: memory.min(DEFAULT_VOLUME_BYTES), header_bytes: DEFAULT_HEADER_BYTES }
    }
}

/// Memory of the machine, where the system tells it through a file.
fn physical_memory_bytes() -> Option<u64> {
    static BYTES: OnceLock<Option<u64>> = OnceLock::new();
    *BYTES.get_or_init(|| {
        let text = std::fs::read_to_string("/proc/meminfo").ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        kib.checked_mul(1024)
    })
}

#[cfg(test)]
mod tests {
    use super::Limits;
    use std::path::Path;

    #[test]
    fn products_do_not_wrap() {
        let limits = Limits::default().with_volume_bytes(1000);
        let path = Path::new("a.nii");
        assert_eq!(limits.check_array(path, "the volume", 250, 4).unwrap(), 1000);
        let error = limits.check_array(path, "the volume", usize::MAX, 32).unwrap_err().to_string();
        assert_eq!(error, format!("a.nii: the volume needs {} bytes, the limit is 1000", usize::MAX as u128 * 32));
    }
}
