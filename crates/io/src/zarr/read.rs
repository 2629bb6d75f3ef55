//! Reading a box: its memory is cut into the rows of each chunk, then chunks are decoded on all threads, each into its
//! own rows.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::Ordering;

use rayon::prelude::*;

use super::array::ZarrArray;
use super::chain::{Block, Chain};
use super::element::fill_with;
use super::sharding::Sharding;
use super::stage::Damage;
use super::store::{open_chunk, read_chunk, read_part};
use crate::IoError;
use crate::boxes::{Part, Parts, Place, advance, for_each_row};

/// Chunks that one cut of memory takes at least, so that no thread waits at the end of many small cuts.
const LEAST_CHUNKS: usize = 256;

/// A chunk to decode and the rows of memory that its elements go to, in order.
struct Job<'a> {
    chunk: Vec<usize>,
    part: Part,
    rows: Vec<&'a mut [u8]>,
}

/// Memory that threads keep from one chunk to the next.
#[derive(Default)]
struct Scratch {
    encoded: Vec<u8>,
    decoded: Vec<u8>,
}

/// Reads the box `start + size`, which lies inside, into `out`.
pub(super) fn read_box(array: &ZarrArray, start: &[usize], size: &[usize], out: &mut [u8]) -> Result<(), IoError> {
    if size.contains(&0) {
        return Ok(());
    }
    // A slab along this axis is one piece of memory.
    let axis = size.iter().position(|n| *n > 1).unwrap_or(0);
    if size.is_empty() || size[axis] == 1 {
        return read_slab(array, start, size, out);
    }
    let chunk = array.file_chunk();
    let per_row: usize = Parts::new(start, size, chunk).counts()[axis + 1..].iter().product();
    let step = chunk[axis].saturating_mul(LEAST_CHUNKS.div_ceil(per_row.max(1)));
    let plane = out.len() / size[axis];
    let (end, mut from, mut rest) = (start[axis] + size[axis], start[axis], out);
    while from < end {
        let to = (from / chunk[axis] * chunk[axis]).saturating_add(step).min(end);
        let (slab, later) = std::mem::take(&mut rest).split_at_mut((to - from) * plane);
        let (mut slab_start, mut slab_size) = (start.to_vec(), size.to_vec());
        (slab_start[axis], slab_size[axis]) = (from, to - from);
        read_slab(array, &slab_start, &slab_size, slab)?;
        (rest, from) = (later, to);
    }
    Ok(())
}

fn read_slab(array: &ZarrArray, start: &[usize], size: &[usize], out: &mut [u8]) -> Result<(), IoError> {
    let metadata = &array.metadata;
    let unit = array.chunk();
    let element = metadata.element.size();
    // Trailing axes that one chunk covers whole melt into longer rows.
    let (mut start_c, mut size_c, mut unit_c) = (start.to_vec(), size.to_vec(), unit.to_vec());
    let mut melted = Vec::new();
    while let [.., last] = unit_c[..]
        && unit_c.len() > 1
        && start_c[unit_c.len() - 1] % last == 0
        && size_c[unit_c.len() - 1] == last
    {
        let n = unit_c.len() - 2;
        melted.insert(0, start_c[n + 1] / last);
        start_c[n] *= last;
        size_c[n] *= last;
        unit_c[n] *= last;
        for axes in [&mut start_c, &mut size_c, &mut unit_c] {
            axes.pop();
        }
    }
    let parts = Parts::new(&start_c, &size_c, &unit_c);
    let counts = parts.counts().to_vec();
    let mut jobs: Vec<Job<'_>> = parts
        .map(|part| {
            let chunk = part.chunk.iter().chain(&melted).copied().collect();
            let n_rows = part.size[..part.size.len().saturating_sub(1)].iter().product();
            Job { chunk, part, rows: Vec::with_capacity(n_rows) }
        })
        .collect();
    cut_rows(&mut jobs, (&start_c, &size_c, &unit_c), &counts, element, out);
    match metadata.chain.readable_shards() {
        Some(sharding) => read_shards(array, sharding, jobs, &unit_c),
        None => jobs.into_par_iter().try_for_each_init(Scratch::default, |scratch, job| {
            let path = metadata.keys.path(array.folder(), &job.chunk);
            let block = metadata.block();
            let n_elements = block.shape.iter().product();
            let most = metadata.chain.encoded_size(block.n_bytes(), n_elements).most() as u64;
            let found = read_chunk(&path, most, &mut scratch.encoded)?;
            let encoded = found.then_some(scratch.encoded.as_slice());
            array.bytes_read.fetch_add(encoded.map_or(0, <[u8]>::len) as u64, Ordering::Relaxed);
            deliver(encoded, (&metadata.chain, block), &unit_c, job, &mut scratch.decoded)
                .map_err(|Damage(why)| IoError::damaged(&path, why))
        }),
    }
}

