//! What an HDF5 file is to the rest of this crate, whichever library reads or writes it.

use std::collections::BTreeMap;

use volkit_core::{Array, DType, VoxelsMut, VoxelsRef};

use crate::{Endian, IoError};

/// The library that reads or writes an HDF5 file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hdf5Backend {
    /// Pure Rust; what it can not read is read with the C library, where the build has it (feature `hdf5-c`).
    #[default]
    Auto,
    /// Pure Rust alone.
    Pure,
    /// The C library alone (feature `hdf5-c`).
    C,
}

/// What a link of a group leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hdf5Kind {
    /// A group.
    Group,
    /// A data set.
    DataSet,
    /// Neither: a named type, or a link that leads nowhere.
    Other,
}

/// A link of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hdf5Entry {
    /// Name in the group, without the group's path.
    pub name: String,
    /// What it leads to.
    pub kind: Hdf5Kind,
    /// A number that is the same for every link to this object, where the library tells one.
    pub address: Option<u64>,
}

/// A filter of a data set's chunks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hdf5Filter {
    /// Registered number: 1 deflate, 2 shuffle, 3 fletcher32, 6 scale-offset, 32000 LZF, 32001 blosc, ...
    pub id: u32,
    /// Its parameters, as the file records them; for deflate the level.
    pub parameters: Vec<u32>,
}

impl Hdf5Filter {
    /// The filter's usual name, or its number.
    #[must_use]
    pub fn name(&self) -> String {
        let name = match self.id {
            1 => "deflate",
            2 => "shuffle",
            3 => "fletcher32",
            4 => "szip",
            5 => "nbit",
            6 => "scale-offset",
            32000 => "lzf",
            32001 => "blosc",
            32004 => "lz4",
            32008 => "bitshuffle",
            32013 => "zfp",
            32015 => "zstd",
            32026 => "blosc2",
            other => return format!("filter {other}"),
        };
        name.to_owned()
    }
}

/// What the header of a data set says.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Hdf5Info {
    /// Sizes of the axes, last axis fastest; none for a scalar.
    pub shape: Vec<usize>,
    /// Element type of the values; none where it is no number. Booleans are [`DType::U8`], enumerations their integers,
    /// compounds of two equal floats named `r` and `i` complex numbers.
    pub dtype: Option<DType>,
    /// Whether it is the enumeration of `FALSE` and `TRUE` that stands for booleans.
    pub is_bool: bool,
    /// The element type as the library writes it, for messages.
    pub type_name: String,
    /// Byte order in the file.
    pub endian: Endian,
    /// Sizes of a chunk; none where the data set is not in chunks.
    pub chunk: Option<Vec<usize>>,
    /// Filters in the order in which they were applied.
    pub filters: Vec<Hdf5Filter>,
    /// The value that is declared for what was never written: bytes of one element in this machine's order. None where
    /// none is declared, which means 0; the pure-Rust library does not tell those of f16 and of complex numbers.
    pub fill: Option<Vec<u8>>,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Hdf5Value {
    /// One text.
    Text(String),
    /// A list of texts.
    Texts(Vec<String>),
    /// Numbers; no axis for one number. The pure-Rust reader gives arrays of several axes with one.
    Numbers(Array),
    /// Of a type that has no value here, whose name this is. Can not be written.
    Other(String),
}

/// An HDF5 file that is read.
///
/// # Protocol
/// Paths of objects begin at the root group; a leading `/` may be left out, and `""` and `"/"` are the root group
/// itself. All methods may be called from any thread, in any order; errors leave the file usable.
pub trait Hdf5File: Send + Sync {
    /// The links of a group, sorted by name.
    ///
    /// # Errors
    /// When there is no such group, or it is damaged.
    fn entries(&self, group: &str) -> Result<Vec<Hdf5Entry>, IoError>;

    /// The attributes of a group or data set.
    ///
    /// # Errors
    /// When there is no such object, or it is damaged.
    fn attributes(&self, object: &str) -> Result<BTreeMap<String, Hdf5Value>, IoError>;

    /// Opens a data set: reads its header, no values.
    ///
    /// # Errors
    /// When there is no such data set, it is damaged, or the library does not know its layout.
    fn data_set(&self, path: &str) -> Result<Box<dyn Hdf5DataSet>, IoError>;
}

/// A data set that is read by boxes.
pub trait Hdf5DataSet: Send + Sync {
    /// What its header says.
    fn info(&self) -> &Hdf5Info;

    /// Reads the box `[start, start + size)`, axes as in [`Hdf5Info::shape`], converted to the element type of `out`.
    /// Each chunk that the box touches is decoded once; those never written give the fill value. Memory beyond `out`
    /// is a chunk for each thread.
    ///
    /// # Errors
    /// When the box does not lie inside, `out` has another length, there is no conversion, a filter is not known, or the
    /// file is damaged.
    fn read_box(&self, start: &[usize], size: &[usize], out: VoxelsMut<'_>) -> Result<(), IoError>;
}

/// How a data set is to be stored.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Hdf5Layout {
    /// Sizes of a chunk; none for one dense array, without filters.
    pub chunk: Option<Vec<usize>>,
    /// Level of deflate, 0 to 9; none for no compression.
    pub deflate: Option<u32>,
    /// Whether bytes of equal significance are put together before compression.
    pub shuffle: bool,
    /// Bytes of one element, in this machine's order, for what is never written; none for 0.
    pub fill: Option<Vec<u8>>,
}

