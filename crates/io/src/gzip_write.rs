//! Writing gzip streams: one member, its blocks compressed several at a time. The bytes depend on nothing but the input
//! and the level: no time, no name, blocks of one size whatever the number of threads.

use std::io::{self, Write};

use flate2::{Compress, Compression, FlushCompress, Status};
use rayon::prelude::*;

/// Input of one block: small enough for many threads, large enough that a window that starts empty costs nothing to
/// speak of (32 KiB of 1 MiB).
const BLOCK_BYTES: usize = 1 << 20;
/// Magic, method deflate, no flags, no time, no extra flags, unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// A compressor in front of `output`.
pub(crate) struct GzWriter<W: Write> {
    output: W,
    level: u32,
    /// Input that is not compressed yet.
    pending: Vec<u8>,
    /// Bytes of `pending` at which blocks are compressed.
    batch_bytes: usize,
    crc: crc32fast::Hasher,
    n_bytes: u64,
    has_header: bool,
}

impl<W: Write> GzWriter<W> {
    /// A compressor of level 0 to 9.
    pub(crate) fn new(output: W, level: u32) -> Self {
        Self {
            output,
            level: level.min(9),
            pending: Vec::new(),
            batch_bytes: BLOCK_BYTES * rayon::current_num_threads().clamp(1, 16),
            crc: crc32fast::Hasher::new(),
            n_bytes: 0,
            has_header: false,
        }
    }

    /// Ends the stream and gives the output back.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.put_pending(true)?;
        self.output.write_all(&std::mem::take(&mut self.crc).finalize().to_le_bytes())?;
        self.output.write_all(&(self.n_bytes as u32).to_le_bytes())?;
        Ok(self.output)
    }

    fn put_pending(&mut self, is_last: bool) -> io::Result<()> {
        if !self.has_header {
            self.output.write_all(&HEADER)?;
            self.has_header = true;
        }
        let pending = std::mem::take(&mut self.pending);
        let blocks: Vec<&[u8]> = if pending.is_empty() { vec![&[][..]] } else { pending.chunks(BLOCK_BYTES).collect() };
        if pending.is_empty() && !is_last {
            return Ok(());
        }
        let (level, n) = (self.level, blocks.len());
        let compressed = blocks.par_iter().enumerate().map(|(index, block)| {
            let mut crc = crc32fast::Hasher::new();
            crc.update(block);
            deflate(block, level, is_last && index + 1 == n).map(|bytes| (crc, bytes))
        });
        for (crc, bytes) in compressed.collect::<io::Result<Vec<_>>>()? {
            self.crc.combine(&crc);
            self.output.write_all(&bytes)?;
        }
        self.n_bytes += pending.len() as u64;
        self.pending = pending;
        self.pending.clear();
        Ok(())
    }
}

/// One block as raw deflate that ends at a whole byte, so that another may follow.
fn deflate(block: &[u8], level: u32, is_last: bool) -> io::Result<Vec<u8>> {
    let mut stream = Compress::new(Compression::new(level), false);
    let mut out = Vec::with_capacity(block.len() / 3 + 128);
    let flush = if is_last { FlushCompress::Finish } else { FlushCompress::Sync };
    loop {
        let done = stream.total_in() as usize;
        let status = stream.compress_vec(&block[done..], &mut out, flush).map_err(io::Error::other)?;
        // A flush is complete when it leaves room: the last byte did not have to wait for any.
        let has_room = out.len() < out.capacity();
        if status == Status::StreamEnd || (!is_last && has_room && stream.total_in() as usize == block.len()) {
            return Ok(out);
        }
        out.reserve(out.capacity().max(1024));
    }
}

impl<W: Write> Write for GzWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full batch waits for more: the last block, which ends the stream, is never an empty one after it.
        if !bytes.is_empty() && self.pending.len() == self.batch_bytes {
            self.put_pending(false)?;
        }
        if self.pending.capacity() == 0 {
            self.pending.reserve_exact(self.batch_bytes.min(bytes.len().max(64 << 10)));
        }
        let free = self.batch_bytes - self.pending.len();
        let taken = bytes.len().min(free);
        self.pending.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    /// What is not a whole batch of blocks stays: blocks have one size.
    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::{BLOCK_BYTES, GzWriter};
    use std::io::{Read as _, Write as _};

    fn compressed(bytes: &[u8], level: u32, threads: usize) -> Vec<u8> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut writer = GzWriter::new(Vec::new(), level);
            for part in bytes.chunks(300_001) {
                writer.write_all(part).unwrap();
            }
            writer.finish().unwrap()
        })
    }

    #[test]
    fn one_member_of_the_same_bytes_for_any_number_of_threads() {
        let noisy: Vec<u8> = (0u64..3 * BLOCK_BYTES as u64 + 17).map(|i| ((i * i) >> 7) as u8).collect();
        for (bytes, level) in
            [(&noisy[..], 6), (&noisy[..], 1), (&noisy[..], 0), (&noisy[..BLOCK_BYTES], 9), (&noisy[..1], 6), (&[], 6)]
        {
            let one = compressed(bytes, level, 1);
            assert!(one == compressed(bytes, level, 3), "{} bytes at level {level}", bytes.len());
            // A decoder of single members gives all.
            let mut back = Vec::new();
            flate2::read::GzDecoder::new(&one[..]).read_to_end(&mut back).unwrap();
            assert!(back == bytes, "{} bytes at level {level}", bytes.len());
        }
    }
}
