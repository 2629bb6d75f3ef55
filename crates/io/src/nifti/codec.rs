//! The bytes of a header: one list of fields for reading and for writing.

use crate::Endian;

use super::NiftiHeader;

/// Bytes of a NIfTI-1 (and Analyze) header.
pub(crate) const V1_BYTES: usize = 348;
/// Bytes of a NIfTI-2 header.
pub(crate) const V2_BYTES: usize = 540;
/// What follows the magic of NIfTI-2, so that text-mode transfers show.
pub(crate) const V2_LINE_ENDS: [u8; 4] = [0x0d, 0x0a, 0x1a, 0x0a];

/// A value that the field of a header can not hold.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FieldError {
    pub(crate) field: String,
    pub(crate) value: String,
    pub(crate) why: String,
}

impl FieldError {
    pub(crate) fn new(field: impl Into<String>, value: impl std::fmt::Display, why: impl Into<String>) -> Self {
        Self { field: field.into(), value: value.to_string(), why: why.into() }
    }
}

/// The header whose bytes these are; `bytes` holds at least the size of that version's header.
pub(crate) fn decode(bytes: &[u8], version: u8, endian: Endian) -> NiftiHeader {
    let mut header = NiftiHeader { version, endian, ..NiftiHeader::default() };
    let mut reader = Reader { bytes, at: 0, endian };
    let mut magic = [0; 8];
    if version == 2 {
        walk_v2(&mut header, &mut magic, &mut reader);
    } else {
        walk_v1(&mut header, &mut magic, &mut reader);
    }
    header.single_file = magic.starts_with(b"n+");
    header
}

/// The bytes of a header.
///
/// # Errors
/// The first field that holds more than its place in the file can.
pub(crate) fn encode(header: &NiftiHeader) -> Result<Vec<u8>, FieldError> {
    let mut header = header.clone();
    let mut writer = Writer { bytes: Vec::with_capacity(V2_BYTES), endian: header.endian, error: None };
    let mut magic = [0; 8];
    magic[0] = b'n';
    magic[1] = if header.single_file { b'+' } else { b'i' };
    magic[2] = b'0' + header.version;
    if header.version == 2 {
        magic[4..].copy_from_slice(&V2_LINE_ENDS);
        walk_v2(&mut header, &mut magic, &mut writer);
    } else {
        walk_v1(&mut header, &mut magic, &mut writer);
    }
    writer.error.map_or(Ok(writer.bytes), Err)
}

fn walk_v1(h: &mut NiftiHeader, magic: &mut [u8; 8], io: &mut impl Fields) {
    io.i32(&mut (V1_BYTES as i64), "sizeof_hdr");
    io.bytes(&mut h.data_type);
    io.bytes(&mut h.db_name);
    io.i32(&mut h.extents, "extents");
    io.i16(&mut h.session_error, "session_error");
    io.u8(&mut h.regular, "regular");
    io.u8(&mut h.dim_info, "dim_info");
    h.dim.iter_mut().for_each(|v| io.i16(v, "dim"));
    h.intent_p.iter_mut().for_each(|v| io.f32(v));
    io.i16(&mut h.intent_code, "intent_code");
    io.i16(&mut h.datatype, "datatype");
    io.i16(&mut h.bitpix, "bitpix");
    io.i16(&mut h.slice_start, "slice_start");
    h.pixdim.iter_mut().for_each(|v| io.f32(v));
    io.f32(&mut h.vox_offset);
    io.f32(&mut h.scl_slope);
    io.f32(&mut h.scl_inter);
    io.i16(&mut h.slice_end, "slice_end");
    io.u8(&mut h.slice_code, "slice_code");
    io.u8(&mut h.xyzt_units, "xyzt_units");
    io.f32(&mut h.cal_max);
    io.f32(&mut h.cal_min);
    io.f32(&mut h.slice_duration);
    io.f32(&mut h.toffset);
    io.i32(&mut h.glmax, "glmax");
    io.i32(&mut h.glmin, "glmin");
    io.bytes(&mut h.descrip);
    io.bytes(&mut h.aux_file);
    io.i16(&mut h.qform_code, "qform_code");
    io.i16(&mut h.sform_code, "sform_code");
    h.quatern.iter_mut().for_each(|v| io.f32(v));
    h.qoffset.iter_mut().for_each(|v| io.f32(v));
    h.srow.iter_mut().flatten().for_each(|v| io.f32(v));
    io.bytes(&mut h.intent_name);
    io.bytes(&mut magic[..4]);
}