/// Cuts the memory of a box into rows and gives each to the chunk that fills it.
fn cut_rows<'a>(
    jobs: &mut [Job<'a>],
    (start, size, unit): (&[usize], &[usize], &[usize]),
    counts: &[usize],
    element: usize,
    out: &'a mut [u8],
) {
    let n_outer = size.len().saturating_sub(1);
    let n_last = counts.last().copied().unwrap_or(1);
    let lengths: Vec<usize> =
        jobs[..n_last].iter().map(|job| job.part.size.last().copied().unwrap_or(1) * element).collect();
    let mut index = vec![0; n_outer];
    let mut rest = out;
    loop {
        let mut first = 0;
        for axis in 0..n_outer {
            first = first * counts[axis] + (start[axis] + index[axis]) / unit[axis] - start[axis] / unit[axis];
        }
        for (job, length) in jobs[first * n_last..].iter_mut().zip(&lengths) {
            let (row, later) = std::mem::take(&mut rest).split_at_mut(*length);
            job.rows.push(row);
            rest = later;
        }
        if !advance(&mut index, &size[..n_outer]) {
            return;
        }
    }
}

/// Decodes a chunk, or takes the fill value where it is not stored, and copies its rows.
fn deliver(
    encoded: Option<&[u8]>,
    (chain, block): (&Chain, Block<'_>),
    unit: &[usize],
    mut job: Job<'_>,
    decoded: &mut Vec<u8>,
) -> Result<(), Damage> {
    let Some(encoded) = encoded else {
        job.rows.iter_mut().for_each(|row| fill_with(row, block.fill));
        return Ok(());
    };
    let n_bytes = block.n_bytes();
    if let [row] = &mut job.rows[..]
        && row.len() == n_bytes
    {
        return chain.decode_into(encoded, block, row);
    }
    decoded.resize(n_bytes, 0);
    chain.decode_into(encoded, block, decoded)?;
    let element = block.dtype.size();
    let mut rows = job.rows.iter_mut();
    let from = Place { shape: unit, start: &job.part.in_chunk };
    for_each_row(&job.part.size, from, from, |offset, _| {
        if let Some(row) = rows.next() {
            row.copy_from_slice(&decoded[offset * element..][..row.len()]);
        }
    });
    Ok(())
}

/// Reads inner chunks out of shards: of each shard the index, then the inner chunks that are wanted.
fn read_shards(array: &ZarrArray, sharding: &Sharding, mut jobs: Vec<Job<'_>>, unit: &[usize]) -> Result<(), IoError> {
    let metadata = &array.metadata;
    let per_shard: Vec<usize> = metadata.chunk.iter().zip(&sharding.inner_shape).map(|(n, inner)| n / inner).collect();
    let shard_of = |job: &Job<'_>| job.chunk.iter().zip(&per_shard).map(|(i, n)| i / n).collect::<Vec<_>>();
    jobs.sort_by_cached_key(shard_of);
    let mut groups: Vec<(Vec<usize>, Vec<Job<'_>>)> = Vec::new();
    for job in jobs {
        let shard = shard_of(&job);
        match groups.last_mut() {
            Some((last, group)) if *last == shard => group.push(job),
            _ => groups.push((shard, vec![job])),
        }
    }
    let block = Block { shape: &sharding.inner_shape, ..metadata.block() };
    groups.into_par_iter().try_for_each(|(shard, jobs)| {
        let path = metadata.keys.path(array.folder(), &shard);
        let opened = open_shard(array, sharding, &path)?;
        jobs.into_par_iter().try_for_each_init(Scratch::default, |scratch, job| {
            let place = job.chunk.iter().zip(&per_shard).fold(0, |place, (i, n)| place * n + i % n);
            let range = opened.as_ref().and_then(|(_, index)| index[place].clone());
            let encoded = match (&opened, range) {
                (Some((file, _)), Some(range)) => {
                    let most = sharding.inner.encoded_size(block.n_bytes(), block.shape.iter().product()).most();
                    let length = range.end - range.start;
                    if length > most as u64 {
                        let why = format!("inner chunk {place} has {length} bytes, at most {most} can be");
                        return Err(IoError::damaged(&path, why));
                    }
                    scratch.encoded.resize(length as usize, 0);
                    read_part(&path, file, range.start, &mut scratch.encoded)?;
                    array.bytes_read.fetch_add(length, Ordering::Relaxed);
                    Some(scratch.encoded.as_slice())
                }
                _ => None,
            };
            deliver(encoded, (&sharding.inner, block), unit, job, &mut scratch.decoded)
                .map_err(|Damage(why)| IoError::damaged(&path, format!("inner chunk {place}: {why}")))
        })
    })
}

fn open_shard(
    array: &ZarrArray,
    sharding: &Sharding,
    path: &Path,
) -> Result<Option<(File, super::sharding::Index)>, IoError> {
    let Some((file, length)) = open_chunk(path)? else {
        return Ok(None);
    };
    let damaged = |Damage(why): Damage| IoError::damaged(path, why);
    let n_inner = sharding.n_inner(&array.metadata.chunk);
    let range = sharding.index_range(length, n_inner).map_err(damaged)?;
    let mut bytes = vec![0; (range.end - range.start) as usize];
    read_part(path, &file, range.start, &mut bytes)?;
    array.bytes_read.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    let index = sharding.parse_index(&bytes, length, n_inner).map_err(damaged)?;
    Ok(Some((file, index)))
}
