//! Conversions to and from the types of the `nifti` crate.

use std::path::Path;

use nifti::{Endianness, InMemNiftiVolume};
use volkit_core::{DType, Volume, Voxels};

use crate::nifti::types::{code_of, dtype_of};
use crate::{Endian, IoError, NiftiHeader};

/// Stands for the file in messages: there is none.
const NO_FILE: &str = "nifti volume";

impl From<&nifti::NiftiHeader> for NiftiHeader {
    fn from(theirs: &nifti::NiftiHeader) -> Self {
        let mut descrip = [0; 80];
        descrip.iter_mut().zip(&theirs.descrip).for_each(|(ours, theirs)| *ours = *theirs);
        let wide = |row: [f32; 4]| row.map(f64::from);
        Self {
            version: 1,
            endian: if theirs.endianness == Endianness::Big { Endian::Big } else { Endian::Little },
            single_file: &theirs.magic != b"ni1\0",
            data_type: theirs.data_type,
            db_name: theirs.db_name,
            extents: theirs.extents.into(),
            session_error: theirs.session_error.into(),
            regular: theirs.regular.into(),
            dim_info: theirs.dim_info.into(),
            dim: theirs.dim.map(i64::from),
            intent_p: [theirs.intent_p1, theirs.intent_p2, theirs.intent_p3].map(f64::from),
            intent_code: theirs.intent_code.into(),
            datatype: theirs.datatype.into(),
            bitpix: theirs.bitpix.into(),
            slice_start: theirs.slice_start.into(),
            pixdim: theirs.pixdim.map(f64::from),
            vox_offset: theirs.vox_offset.into(),
            scl_slope: theirs.scl_slope.into(),
            scl_inter: theirs.scl_inter.into(),
            slice_end: theirs.slice_end.into(),
            slice_code: theirs.slice_code.into(),
            xyzt_units: theirs.xyzt_units.into(),
            cal_max: theirs.cal_max.into(),
            cal_min: theirs.cal_min.into(),
            slice_duration: theirs.slice_duration.into(),
            toffset: theirs.toffset.into(),
            glmax: theirs.glmax.into(),
            glmin: theirs.glmin.into(),
            descrip,
            aux_file: theirs.aux_file,
            qform_code: theirs.qform_code.into(),
            sform_code: theirs.sform_code.into(),
            quatern: [theirs.quatern_b, theirs.quatern_c, theirs.quatern_d].map(f64::from),
            qoffset: [theirs.quatern_x, theirs.quatern_y, theirs.quatern_z].map(f64::from),
            srow: [wide(theirs.srow_x), wide(theirs.srow_y), wide(theirs.srow_z)],
            intent_name: theirs.intent_name,
            ..Self::default()
        }
    }
}

impl TryFrom<&NiftiHeader> for nifti::NiftiHeader {
    type Error = IoError;