fn walk_v2(h: &mut NiftiHeader, magic: &mut [u8; 8], io: &mut impl Fields) {
    io.i32(&mut (V2_BYTES as i64), "sizeof_hdr");
    io.bytes(magic);
    io.i16(&mut h.datatype, "datatype");
    io.i16(&mut h.bitpix, "bitpix");
    h.dim.iter_mut().for_each(|v| io.i64(v));
    h.intent_p.iter_mut().for_each(|v| io.f64(v));
    h.pixdim.iter_mut().for_each(|v| io.f64(v));
    let mut vox_offset = h.vox_offset as i64;
    io.i64(&mut vox_offset);
    h.vox_offset = vox_offset as f64;
    io.f64(&mut h.scl_slope);
    io.f64(&mut h.scl_inter);
    io.f64(&mut h.cal_max);
    io.f64(&mut h.cal_min);
    io.f64(&mut h.slice_duration);
    io.f64(&mut h.toffset);
    io.i64(&mut h.slice_start);
    io.i64(&mut h.slice_end);
    io.bytes(&mut h.descrip);
    io.bytes(&mut h.aux_file);
    io.i32(&mut h.qform_code, "qform_code");
    io.i32(&mut h.sform_code, "sform_code");
    h.quatern.iter_mut().for_each(|v| io.f64(v));
    h.qoffset.iter_mut().for_each(|v| io.f64(v));
    h.srow.iter_mut().flatten().for_each(|v| io.f64(v));
    io.i32(&mut h.slice_code, "slice_code");
    io.i32(&mut h.xyzt_units, "xyzt_units");
    io.i32(&mut h.intent_code, "intent_code");
    io.bytes(&mut h.intent_name);
    io.u8(&mut h.dim_info, "dim_info");
    io.bytes(&mut h.unused_str);
}

/// Fields one after another, read into or written from the variables that are passed.
trait Fields {
    /// Bytes as they are.
    fn bytes(&mut self, value: &mut [u8]);
    /// A signed integer of `size` bytes (one byte: unsigned).
    fn integer(&mut self, value: &mut i64, size: usize, name: &str);
    /// A float of `size` bytes.
    fn float(&mut self, value: &mut f64, size: usize);

    fn u8(&mut self, value: &mut i64, name: &str) {
        self.integer(value, 1, name);
    }
    fn i16(&mut self, value: &mut i64, name: &str) {
        self.integer(value, 2, name);
    }
    fn i32(&mut self, value: &mut i64, name: &str) {
        self.integer(value, 4, name);
    }
    fn i64(&mut self, value: &mut i64) {
        self.integer(value, 8, "");
    }
    fn f32(&mut self, value: &mut f64) {
        self.float(value, 4);
    }
    fn f64(&mut self, value: &mut f64) {
        self.float(value, 8);
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    endian: Endian,
}

impl Reader<'_> {
    /// The next `size` bytes, least significant first, the rest zero.
    fn next_le(&mut self, size: usize) -> [u8; 8] {
        let mut le = [0; 8];
        le[..size].copy_from_slice(&self.bytes[self.at..self.at + size]);
        self.at += size;
        if self.endian == Endian::Big {
            le[..size].reverse();
        }
        le
    }
}

