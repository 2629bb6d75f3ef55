//! Extension records: data that other programs keep between header and voxels.

use crate::bytes::ByteSource;
use crate::{Endian, IoError, Limits};

/// Size and code in front of the content.
const RECORD_HEADER_BYTES: u64 = 8;

/// An extension record, kept byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// What the content is: 2 DICOM, 4 AFNI, 6 comment, 8 XCEDE, 14 FreeSurfer, 18 to 28 `MiND`, 32 CIFTI, 40 MATLAB,
    /// 44 MRS (JSON); 0 to ignore.
    pub code: i32,
    /// The content with its padding.
    pub data: Vec<u8>,
}

impl Extension {
    /// A record with this content, padded with zeros so that its size is a multiple of 16 as the standard wants.
    #[must_use]
    pub fn new(code: i32, content: &[u8]) -> Self {
        let mut data = content.to_vec();
        let size = (data.len() + RECORD_HEADER_BYTES as usize).next_multiple_of(16);
        data.resize(size - RECORD_HEADER_BYTES as usize, 0);
        Self { code, data }
    }

    /// The content without the zeros at its end.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        let len = self.data.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        &self.data[..len]
    }
}

/// Reads the records from `start` to `end` (`None`: the end of the file).
pub(crate) fn read(
    bytes: &ByteSource,
    start: u64,
    end: Option<u64>,
    endian: Endian,
    limits: &Limits,
    warnings: &mut Vec<String>,
) -> Result<Vec<Extension>, IoError> {
    let mut extensions: Vec<Extension> = Vec::new();
    let mut at = start;
    let end = end.unwrap_or_else(|| bytes.max_len());
    while end.saturating_sub(at) >= RECORD_HEADER_BYTES {
        let mut head = [0; RECORD_HEADER_BYTES as usize];
        if bytes.read_up_to(at, &mut head)? < head.len() {
            break;
        }
        let int = |b: [u8; 4]| if endian == Endian::Big { i32::from_be_bytes(b) } else { i32::from_le_bytes(b) };
        let (esize, code) = (int([head[0], head[1], head[2], head[3]]), int([head[4], head[5], head[6], head[7]]));
        let size = u64::try_from(esize).unwrap_or(0);
        if size < RECORD_HEADER_BYTES || size > end - at {
            warnings.push(format!("extension {}: esize = {esize} ends the list of extensions", extensions.len()));
            break;
        }
        if size % 16 != 0 {
            warnings.push(format!("extension {}: esize = {esize} is not a multiple of 16", extensions.len()));
        }
        limits.check_header(bytes.path(), "the list of extensions", at + size - start)?;
        let mut data = vec![0; (size - RECORD_HEADER_BYTES) as usize];
        if bytes.read_up_to(at + RECORD_HEADER_BYTES, &mut data)? < data.len() {
            warnings.push(format!("extension {}: esize = {esize} runs past the end of the file", extensions.len()));
            break;
        }
        extensions.push(Extension { code, data });
        at += size;
    }
    Ok(extensions)
}

/// The extender bytes and the records, as they are written.
pub(crate) fn encode(extensions: &[Extension], endian: Endian) -> Vec<u8> {
    let mut bytes = vec![u8::from(!extensions.is_empty()), 0, 0, 0];
    for extension in extensions {
        let size = (extension.data.len() + RECORD_HEADER_BYTES as usize) as i32;
        for word in [size, extension.code] {
            bytes.extend(if endian == Endian::Big { word.to_be_bytes() } else { word.to_le_bytes() });
        }
        bytes.extend_from_slice(&extension.data);
    }
    bytes
}
