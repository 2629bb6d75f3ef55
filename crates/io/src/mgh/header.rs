//! The header of an MGH file, with what lies behind its voxels.

use volkit_core::{Affine, DType};

/// Bytes before the voxels.
pub(crate) const HEADER_BYTES: usize = 284;
/// Bytes of the header that have a meaning; the rest is zero.
const USED_BYTES: usize = 90;
/// Repetition time, flip angle, echo time, inversion time, field of view.
pub(super) const FOOTER_BYTES: usize = 20;

const TYPES: [(i32, DType); 5] = [(0, DType::U8), (1, DType::I32), (3, DType::F32), (4, DType::I16), (10, DType::U16)];

/// The fields of an MGH header, as the file has them.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MghHeader {
    /// Width, height, depth, frames.
    pub size: [i32; 4],
    /// 0 u8, 1 i32, 3 f32, 4 i16, 10 u16.
    pub type_code: i32,
    /// Degrees of freedom.
    pub dof: i32,
    /// Whether the orientation fields count (1) or the usual coronal axes do (0).
    pub good_ras: i16,
    /// Millimetres from voxel to voxel.
    pub spacing: [f32; 3],
    /// RAS direction of each voxel axis.
    pub directions: [[f32; 3]; 3],
    /// RAS position of voxel `(width / 2, height / 2, depth / 2)`.
    pub centre: [f32; 3],
    /// Bytes 90 to 283, which have no meaning.
    pub unused: Vec<u8>,
    /// Everything behind the voxels: footer and tag records.
    pub trailing: Vec<u8>,
}

impl Default for MghHeader {
    fn default() -> Self {
        Self {
            size: [1; 4],
            type_code: 0,
            dof: 0,
            good_ras: 1,
            spacing: [1.0; 3],
            directions: [[-1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]],
            centre: [0.0; 3],
            unused: vec![0; HEADER_BYTES - USED_BYTES],
            trailing: vec![0; FOOTER_BYTES],
        }
    }
}

/// Big-endian fields one after another.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn next<const N: usize>(&mut self) -> [u8; N] {
        let (field, rest) = self.0.split_first_chunk::<N>().unwrap_or((&[0; N], &[]));
        self.0 = rest;
        *field
    }

    fn i32(&mut self) -> i32 {
        i32::from_be_bytes(self.next())
    }

    fn f32(&mut self) -> f32 {
        f32::from_be_bytes(self.next())
    }
}

impl MghHeader {
    /// Whether these first bytes are those of an MGH file: version 1 and a known type.
    pub(crate) fn recognises(prefix: &[u8]) -> bool {
        prefix.starts_with(&[0, 0, 0, 1]) && prefix.len() >= 24 && prefix[20..23] == [0; 3]
    }

    /// The header whose bytes these are.
    pub(crate) fn decode(bytes: &[u8; HEADER_BYTES]) -> Self {
        let mut fields = Fields(&bytes[4..]);
        let size = std::array::from_fn(|_| fields.i32());
        let type_code = fields.i32();
        let dof = fields.i32();
        let good_ras = i16::from_be_bytes(fields.next());
        let spacing = std::array::from_fn(|_| fields.f32());
        let directions = std::array::from_fn(|_| std::array::from_fn(|_| fields.f32()));
        let centre = std::array::from_fn(|_| fields.f32());
        let unused = bytes[USED_BYTES..].to_vec();
        Self { size, type_code, dof, good_ras, spacing, directions, centre, unused, trailing: Vec::new() }
    }

