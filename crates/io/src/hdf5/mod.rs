//! HDF5 files: data sets and attributes through one trait over two libraries, volumes in them, and Keras weights.

mod api;
mod attributes;
#[cfg(feature = "hdf5-c")]
mod auto_file;
mod box_values;
#[cfg(feature = "hdf5-c")]
mod c_file;
#[cfg(feature = "hdf5-c")]
mod c_writer;
mod chunk_writer;
mod contain;
mod data_set;
mod datatype;
mod encode;
mod keras;
mod keras_writer;
mod links;
mod lzf;
mod names;
mod open;
mod pipeline;
mod pure;
mod pure_data_set;
mod pure_writer;
mod source;
mod volume;

pub use api::{
    Hdf5Backend, Hdf5DataSet, Hdf5Entry, Hdf5File, Hdf5Filter, Hdf5Info, Hdf5Kind, Hdf5Layout, Hdf5Value, Hdf5Writer,
};
pub use keras::KerasStore;
pub use keras_writer::write_keras;
pub use open::{Hdf5Node, open_hdf5, walk_hdf5};
pub use pure_writer::create_hdf5;
pub use volume::Hdf5Format;