impl Hdf5Layout {
    /// Chunks chosen by [`Hdf5Layout::default_chunk`], deflate level 4, shuffle for elements of two bytes or more.
    #[must_use]
    pub fn for_array(shape: &[usize], dtype: DType) -> Self {
        if shape.is_empty() || shape.contains(&0) {
            return Self::dense();
        }
        Self { chunk: Some(Self::default_chunk(shape, dtype)), deflate: Some(4), shuffle: dtype.size() > 1, fill: None }
    }

    /// One array without chunks and filters.
    #[must_use]
    pub fn dense() -> Self {
        Self { chunk: None, deflate: None, shuffle: false, fill: None }
    }

    /// The same with other chunks.
    #[must_use]
    pub fn with_chunk(self, chunk: Option<Vec<usize>>) -> Self {
        Self { chunk, ..self }
    }

    /// The same with another compression.
    #[must_use]
    pub fn with_deflate(self, deflate: Option<u32>) -> Self {
        Self { deflate, ..self }
    }

    /// The same with another fill value.
    #[must_use]
    pub fn with_fill(self, fill: Option<Vec<u8>>) -> Self {
        Self { fill, ..self }
    }

    /// A chunk that suits how an array of that shape is read. Stacks of images, `[.., H, W, C]` of rank 4 or more with
    /// one to four bytes as last axis, get one frame and view a chunk, its rows split where it would exceed 4 MiB; other
    /// arrays blocks of at most 1 MiB that are as cubic as the shape allows.
    #[must_use]
    pub fn default_chunk(shape: &[usize], dtype: DType) -> Vec<usize> {
        const FRAME_BYTES: usize = 4 << 20;
        const BLOCK_BYTES: usize = 1 << 20;
        let rank = shape.len();
        let mut chunk: Vec<usize> = shape.iter().map(|&n| n.max(1)).collect();
        let bytes = |chunk: &[usize]| chunk.iter().fold(dtype.size(), |product, &n| product.saturating_mul(n));
        let is_image_stack = rank >= 4 && dtype.size() == 1 && (1..=4).contains(&shape[rank - 1]);
        if is_image_stack {
            chunk[..rank - 3].fill(1);
        }
        while bytes(&chunk) > if is_image_stack { FRAME_BYTES } else { BLOCK_BYTES } {
            // Of images the rows are split, of other arrays the longest axis.
            let longest = (0..rank).rev().max_by_key(|&axis| chunk[axis]).unwrap_or(0);
            let axis = if is_image_stack { rank - 3 } else { longest };
            if chunk[axis] == 1 {
                break;
            }
            chunk[axis] = chunk[axis].div_ceil(2);
        }
        chunk
    }
}

/// An HDF5 file that is written.
///
/// # Protocol
/// A group is made before what lies in it; the root group is there. A data set is made, then written box by box, in any
/// order and from any number of threads; boxes that overlap must not be written at the same time. Nothing stands under
/// the final name before `finish` has returned; a writer that is dropped without it leaves nothing.
pub trait Hdf5Writer: Send + Sync {
    /// Makes a group.
    ///
    /// # Errors
    /// When there is no parent, or the name is taken or none.
    fn create_group(&self, path: &str) -> Result<(), IoError>;

    /// Makes a data set, all of whose values are the fill value.
    ///
    /// # Errors
    /// When there is no parent, the name is taken or none, or the layout does not fit.
    fn create_data_set(&self, path: &str, shape: &[usize], dtype: DType, layout: &Hdf5Layout) -> Result<(), IoError>;

    /// Sets an attribute of a group or data set; one of that name is replaced.
    ///
    /// # Errors
    /// When there is no such object, or the value is [`Hdf5Value::Other`].
    fn set_attribute(&self, object: &str, name: &str, value: &Hdf5Value) -> Result<(), IoError>;

    /// Writes the box `[start, start + size)` of a data set, converted to its element type. Boxes that are whole chunks
    /// cost no memory to speak of; others are gathered until a chunk is complete.
    ///
    /// # Errors
    /// When there is no such data set, the box does not lie inside, `values` has another length, there is no
    /// conversion, or writing fails.
    fn write_box(&self, data_set: &str, start: &[usize], size: &[usize], values: VoxelsRef<'_>) -> Result<(), IoError>;

    /// Completes the file and gives it its name.
    ///
    /// # Errors
    /// When that fails; then nothing stands under the final name that did not stand there before.
    fn finish(self: Box<Self>) -> Result<(), IoError>;
}
