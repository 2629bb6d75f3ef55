//! Gzip streams: members one after another, checked against their CRC-32 and length.

use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::{Decompress, FlushDecompress, Status};

use crate::IoError;

/// First bytes of every gzip member.
pub(crate) const MAGIC: [u8; 2] = [0x1f, 0x8b];
const INPUT_BYTES: usize = 256 << 10;
const FIXED_HEADER_BYTES: usize = 10;
const TRAILER_BYTES: usize = 8;
/// Deflate can not expand by more than this.
pub(crate) const MAX_RATIO: u64 = 1032;
/// How far to look past the last voxel for the end of the member, whose checksum covers the voxels.
const FINISH_BYTES: u64 = 64 << 10;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Header,
    Body,
    End,
}

/// Inflates a gzip stream. Damage is an error, also a wrong checksum; a stream that is cut only ends (see
/// [`GzReader::finish`]).
pub(crate) struct GzReader<R> {
    path: PathBuf,
    input: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    inflate: Decompress,
    crc: crc32fast::Hasher,
    member_bytes: u32,
    n_members: usize,
    state: State,
    cut: bool,
    warnings: Vec<String>,
}

impl<R: Read> GzReader<R> {
    pub(crate) fn new(path: &Path, input: R) -> Self {
        Self {
            path: path.to_owned(),
            input,
            buffer: vec![0; INPUT_BYTES],
            start: 0,
            end: 0,
            inflate: Decompress::new(false),
            crc: crc32fast::Hasher::new(),
            member_bytes: 0,
            n_members: 0,
            state: State::Header,
            cut: false,
            warnings: Vec::new(),
        }
    }

    /// Fills `out` as far as the stream goes; gives the number of bytes.
    pub(crate) fn read(&mut self, out: &mut [u8]) -> Result<usize, IoError> {
        let mut filled = 0;
        while filled < out.len() {
            match self.state {
                State::Header => self.read_header()?,
                State::Body => filled += self.inflate_some(&mut out[filled..])?,
                State::End => break,
            }
        }
        Ok(filled)
    }

    /// Looks for the end of the member after all that matters has been read, so that its checksum is verified. What
    /// lies further away is never inflated.
    pub(crate) fn finish(&mut self, strict: bool) -> Result<(), IoError> {
        let mut scratch = [0; 4096];
        let mut seen = 0;
        let member = self.n_members;
        while self.state == State::Body && self.n_members == member && seen < FINISH_BYTES {
            seen += self.inflate_some(&mut scratch)? as u64;
        }
        if self.state == State::Header {
            self.read_header()?;
        }
        if self.cut && strict {
            return Err(cut(&self.path, self.inflate.total_in()));
        }
        if std::mem::take(&mut self.cut) {
            self.warnings.push("the gzip stream is cut: its end or checksum is missing".to_owned());
        }
        Ok(())
    }

