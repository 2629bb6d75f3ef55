//! LZF, the fast compression of h5py: runs of literals and references backwards, without header or checksum.

/// Decompresses; the result must have at most `limit` bytes.
///
/// # Errors
/// What is wrong with the stream.
pub(super) fn decompress(input: &[u8], limit: usize) -> Result<Vec<u8>, &'static str> {
    const CUT: &str = "the LZF stream is cut";
    const TOO_LONG: &str = "the LZF stream is longer than its chunk";
    // A reference of three bytes gives at most 264.
    let mut out = Vec::with_capacity(limit.min(input.len().saturating_mul(88)));
    let mut at = 0;
    let mut next = |n: usize| {
        let bytes = input.get(at..at + n);
        at += n;
        bytes
    };
    while let Some(&[control]) = next(1) {
        let control = usize::from(control);
        if control < 32 {
            let run = next(control + 1).ok_or(CUT)?;
            if out.len() + run.len() > limit {
                return Err(TOO_LONG);
            }
            out.extend_from_slice(run);
            continue;
        }
        let mut len = (control >> 5) + 2;
        if len == 9 {
            len += usize::from(next(1).ok_or(CUT)?[0]);
        }
        let distance = ((control & 0x1f) << 8 | usize::from(next(1).ok_or(CUT)?[0])) + 1;
        let start = out.len().checked_sub(distance).ok_or("an LZF reference leads before the beginning")?;
        if out.len() + len > limit {
            return Err(TOO_LONG);
        }
        // The source may reach into what is being written.
        for source in start..start + len {
            out.push(out[source]);
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::decompress;

    #[test]
    fn literals_and_references() {
        // "abcabcabcabc": three literals, then nine bytes from three back (7 + 0 + 2).
        let stream = [2, b'a', b'b', b'c', 0xe0, 0, 2];
        assert_eq!(decompress(&stream, 12).unwrap(), b"abcabcabcabc");
        assert_eq!(decompress(&[], 4).unwrap(), b"");
    }

    #[test]
    fn damage_is_told() {
        assert!(decompress(&[2, b'a'], 9).unwrap_err().contains("cut"));
        assert!(decompress(&[0x20, 9], 9).unwrap_err().contains("before"));
        assert!(decompress(&[2, b'a', b'b', b'c', 0xe0, 0, 2], 11).unwrap_err().contains("longer"));
        assert!(decompress(&[0xe0], 11).unwrap_err().contains("cut"));
    }
}
