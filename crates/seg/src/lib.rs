//! Brain segmentation networks run natively, on the CPU, with their pre- and post-processing.
//!
//! [`open_model`] reads a network from any [`volkit_core::ArrayStore`] and recognises its kind; what it gives is a
//! [`Segmenter`]: a scan in, labels on the scan's own grid and a volume for each structure out. [`SynthSeg`] joins its
//! networks and gives all that they can say of a scan. [`LabelTable`] says what labels mean, [`VolumesCsv`] lists volumes, [`montage`] draws
//! slices with labels over them.
//!
//! | subject | entry points |
//! |---|---|
//! | networks | [`open_model`], [`NetworkBuild`], [`NetPath`], [`Segmenter`], [`SegmentOptions`], [`Segmentation`], [`ModelInfo`], [`ModelKind`] |
//! | MeshNet | [`MeshNet`], [`MeshNetConfig`], [`Conformed`], [`Decisions`] |
//! | networks of this project | [`CompactNet`]; with the feature `default-network` also `default_weights` |
//! | tiles | [`TilePredictor`] |
//! | labels | [`LabelTable`], [`Label`], [`TableFormat`], [`subcortical`] |
//! | volumes | [`LabelVolume`], [`VolumesCsv`], [`counted_volumes`], [`subject_name`] |
//! | `SynthSeg` whole | [`SynthSeg`], [`SynthSegOptions`], [`SynthSegOutput`], [`PreparedScan`] |
//! | SynthSeg's networks | [`Networks`], [`NetworkOptions`], [`SegmentationNet`], [`ParcellationNet`], [`QualityNet`] |
//! | SynthSeg around its networks | [`preprocess`], [`postprocess`], [`Placement`], [`Posteriors`], [`CleanPosteriors`], [`qc_input`], [`labels_on_grid`], [`brain_mask`] |
//! | SynthSeg's structures and tables | [`Structures`], [`parcels`], [`SoftVolumes`], [`Tissues`], [`SynthSegCsv`], [`qc_row`] |
//! | pictures (feature `picture`) | [`montage`], [`MontageOptions`], [`LabelStyle`], [`Picture`], [`View`] |
//! | training on label maps (feature `training`) | `training::Generator`, `training::LabelMap`, `training::LossConfig`, with `candle` also `training::TrainableUNet` |
//! | reports (feature `report`) | [`ReportPage`], [`RunFacts`], [`ReportIndex`], [`ReportSummary`], [`ReportStatus`] |
//!
//! This crate opens no file: callers bring [`volkit_core::Volume`]s and stores.
#![forbid(unsafe_code)]

#[cfg(feature = "candle")]
mod composite;
mod conform;
#[cfg(feature = "default-network")]
mod default_network;
mod error;
mod labels;
mod meshnet;
mod net_path;
#[cfg(feature = "picture")]
mod picture;
#[cfg(feature = "report")]
mod report;
mod scan;
mod segmenter;
mod synthseg;
mod tile_predictor;
#[cfg(feature = "training")]
pub mod training;
mod volumes;

pub use conform::{CONFORMED_SIZE, Conformed, ConformedVoxels};
#[cfg(feature = "default-network")]
pub use default_network::default_weights;
pub use error::SegError;
pub use labels::{
    Label, LabelTable, TableFormat, UNKNOWN_COLOUR, distinct_colour, luminance, subcortical, subcortical_fingerprint,
};
pub use meshnet::{Decisions, MeshNet, MeshNetConfig, MeshNetLayer};
pub use net_path::{NetPath, NetworkBuild};
#[cfg(feature = "picture")]
pub use picture::{LabelStyle, MontageOptions, Picture, View, montage};
#[cfg(feature = "report")]
pub use report::{
    QC_THRESHOLD, QualityScore, ReportIndex, ReportModel, ReportPage, ReportStage, ReportStatus, ReportSummary,
    ReportVolume, RunFacts,
};
pub use segmenter::{ModelInfo, ModelKind, SegmentOptions, Segmentation, Segmenter, open_model, open_model_for};
pub use synthseg::{
    Bounds, CleanPosteriors, CompactNet, LayerValues, NearTie, NetworkOptions, NetworkOutput, Networks, Parcel,
    ParcellationNet, Placement, Posteriors, PostprocessOptions, Postprocessed, Prepared, PreparedScan,
    PreprocessOptions, QC_SIZE, QcInput, QualityNet, SIZE_MULTIPLE, SMALLEST_SIZE, SegmentationNet, SoftVolumes,
    Structure, Structures, SynthSeg, SynthSegCsv, SynthSegOptions, SynthSegOutput, Tissues, brain_mask, labels_on_grid,
    parcels, postprocess, preprocess, qc_groups, qc_header, qc_input, qc_row, qc_scores,
};
pub use tile_predictor::TilePredictor;
pub use volumes::{LabelVolume, VolumesCsv, counted_volumes, subject_name};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