impl Fields for Reader<'_> {
    fn bytes(&mut self, value: &mut [u8]) {
        value.copy_from_slice(&self.bytes[self.at..self.at + value.len()]);
        self.at += value.len();
    }

    fn integer(&mut self, value: &mut i64, size: usize, _name: &str) {
        let unsigned = i64::from_le_bytes(self.next_le(size));
        // Shifting up and down again extends the sign; single bytes are unsigned.
        let unused_bits = if size == 1 { 0 } else { 64 - 8 * size };
        *value = unsigned << unused_bits >> unused_bits;
    }

    fn float(&mut self, value: &mut f64, size: usize) {
        let le = self.next_le(size);
        let single = f32::from_le_bytes([le[0], le[1], le[2], le[3]]);
        *value = if size == 4 { f64::from(single) } else { f64::from_le_bytes(le) };
    }
}

struct Writer {
    bytes: Vec<u8>,
    endian: Endian,
    error: Option<FieldError>,
}

impl Writer {
    fn push(&mut self, mut le: Vec<u8>) {
        if self.endian == Endian::Big {
            le.reverse();
        }
        self.bytes.append(&mut le);
    }
}

impl Fields for Writer {
    fn bytes(&mut self, value: &mut [u8]) {
        self.bytes.extend_from_slice(value);
    }

    fn integer(&mut self, value: &mut i64, size: usize, name: &str) {
        let bits = 8 * size as u32;
        let range = match size {
            1 => 0..=i64::from(u8::MAX),
            8 => i64::MIN..=i64::MAX,
            _ => -(1i64 << (bits - 1))..=(1i64 << (bits - 1)) - 1,
        };
        if !range.contains(value) && self.error.is_none() {
            let why = format!("must be {} to {} in this version of NIfTI", range.start(), range.end());
            self.error = Some(FieldError::new(name, *value, why));
        }
        self.push(value.to_le_bytes()[..size].to_vec());
    }

    fn float(&mut self, value: &mut f64, size: usize) {
        let le = if size == 4 { (*value as f32).to_le_bytes().to_vec() } else { value.to_le_bytes().to_vec() };
        self.push(le);
    }
}

#[cfg(test)]
mod tests {
    use super::{V1_BYTES, V2_BYTES, decode, encode};
    use crate::Endian;
    use proptest::prelude::*;

    fn check(mut bytes: Vec<u8>, version: u8, endian: Endian) {
        let size = bytes.len() as i32;
        let (le, be) = (size.to_le_bytes(), size.to_be_bytes());
        bytes[..4].copy_from_slice(if endian == Endian::Little { &le } else { &be });
        if version == 2 {
            bytes[4..12].copy_from_slice(b"n+2\0\r\n\x1a\n");
            // Offsets beyond 2^53 lose bits in f64 and are refused by the reader anyway.
            bytes[168..176].fill(0);
        } else {
            bytes[344..].copy_from_slice(b"ni1\0");
        }
        let header = decode(&bytes, version, endian);
        let again = encode(&header).unwrap();
        // NaNs may lose their signalling bit on the way through f64.
        let second = decode(&again, version, endian);
        assert_eq!(format!("{header:?}"), format!("{second:?}"));
        assert_eq!(again.len(), bytes.len());
    }

    proptest! {
        #[test]
        fn any_v1_header_survives(bytes in prop::collection::vec(any::<u8>(), V1_BYTES), big: bool) {
            check(bytes, 1, if big { Endian::Big } else { Endian::Little });
        }

        #[test]
        fn any_v2_header_survives(bytes in prop::collection::vec(any::<u8>(), V2_BYTES), big: bool) {
            check(bytes, 2, if big { Endian::Big } else { Endian::Little });
        }
    }

    #[test]
    fn fields_that_do_not_fit_are_named() {
        let mut header = decode(&[0; V1_BYTES], 1, Endian::Little);
        header.dim[1] = 40_000;
        let error = encode(&header).unwrap_err();
        assert_eq!((error.field.as_str(), error.value.as_str()), ("dim", "40000"));
    }
}
