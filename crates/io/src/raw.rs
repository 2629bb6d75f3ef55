//! Voxels that lie in a file as one dense array, first axis fastest: NIfTI, Analyze, MGH.

use rayon::prelude::*;
use volkit_core::{
    BoxError, CoreError, Region, Rows, VolumeMeta, VolumeSource, Voxels, VoxelsMut, VoxelsRef, with_voxels,
};

use crate::bytes::{ByteSource, LIKELY_RATIO};
use crate::decode::Decoder;
use crate::{Endian, IoError, Limits};

/// Elements converted at a time: a block of them stays in the cache.
const BLOCK_BYTES: usize = 256 << 10;
/// Runs of a box are read together while what lies between them is not more than this many times what is wanted.
const MAX_WASTE: usize = 4;
/// First allocation for a compressed volume whose size the compressed bytes make unlikely.
const FIRST_BLOCK_BYTES: usize = 16 << 20;
/// Voxels of a plain file beyond which several threads read and convert them.
const PARALLEL_BYTES: usize = 4 << 20;

/// Bytes behind the voxels (a footer with tags) up to which a compressed file is inflated at once.
const MAX_TRAILING_BYTES: usize = 1 << 20;

/// Where the voxels lie and how they are stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(crate) offset: u64,
    pub(crate) endian: Endian,
    pub(crate) decoder: Decoder,
    /// Whether nothing of interest follows the voxels, so that a checksum may be verified at their end.
    pub(crate) last: bool,
    /// Name of the header's field that gives the shape, for messages.
    pub(crate) shape_field: &'static str,
}

/// Reads boxes of a dense array in a file.
pub(crate) struct RawSource {
    bytes: ByteSource,
    meta: VolumeMeta,
    stored: volkit_core::DType,
    layout: Layout,
    /// What the voxels are called in messages: with the field that asks for them and its value.
    what: String,
}

impl RawSource {
    /// A source over the array that `meta` (with the **stored** element type) and `layout` describe.
    pub(crate) fn new(bytes: ByteSource, meta: &VolumeMeta, layout: Layout) -> Result<Self, IoError> {
        let stored = meta.dtype();
        let n_bytes = meta.n_voxels() as u128 * stored.size() as u128;
        let expected = u128::from(layout.offset) + n_bytes;
        let what = format!("{} = {:?}: {stored} voxel data", layout.shape_field, meta.shape());
        if expected > u128::from(bytes.max_len()) {
            return Err(IoError::Truncated {
                path: bytes.path().to_owned(),
                what: if bytes.is_gzip() { what + ", as far as gzip can expand this file," } else { what },
                expected: u64::try_from(expected).unwrap_or(u64::MAX),
                found: bytes.max_len(),
            });
        }
        bytes.set_voxel_bytes(layout.offset..expected as u64, layout.last);
        let meta = meta.clone().with_dtype(layout.decoder.value_dtype());
        Ok(Self { bytes, meta, stored, layout, what })
    }

    pub(crate) fn bytes(&self) -> &ByteSource {
        &self.bytes
    }

    /// All values. Memory grows with what a compressed stream really holds.
    pub(crate) fn read_whole(&self, limits: &Limits) -> Result<Voxels, IoError> {
        let path = self.bytes.path();
        let (n, dtype) = (self.meta.n_voxels(), self.meta.dtype());
        let wanted = limits.check_array(path, "the volume", n, dtype.size())?;
        if self.bytes.is_gzip()
            && let Some(voxels) = self.inflate_whole()
        {
            return Ok(voxels);
        }
        let likely = self.bytes.max_len() / crate::gzip::MAX_RATIO * LIKELY_RATIO;
        let trusted = !self.bytes.is_gzip() || wanted <= likely;
        let mut have = if trusted { n } else { n.min(FIRST_BLOCK_BYTES / dtype.size()) };
        let mut voxels = Voxels::zeros(dtype, have).map_err(|error| IoError::core(path, error))?;
        if self.bytes.is_gzip() {
            self.read_run(0, voxels.view_mut())?;
        } else {
            self.read_parts(voxels.view_mut())?;
        }
        while have < n {
            let more = have.min(n - have);
            with_voxels!(Voxels, &mut voxels, values => {
                values.try_reserve_exact(more).map_err(|_| {
                    let shape = self.meta.shape().to_vec();
                    IoError::core(path, CoreError::Length { shape, wanted: n, got: have })
                })?;
                values.resize(have + more, bytemuck::Zeroable::zeroed());
            });
            self.read_run(have, voxels.view_mut().slice(have..have + more))?;
            have += more;
        }
        Ok(voxels)
    }

