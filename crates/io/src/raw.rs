//! Voxels that lie in a file as one dense array, first axis fastest: NIfTI, Analyze, MGH.

use volkit_core::{
    BoxError, CoreError, Region, Rows, VolumeMeta, VolumeSource, Voxels, VoxelsMut, VoxelsRef, with_voxels,
};

use crate::bytes::ByteSource;
use crate::decode::Decoder;
use crate::{Endian, IoError, Limits};

/// Elements converted at a time: a block of them stays in the cache.
const BLOCK_BYTES: usize = 256 << 10;
/// Runs of a box are read together while what lies between them is not more than this many times what is wanted.
const MAX_WASTE: usize = 4;
/// First allocation for a compressed volume whose size the compressed bytes make unlikely.
const FIRST_BLOCK_BYTES: usize = 16 << 20;
/// Expansion that is taken on trust.
const LIKELY_RATIO: u64 = 16;

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
        let trusted = !self.bytes.is_gzip() || wanted / LIKELY_RATIO <= self.bytes.max_len() / crate::gzip::MAX_RATIO;
        let mut have = if trusted { n } else { n.min(FIRST_BLOCK_BYTES / dtype.size()) };
        let mut voxels = Voxels::zeros(dtype, have).map_err(|error| IoError::core(path, error))?;
        self.read_run(0, voxels.view_mut())?;
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