    /// Whether the stream ended before its end, as far as it has been read.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut
    }

    pub(crate) fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    fn inflate_some(&mut self, out: &mut [u8]) -> Result<usize, IoError> {
        let at_end = self.start == self.end && !self.fill(1)?;
        let (total_in, total_out) = (self.inflate.total_in(), self.inflate.total_out());
        let input = &self.buffer[self.start..self.end];
        let status = self
            .inflate
            .decompress(input, out, FlushDecompress::None)
            .map_err(|error| IoError::damaged(&self.path, format!("deflate stream: {error}")))?;
        let produced = (self.inflate.total_out() - total_out) as usize;
        self.start += (self.inflate.total_in() - total_in) as usize;
        self.crc.update(&out[..produced]);
        self.member_bytes = self.member_bytes.wrapping_add(produced as u32);
        if status == Status::StreamEnd {
            self.read_trailer()?;
        } else if produced == 0 && at_end {
            self.cut = true;
            self.state = State::End;
        }
        Ok(produced)
    }

    fn read_header(&mut self) -> Result<(), IoError> {
        if self.n_members > 0 {
            if !self.fill(MAGIC.len())? && self.start == self.end {
                self.state = State::End;
                return Ok(());
            }
            if !self.buffer[self.start..self.end].starts_with(&MAGIC) {
                self.warnings.push("bytes after the last gzip member are ignored".to_owned());
                self.state = State::End;
                return Ok(());
            }
        }
        if !self.skip_member_header()? {
            self.cut = true;
            self.state = State::End;
            return Ok(());
        }
        self.inflate.reset(false);
        self.crc = crc32fast::Hasher::new();
        self.member_bytes = 0;
        self.n_members += 1;
        self.state = State::Body;
        Ok(())
    }

    /// Steps over the header of a member (RFC 1952, section 2.3); false when the input ends in it.
    fn skip_member_header(&mut self) -> Result<bool, IoError> {
        const CHECKSUM: u8 = 1 << 1;
        const EXTRA: u8 = 1 << 2;
        const NAME: u8 = 1 << 3;
        const COMMENT: u8 = 1 << 4;
        const RESERVED: u8 = 0xe0;
        const DEFLATE: u8 = 8;
        if !self.fill(FIXED_HEADER_BYTES)? {
            return Ok(false);
        }
        let fixed = &self.buffer[self.start..self.start + FIXED_HEADER_BYTES];
        let (method, flags) = (fixed[2], fixed[3]);
        if !fixed.starts_with(&MAGIC) || method != DEFLATE || flags & RESERVED != 0 {
            let at = format!("gzip header: method {method}, flags {flags:#04x}");
            return Err(IoError::damaged(&self.path, at));
        }
        self.start += FIXED_HEADER_BYTES;
        if flags & EXTRA != 0 {
            if !self.fill(2)? {
                return Ok(false);
            }
            let len = u16::from_le_bytes([self.buffer[self.start], self.buffer[self.start + 1]]);
            self.start += 2;
            if !self.fill(usize::from(len))? {
                return Ok(false);
            }
            self.start += usize::from(len);
        }
        for flag in [NAME, COMMENT] {
            if flags & flag != 0 && !self.skip_text()? {
                return Ok(false);
            }
        }
        if flags & CHECKSUM != 0 {
            if !self.fill(2)? {
                return Ok(false);
            }
            self.start += 2;
        }
        Ok(true)
    }

    /// Steps over a text that ends in a zero byte.
    fn skip_text(&mut self) -> Result<bool, IoError> {
        loop {
            if !self.fill(1)? {
                return Ok(false);
            }
            self.start += 1;
            if self.buffer[self.start - 1] == 0 {
                return Ok(true);
            }
        }
    }

    fn read_trailer(&mut self) -> Result<(), IoError> {
        if !self.fill(TRAILER_BYTES)? {
            self.cut = true;
            self.state = State::End;
            return Ok(());
        }
        let word = |at: usize| {
            let bytes = &self.buffer[self.start + at..self.start + at + 4];
            u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
        };
        let (stored_crc, stored_bytes) = (word(0), word(4));
        let crc = std::mem::take(&mut self.crc).finalize();
        if crc != stored_crc {
            let at = format!("gzip CRC-32 is {crc:08x}, {stored_crc:08x} stored");
            return Err(IoError::damaged(&self.path, at));
        }
        if self.member_bytes != stored_bytes {
            let at = format!("gzip length is {}, {stored_bytes} stored", self.member_bytes);
            return Err(IoError::damaged(&self.path, at));
        }
        self.start += TRAILER_BYTES;
        self.state = State::Header;
        Ok(())
    }

    /// Makes `n` bytes of input ready; false when the input ends before.
    fn fill(&mut self, n: usize) -> Result<bool, IoError> {
        if self.end - self.start >= n {
            return Ok(true);
        }
        self.buffer.copy_within(self.start..self.end, 0);
        (self.end, self.start) = (self.end - self.start, 0);
        while self.end < n {
            match self.input.read(&mut self.buffer[self.end..]) {
                Ok(0) => return Ok(false),
                Ok(count) => self.end += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(IoError::io(&self.path, "read", error)),
            }
        }
        Ok(true)
    }
}

/// The error of a stream that ends after `found` compressed bytes.
pub(crate) fn cut(path: &Path, found: u64) -> IoError {
    let what = "the gzip stream is truncated: it".to_owned();
    IoError::Truncated { path: path.to_owned(), what, expected: found + 1, found }
}