    /// All values of a compressed file that is inflated at once: into the end of the values' own memory, from where they
    /// are converted forward, so that nothing is held twice. None where it must be read piece by piece.
    fn inflate_whole(&self) -> Option<Voxels> {
        let (n, dtype) = (self.meta.n_voxels(), self.meta.dtype());
        let stored_size = self.stored.size();
        let offset = usize::try_from(self.layout.offset).ok()?;
        let voxels_end = offset.checked_add(n.checked_mul(stored_size)?)?;
        if dtype.size() < stored_size {
            return None;
        }
        let packed = self.bytes.packed(voxels_end)?;
        let n_trailing = packed.len - voxels_end;
        if n_trailing > if self.layout.last { 0 } else { MAX_TRAILING_BYTES } {
            return None;
        }
        let n_elements = n.checked_add((offset + n_trailing).div_ceil(dtype.size()))?;
        let mut voxels = Voxels::zeros(dtype, n_elements).ok()?;
        let mut view = voxels.view_mut();
        let bytes = view.bytes_mut();
        let end = bytes.len();
        if !packed.inflate(&mut bytes[end - packed.len..]) {
            return None;
        }
        if !self.layout.last {
            self.bytes.set_tail(voxels_end as u64, bytes[end - n_trailing..].to_vec());
        }
        let start = end - n_trailing - n * stored_size;
        if self.layout.decoder.is_identity() {
            bytes.copy_within(start.., 0);
            self.layout.endian.swap_if_needed(self.stored, &mut bytes[..n * stored_size]);
        } else {
            self.convert_forward(&mut voxels, start).ok()?;
        }
        with_voxels!(Voxels, &mut voxels, values => values.truncate(n));
        Some(voxels)
    }

    /// Converts stored elements that lie at the end of `voxels`, from byte `start`, to its beginning. A value is never
    /// smaller than a stored element, so what is written stays behind what is read.
    fn convert_forward(&self, voxels: &mut Voxels, start: usize) -> Result<(), IoError> {
        let (n, stored_size) = (self.meta.n_voxels(), self.stored.size());
        let block_len = (BLOCK_BYTES / stored_size).min(n);
        let mut block = self.zeros(block_len)?;
        for first in (0..n).step_by(block_len.max(1)) {
            let len = block_len.min(n - first);
            let from = start + first * stored_size;
            let mut view = block.view_mut();
            let bytes = &mut view.bytes_mut()[..len * stored_size];
            bytes.copy_from_slice(&voxels.view().bytes()[from..from + len * stored_size]);
            self.layout.endian.swap_if_needed(self.stored, bytes);
            self.decode(sub(block.view(), 0, len), voxels.view_mut().slice(first..first + len))?;
        }
        Ok(())
    }

    /// All values of a plain file, by several threads where there are many.
    fn read_parts(&self, mut out: VoxelsMut<'_>) -> Result<(), IoError> {
        let n = out.len();
        let threads = rayon::current_num_threads();
        if threads == 1 || n * self.stored.size() < PARALLEL_BYTES {
            return self.read_run(0, out);
        }
        let part = n.div_ceil(4 * threads);
        with_voxels!(VoxelsMut, &mut out, values => {
            let parts = values.par_chunks_mut(part).enumerate();
            parts.map(|(index, values)| self.read_run(index * part, values.into())).collect()
        })
    }

