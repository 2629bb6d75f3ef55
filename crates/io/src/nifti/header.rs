//! The header of a NIfTI or Analyze file, kept whole.

use crate::{Endian, Units};

use super::Extension;

/// The fields of a NIfTI-1, NIfTI-2 or Analyze 7.5 header, as the file has them, with its extensions.
///
/// The fields of both versions of NIfTI are here under their names in the standard, integers as i64 and floats as f64
/// (which hold every value of the narrower types of NIfTI-1). Fields that one version lacks keep their default.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[allow(missing_docs)] // Names and meanings are those of the standard.
pub struct NiftiHeader {
    /// 1 or 2; 0 for Analyze 7.5.
    pub version: u8,
    /// Byte order of header, extensions and voxels.
    pub endian: Endian,
    /// Whether header and voxels are in one file (`n+1`, `n+2`) or in two (`ni1`, `ni2`).
    pub single_file: bool,
    pub data_type: [u8; 10],
    pub db_name: [u8; 18],
    pub extents: i64,
    pub session_error: i64,
    pub regular: i64,
    pub dim_info: i64,
    pub dim: [i64; 8],
    pub intent_p: [f64; 3],
    pub intent_code: i64,
    pub datatype: i64,
    pub bitpix: i64,
    pub slice_start: i64,
    pub pixdim: [f64; 8],
    pub vox_offset: f64,
    pub scl_slope: f64,
    pub scl_inter: f64,
    pub slice_end: i64,
    pub slice_code: i64,
    pub xyzt_units: i64,
    pub cal_max: f64,
    pub cal_min: f64,
    pub slice_duration: f64,
    pub toffset: f64,
    pub glmax: i64,
    pub glmin: i64,
    pub descrip: [u8; 80],
    pub aux_file: [u8; 24],
    pub qform_code: i64,
    pub sform_code: i64,
    /// `quatern_b`, `quatern_c`, `quatern_d`.
    pub quatern: [f64; 3],
    /// `qoffset_x`, `qoffset_y`, `qoffset_z`.
    pub qoffset: [f64; 3],
    /// `srow_x`, `srow_y`, `srow_z`.
    pub srow: [[f64; 4]; 3],
    pub intent_name: [u8; 16],
    pub unused_str: [u8; 15],
    /// Extension records, in the order of the file.
    pub extensions: Vec<Extension>,
}

impl Default for NiftiHeader {
    /// NIfTI-1 in one file, little-endian, every field zero but `pixdim[0]` and `scl_slope`, which are 1.
    fn default() -> Self {
        Self {
            version: 1,
            endian: Endian::Little,
            single_file: true,
            data_type: [0; 10],
            db_name: [0; 18],
            extents: 0,
            session_error: 0,
            regular: 0,
            dim_info: 0,
            dim: [0; 8],
            intent_p: [0.0; 3],
            intent_code: 0,
            datatype: 0,
            bitpix: 0,
            slice_start: 0,
            pixdim: [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            vox_offset: 0.0,
            scl_slope: 1.0,
            scl_inter: 0.0,
            slice_end: 0,
            slice_code: 0,
            xyzt_units: 0,
            cal_max: 0.0,
            cal_min: 0.0,
            slice_duration: 0.0,
            toffset: 0.0,
            glmax: 0,
            glmin: 0,
            descrip: [0; 80],
            aux_file: [0; 24],
            qform_code: 0,
            sform_code: 0,
            quatern: [0.0; 3],
            qoffset: [0.0; 3],
            srow: [[0.0; 4]; 3],
            intent_name: [0; 16],
            unused_str: [0; 15],
            extensions: Vec::new(),
        }
    }
}

impl NiftiHeader {
    /// The description as text: Latin-1 up to the first zero byte.
    #[must_use]
    pub fn description(&self) -> String {
        latin1(&self.descrip)
    }

    /// The name of an auxiliary file as text.
    #[must_use]
    pub fn auxiliary_file(&self) -> String {
        latin1(&self.aux_file)
    }

    /// The name of the intent as text.
    #[must_use]
    pub fn intent_text(&self) -> String {
        latin1(&self.intent_name)
    }

    /// Sets the description; what does not fit 79 bytes of Latin-1 is cut or replaced by `?`.
    pub fn set_description(&mut self, text: &str) {
        self.descrip = [0; 80];
        for (byte, c) in self.descrip[..79].iter_mut().zip(text.chars()) {
            *byte = u8::try_from(c).unwrap_or(b'?');
        }
    }

    /// Units of space and time; Analyze records none.
    #[must_use]
    pub fn units(&self) -> Units {
        if self.version == 0 { Units::default() } else { Units::from_nifti(self.xyzt_units) }
    }

    /// Voxel axes of frequency encoding, phase encoding and slice selection, where `dim_info` names them.
    #[must_use]
    pub fn encoding_axes(&self) -> [Option<usize>; 3] {
        [0, 2, 4].map(|shift| usize::try_from((self.dim_info >> shift & 3) - 1).ok())
    }

    pub(crate) fn set_encoding_axes(&mut self, axes: [Option<usize>; 3]) {
        let code = |axis: Option<usize>| axis.map_or(0, |axis| axis as i64 + 1);
        // The upper two bits have no meaning in the standard and stay.
        self.dim_info = self.dim_info & !63 | code(axes[0]) | code(axes[1]) << 2 | code(axes[2]) << 4;
    }

    /// Name of the intent code, as the standard groups them; `None` for a code that it does not list.
    #[must_use]
    pub fn intent(&self) -> Option<&'static str> {
        Some(match self.intent_code {
            0 => "none",
            2..=24 => "statistic",
            1001 => "estimate",
            1002 => "label",
            1003 => "neuro-name",
            1004 => "matrix",
            1005 => "symmetric matrix",
            1006 => "displacement vector",
            1007 => "vector",
            1008 => "point set",
            1009 => "triangle",
            1010 => "quaternion",
            1011 => "dimensionless",
            2001 => "time series",
            2002 => "node index",
            2003 => "RGB vector",
            2004 => "RGBA vector",
            2005 => "shape",
            _ => return None,
        })
    }
}

/// Text up to the first zero byte.
fn latin1(bytes: &[u8]) -> String {
    bytes.iter().take_while(|&&byte| byte != 0).map(|&byte| char::from(byte)).collect()
}
