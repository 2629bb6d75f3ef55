//! SynthSeg: networks that segment heads of any contrast, with their pre- and post-processing.

mod cleanup;
#[cfg(feature = "candle")]
mod composite;
mod inputs;
mod keep_geometry;
mod network;
mod options;
mod parcellation;
mod parcels;
mod pipeline;
mod placement;
mod posterior_volume;
mod posteriors;
mod postprocess;
mod preprocess;
mod qc_input;
mod quality;
mod runner;
mod scan_shape;
mod segmentation;
mod segmenter;
mod smoothing;
mod soft_volumes;
mod sums;
mod tables;
mod tables_csv;
mod tissues;
mod unet;
mod weights;

pub use keep_geometry::labels_on_grid;
pub use network::{NetworkOptions, NetworkOutput, Networks};
pub use options::SynthSegOptions;
pub use parcellation::ParcellationNet;
pub use pipeline::{PreparedScan, SynthSeg, SynthSegOutput};
pub use placement::{Bounds, Placement};
pub use posteriors::Posteriors;
pub use postprocess::{PostprocessOptions, Postprocessed, postprocess};
pub use preprocess::{Prepared, PreprocessOptions, SIZE_MULTIPLE, SMALLEST_SIZE, preprocess};
pub use qc_input::{QC_SIZE, QcInput, qc_input};
pub use quality::QualityNet;
pub use segmentation::{LayerValues, NearTie, SegmentationNet};
pub use soft_volumes::SoftVolumes;
pub use tables::{Parcel, Structure, Structures, parcels, qc_groups};
pub use tables_csv::{SynthSegCsv, qc_header, qc_row, qc_scores};
pub use tissues::{Tissues, brain_mask};