    /// The bytes before the voxels.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = 1i32.to_be_bytes().to_vec();
        self.size.iter().for_each(|v| bytes.extend(v.to_be_bytes()));
        bytes.extend(self.type_code.to_be_bytes());
        bytes.extend(self.dof.to_be_bytes());
        bytes.extend(self.good_ras.to_be_bytes());
        let floats = self.spacing.iter().chain(self.directions.iter().flatten()).chain(&self.centre);
        floats.for_each(|v| bytes.extend(v.to_be_bytes()));
        bytes.extend_from_slice(&self.unused);
        bytes.resize(HEADER_BYTES, 0);
        bytes
    }

    /// Element type of a type code.
    pub(crate) fn dtype(&self) -> Option<DType> {
        TYPES.iter().find(|(code, _)| *code == self.type_code).map(|&(_, dtype)| dtype)
    }

    /// Type code of an element type.
    pub(crate) fn code_of(dtype: DType) -> Option<i32> {
        TYPES.iter().find(|(_, known)| *known == dtype).map(|&(code, _)| code)
    }

    /// Spacing, directions (a row per voxel axis) and centre that count.
    pub(crate) fn geometry(&self) -> ([f64; 3], [[f64; 3]; 3], [f64; 3]) {
        let usual = Self::default();
        let counting = if self.good_ras == 0 { &usual } else { self };
        (
            counting.spacing.map(f64::from),
            counting.directions.map(|direction| direction.map(f64::from)),
            counting.centre.map(f64::from),
        )
    }

    /// The affine; the centre lies at index `size / 2`, not between the middle voxels.
    #[must_use]
    pub fn affine(&self) -> Affine {
        let (spacing, directions, centre) = self.geometry();
        let linear = std::array::from_fn(|r| std::array::from_fn(|axis| directions[axis][r] * spacing[axis]));
        let affine = Affine::from_parts(linear, [0.0; 3]);
        let offset = affine.apply(self.half_size());
        affine.with_translation(std::array::from_fn(|r| centre[r] - offset[r]))
    }

    /// The affine of the space in which surfaces of this volume are kept.
    #[must_use]
    pub fn surface_affine(&self) -> Affine {
        let ([sx, sy, sz], _, _) = self.geometry();
        let [hx, hy, hz] = self.half_size();
        Affine::from_rows([[-sx, 0.0, 0.0, sx * hx], [0.0, 0.0, sz, -sz * hz], [0.0, -sy, 0.0, sy * hy]])
    }

    /// Sets spacing, directions and centre to those of an affine for the present size.
    pub(crate) fn set_affine(&mut self, affine: &Affine) {
        let spacing = affine.spacing();
        self.good_ras = 1;
        self.spacing = spacing.map(|v| v as f32);
        self.directions = std::array::from_fn(|axis| affine.column(axis).map(|v| (v / spacing[axis]) as f32));
        self.centre = affine.apply(self.half_size()).map(|v| v as f32);
    }

    fn half_size(&self) -> [f64; 3] {
        std::array::from_fn(|axis| f64::from(self.size[axis]) / 2.0)
    }

    /// Repetition time in milliseconds, where the file has a footer.
    #[must_use]
    pub fn repetition_time_ms(&self) -> Option<f64> {
        let bytes = self.trailing.first_chunk::<4>()?;
        Some(f64::from(f32::from_be_bytes(*bytes)))
    }

    pub(crate) fn set_repetition_time_ms(&mut self, time_ms: f64) {
        if self.trailing.len() < FOOTER_BYTES {
            self.trailing.resize(FOOTER_BYTES, 0);
        }
        self.trailing[..4].copy_from_slice(&(time_ms as f32).to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::{HEADER_BYTES, MghHeader};
    use volkit_core::Affine;

    #[test]
    fn bytes_survive() {
        let mut bytes: [u8; HEADER_BYTES] = std::array::from_fn(|i| i as u8);
        bytes[..4].copy_from_slice(&[0, 0, 0, 1]);
        let header = MghHeader::decode(&bytes);
        assert_eq!(header.encode(), bytes);
        assert_eq!(header.size[0], i32::from_be_bytes([4, 5, 6, 7]));
    }

    #[test]
    fn affine_and_back() {
        let affine = Affine::from_rows([[-1.0, 0.0, 0.0, 9.0], [0.0, 0.0, 2.0, -4.0], [0.0, -1.5, 0.0, 3.0]]);
        let mut header = MghHeader { size: [5, 4, 3, 1], ..MghHeader::default() };
        header.set_affine(&affine);
        assert_eq!((header.spacing, header.centre), ([1.0, 1.5, 2.0], [6.5, -1.0, 0.0]));
        assert_eq!(header.affine(), affine);
    }

    #[test]
    fn without_good_ras_the_usual_coronal_axes_count() {
        let header = MghHeader { size: [4, 4, 4, 1], good_ras: 0, spacing: [7.0; 3], ..MghHeader::default() };
        let rows = [[-1.0, 0.0, 0.0, 2.0], [0.0, 0.0, 1.0, -2.0], [0.0, -1.0, 0.0, 2.0]];
        assert_eq!(header.affine(), Affine::from_rows(rows));
        assert_eq!(header.surface_affine(), Affine::from_rows(rows));
    }

    #[test]
    fn repetition_time_makes_a_footer() {
        let mut header = MghHeader { trailing: Vec::new(), ..MghHeader::default() };
        assert_eq!(header.repetition_time_ms(), None);
        header.set_repetition_time_ms(2300.0);
        assert_eq!((header.repetition_time_ms(), header.trailing.len()), (Some(2300.0), 20));
    }
}
