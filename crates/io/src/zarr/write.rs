//! Writing a box: chunks that it covers are encoded as they come, the others are read, changed and written.

use std::path::Path;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use rayon::prelude::*;

use super::array::ZarrArray;
use super::element::{fill_with, is_filled};
use super::stage::Damage;
use super::store::{read_chunk, remove_chunk, write_chunk};
use crate::IoError;
use crate::boxes::{Part, Parts, Place, copy_bytes};

/// Chunks that are listed at a time.
const BATCH: usize = 4096;

/// Writes the box `start + size`, which lies inside.
pub(super) fn write_box(array: &ZarrArray, start: &[usize], size: &[usize], values: &[u8]) -> Result<(), IoError> {
    let mut parts = Parts::new(start, size, array.file_chunk());
    loop {
        let batch: Vec<Part> = parts.by_ref().take(BATCH).collect();
        if batch.is_empty() {
            return Ok(());
        }
        batch
            .into_par_iter()
            .try_for_each_init(Vec::new, |chunk, part| write_part(array, &part, (size, values), chunk))?;
    }
}

fn write_part(
    array: &ZarrArray,
    part: &Part,
    (size, values): (&[usize], &[u8]),
    chunk: &mut Vec<u8>,
) -> Result<(), IoError> {
    let metadata = &array.metadata;
    let block = metadata.block();
    let path = metadata.keys.path(array.folder(), &part.chunk);
    let inside = |axis: usize| block.shape[axis].min(metadata.shape[axis] - part.chunk[axis] * block.shape[axis]);
    let covers = (0..size.len()).all(|axis| part.size[axis] == inside(axis));
    let lock = part.chunk.iter().fold(0, |sum: usize, i| sum.wrapping_mul(31).wrapping_add(*i)) % array.locks.len();
    // Two boxes may share a chunk, though no element; whoever changes it in part must do so alone.
    let _alone = (!covers).then(|| array.locks[lock].lock().unwrap_or_else(PoisonError::into_inner));
    chunk.resize(block.n_bytes(), 0);
    if covers {
        if part.size != block.shape {
            fill_with(chunk, block.fill);
        }
    } else {
        read_whole(array, &path, chunk)?;
    }
    let from = Place { shape: size, start: &part.in_box };
    let to = Place { shape: block.shape, start: &part.in_chunk };
    copy_bytes(&part.size, block.dtype.size(), (values, from), (chunk, to));
    store(array, &path, chunk)
}

fn read_whole(array: &ZarrArray, path: &Path, chunk: &mut [u8]) -> Result<(), IoError> {
    let (chain, block) = (&array.metadata.chain, array.metadata.block());
    let most = chain.encoded_size(chunk.len(), chunk.len() / block.dtype.size()).most() as u64;
    let mut encoded = Vec::new();
    if !read_chunk(path, most, &mut encoded)? {
        fill_with(chunk, block.fill);
        return Ok(());
    }
    array.bytes_read.fetch_add(encoded.len() as u64, Ordering::Relaxed);
    chain.decode_into(&encoded, block, chunk).map_err(|Damage(why)| IoError::damaged(path, why))
}

fn store(array: &ZarrArray, path: &Path, chunk: &[u8]) -> Result<(), IoError> {
    let block = array.metadata.block();
    if !array.keeps_fill() && is_filled(chunk, block.fill) {
        return remove_chunk(path);
    }
    let encoded = array.metadata.chain.encode(chunk, block);
    let encoded = encoded.map_err(|Damage(why)| IoError::unsupported(path, why))?;
    write_chunk(path, &encoded)
}