    /// Values of consecutive elements from `first`.
    fn read_run(&self, first: usize, mut out: VoxelsMut<'_>) -> Result<(), IoError> {
        if self.layout.decoder.is_identity() && out.dtype() == self.stored {
            self.bytes.read_at(&self.what, self.position(first), out.bytes_mut())?;
            self.layout.endian.swap_if_needed(self.stored, out.bytes_mut());
            return Ok(());
        }
        let block_len = (BLOCK_BYTES / self.stored.size()).min(out.len());
        let mut block = self.zeros(block_len)?;
        let mut done = 0;
        while done < out.len() {
            let len = block_len.min(out.len() - done);
            self.read_stored(first + done, block.view_mut().slice(0..len))?;
            self.decode(sub(block.view(), 0, len), out.slice(done..done + len))?;
            done += len;
        }
        Ok(())
    }

    /// The runs of a box, those that lie close together with one read.
    fn read_rows(&self, rows: &mut Rows, mut out: VoxelsMut<'_>) -> Result<(), IoError> {
        let len = rows.run_len();
        let most = (BLOCK_BYTES / self.stored.size()).max(len);
        let mut block = self.zeros(0)?;
        let mut group: Vec<usize> = Vec::new();
        let mut done = 0;
        loop {
            let next = rows.next();
            let joins = match (next, group.first()) {
                (Some(next), Some(first)) => {
                    let span = next + len - first;
                    span <= most && span <= MAX_WASTE * len * (group.len() + 1)
                }
                (Some(_), None) => true,
                (None, _) => false,
            };
            if !joins && let (Some(&first), Some(&last)) = (group.first(), group.last()) {
                if group.len() == 1 {
                    self.read_run(first, out.slice(done..done + len))?;
                } else {
                    let span = last + len - first;
                    if block.len() < span {
                        block = self.zeros(span)?;
                    }
                    self.read_stored(first, block.view_mut().slice(0..span))?;
                    for (run, start) in group.iter().enumerate() {
                        let at = done + run * len;
                        self.decode(sub(block.view(), start - first, len), out.slice(at..at + len))?;
                    }
                }
                done += group.len() * len;
                group.clear();
            }
            let Some(next) = next else { return Ok(()) };
            group.push(next);
        }
    }

    fn read_stored(&self, first: usize, mut out: VoxelsMut<'_>) -> Result<(), IoError> {
        self.bytes.read_at(&self.what, self.position(first), out.bytes_mut())?;
        self.layout.endian.swap_if_needed(self.stored, out.bytes_mut());
        Ok(())
    }

    fn decode(&self, stored: VoxelsRef<'_>, out: VoxelsMut<'_>) -> Result<(), IoError> {
        let to = out.dtype();
        self.layout.decoder.decode(stored, out).map_err(|error| match error {
            CoreError::DType { from, .. } if !from.is_real() => {
                let how = if from.is_complex() { "complex part" } else { "colour channel" };
                let what = format!("{from} voxels asked for as {to}: choose a {how} and f32 or f64 values");
                IoError::unsupported(self.bytes.path(), what)
            }
            error => IoError::core(self.bytes.path(), error),
        })
    }

    fn zeros(&self, len: usize) -> Result<Voxels, IoError> {
        Voxels::zeros(self.stored, len).map_err(|error| IoError::core(self.bytes.path(), error))
    }

    fn position(&self, element: usize) -> u64 {
        self.layout.offset + element as u64 * self.stored.size() as u64
    }
}

impl VolumeSource for RawSource {
    fn meta(&self) -> &VolumeMeta {
        &self.meta
    }

    fn read_region(&self, region: &Region, out: VoxelsMut<'_>) -> Result<(), BoxError> {
        let mut rows = region.rows(self.meta.shape())?;
        if out.len() != region.len() {
            let shape = region.size().to_vec();
            return Err(CoreError::Length { shape, wanted: region.len(), got: out.len() }.into());
        }
        if region.is_empty() {
            return Ok(());
        }
        Ok(self.read_rows(&mut rows, out)?)
    }
}

fn sub(voxels: VoxelsRef<'_>, start: usize, len: usize) -> VoxelsRef<'_> {
    with_voxels!(VoxelsRef, voxels, values => (&values[start..start + len]).into())
}