    /// Fails for fields that NIfTI-1, the only version of that crate, can not hold.
    fn try_from(ours: &NiftiHeader) -> Result<Self, IoError> {
        let refuse = |field: &str, value: i64| {
            IoError::bad_header(Path::new(NO_FILE), field, value, "does not fit the field of NIfTI-1")
        };
        let short = |field, value: i64| i16::try_from(value).map_err(|_| refuse(field, value));
        let byte = |field, value: i64| u8::try_from(value).map_err(|_| refuse(field, value));
        let long = |field, value: i64| i32::try_from(value).map_err(|_| refuse(field, value));
        let mut dim = [0u16; 8];
        for (theirs, &ours) in dim.iter_mut().zip(&ours.dim) {
            *theirs = u16::try_from(ours).map_err(|_| refuse("dim", ours))?;
        }
        let narrow = |row: [f64; 4]| row.map(|value| value as f32);
        let [quatern_b, quatern_c, quatern_d] = ours.quatern.map(|value| value as f32);
        let [quatern_x, quatern_y, quatern_z] = ours.qoffset.map(|value| value as f32);
        let [intent_p1, intent_p2, intent_p3] = ours.intent_p.map(|value| value as f32);
        Ok(Self {
            sizeof_hdr: 348,
            data_type: ours.data_type,
            db_name: ours.db_name,
            extents: long("extents", ours.extents)?,
            session_error: short("session_error", ours.session_error)?,
            regular: byte("regular", ours.regular)?,
            dim_info: byte("dim_info", ours.dim_info)?,
            dim,
            intent_p1,
            intent_p2,
            intent_p3,
            intent_code: short("intent_code", ours.intent_code)?,
            datatype: short("datatype", ours.datatype)?,
            bitpix: short("bitpix", ours.bitpix)?,
            slice_start: short("slice_start", ours.slice_start)?,
            pixdim: ours.pixdim.map(|value| value as f32),
            vox_offset: ours.vox_offset as f32,
            scl_slope: ours.scl_slope as f32,
            scl_inter: ours.scl_inter as f32,
            slice_end: short("slice_end", ours.slice_end)?,
            slice_code: byte("slice_code", ours.slice_code)?,
            xyzt_units: byte("xyzt_units", ours.xyzt_units)?,
            cal_max: ours.cal_max as f32,
            cal_min: ours.cal_min as f32,
            slice_duration: ours.slice_duration as f32,
            toffset: ours.toffset as f32,
            glmax: long("glmax", ours.glmax)?,
            glmin: long("glmin", ours.glmin)?,
            descrip: ours.descrip.to_vec(),
            aux_file: ours.aux_file,
            qform_code: short("qform_code", ours.qform_code)?,
            sform_code: short("sform_code", ours.sform_code)?,
            quatern_b,
            quatern_c,
            quatern_d,
            quatern_x,
            quatern_y,
            quatern_z,
            srow_x: narrow(ours.srow[0]),
            srow_y: narrow(ours.srow[1]),
            srow_z: narrow(ours.srow[2]),
            intent_name: ours.intent_name,
            magic: if ours.single_file { *b"n+1\0" } else { *b"ni1\0" },
            endianness: if ours.endian == Endian::Big { Endianness::Big } else { Endianness::Little },
        })
    }
}

/// The volume of the `nifti` crate with the stored elements of `volume`, without scaling.
///
/// # Errors
/// [`IoError::Unsupported`] for element types that NIfTI does not have or axes longer than 65535.
pub fn to_nifti_volume(volume: &Volume) -> Result<InMemNiftiVolume, IoError> {
    let path = Path::new(NO_FILE);
    let code = code_of(volume.dtype()).and_then(|code| i16::try_from(code).ok());
    let code =
        code.ok_or_else(|| IoError::unsupported(path, format!("NIfTI has no element type {}", volume.dtype())))?;
    let mut dim = [1u16; 8];
    dim[0] = volume.shape().len() as u16;
    for (dim, &len) in dim[1..].iter_mut().zip(volume.shape()) {
        *dim = u16::try_from(len).map_err(|_| IoError::bad_header(path, "dim", len, "must be at most 65535"))?;
    }
    let header = nifti::NiftiHeader {
        dim,
        datatype: code,
        bitpix: 8 * volume.dtype().size() as i16,
        scl_slope: 1.0,
        scl_inter: 0.0,
        endianness: if Endian::NATIVE == Endian::Big { Endianness::Big } else { Endianness::Little },
        ..nifti::NiftiHeader::default()
    };
    let bytes = volume.voxels().view().bytes().to_vec();
    InMemNiftiVolume::from_raw_data(&header, bytes).map_err(|error| IoError::unsupported(path, error.to_string()))
}

/// The stored elements of a volume of the `nifti` crate, with the shape and affine that its header means.
///
/// # Errors
/// [`IoError::BadHeader`] for a header that means nothing, [`IoError::Core`] when the number of elements is not that of
/// the shape.
pub fn from_nifti_volume(header: &nifti::NiftiHeader, volume: &InMemNiftiVolume) -> Result<Volume, IoError> {
    let path = Path::new(NO_FILE);
    let ours = NiftiHeader::from(header);
    let refuse = |error: crate::nifti::FieldError| IoError::bad_header(path, error.field, error.value, error.why);
    let meaning = ours.interpret(&crate::ReadOptions::default(), &mut Vec::new()).map_err(refuse)?;
    let dtype: DType = dtype_of(ours.datatype).unwrap_or(meaning.meta.dtype());
    let core = |error| IoError::core(path, error);
    let bytes = volume.raw_data();
    let mut voxels = Voxels::zeros(dtype, bytes.len() / dtype.size()).map_err(core)?;
    let mut view = voxels.view_mut();
    let len = view.bytes_mut().len();
    view.bytes_mut().copy_from_slice(&bytes[..len]);
    ours.endian.swap_if_needed(dtype, view.bytes_mut());
    Volume::from_meta(meaning.meta, voxels).map_err(core)
}
