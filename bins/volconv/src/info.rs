//! `volconv info`: what a file says of its volume.

use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;
use volkit_bench::Spread;
use volkit_core::{Affine, BoxError};
use volkit_geom::{NanRule, Orientation, percentiles};
use volkit_io::{Endian, Header, ImageInfo, NiftiHeader, ReadOptions, SpaceUnit, TimeUnit, Values, open, read_with};

use crate::args::InfoArgs;

/// Percentiles that `--stats` shows.
pub(crate) const PERCENTILES: [f64; 5] = [1.0, 25.0, 50.0, 75.0, 99.0];
/// Bytes of an extension that are shown as text.
const SHOWN_BYTES: usize = 60;

/// What a file says of its volume.
#[derive(Debug, Serialize)]
pub(crate) struct Info {
    pub(crate) file: String,
    pub(crate) file_bytes: u64,
    pub(crate) format: String,
    pub(crate) compressed: bool,
    pub(crate) byte_order: &'static str,
    pub(crate) shape: Vec<usize>,
    pub(crate) stored_type: String,
    pub(crate) value_type: String,
    pub(crate) slope: f64,
    pub(crate) intercept: f64,
    /// As recorded, one number an axis.
    pub(crate) spacing: Vec<f64>,
    /// Lengths of the affine's columns.
    pub(crate) affine_spacing: [f64; 3],
    pub(crate) space_unit: &'static str,
    pub(crate) time_unit: &'static str,
    pub(crate) orientation: String,
    /// The affine in use, row by row.
    pub(crate) affine: [[f64; 4]; 4],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) nifti: Option<NiftiInfo>,
    pub(crate) warnings: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) statistics: Option<ValueStatistics>,
}

/// What only NIfTI headers say.
#[derive(Debug, Serialize)]
pub(crate) struct NiftiInfo {
    pub(crate) sform_code: i64,
    pub(crate) sform_meaning: &'static str,
    pub(crate) sform: [[f64; 4]; 4],
    pub(crate) qform_code: i64,
    pub(crate) qform_meaning: &'static str,
    /// None where the quaternion is none.
    pub(crate) qform: Option<[[f64; 4]; 4]>,
    pub(crate) intent_code: i64,
    pub(crate) intent: Option<&'static str>,
    pub(crate) intent_name: String,
    pub(crate) intent_parameters: [f64; 3],
    pub(crate) description: String,
    pub(crate) auxiliary_file: String,
    pub(crate) display_range: [f64; 2],
    pub(crate) extensions: Vec<ExtensionInfo>,
}

/// An extension record.
#[derive(Debug, Serialize)]
pub(crate) struct ExtensionInfo {
    pub(crate) code: i32,
    pub(crate) bytes: usize,
    /// The beginning of the content, where it is text.
    pub(crate) text: Option<String>,
}

/// What the voxels hold.
#[derive(Debug, Serialize)]
pub(crate) struct ValueStatistics {
    pub(crate) voxels: usize,
    pub(crate) nan: usize,
    pub(crate) infinite: usize,
    /// Of the finite values; none where there are none.
    pub(crate) minimum: Option<f64>,
    pub(crate) maximum: Option<f64>,
    pub(crate) mean: Option<f64>,
    pub(crate) standard_deviation: Option<f64>,
    /// Percentile and value.
    pub(crate) percentiles: Vec<(f64, f64)>,
}

pub(crate) fn run(args: &InfoArgs) -> Result<ExitCode, BoxError> {
    let options = ReadOptions::new().with_data_set(args.dataset.clone());
    let mut info = describe(&args.input, open(&args.input, &options)?.info());
    if args.stats {
        info.statistics = Some(statistics(&args.input, &options)?);
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&info)?);
    } else {
        print!("{info}");
    }
    Ok(ExitCode::SUCCESS)
}

fn describe(path: &Path, found: &ImageInfo) -> Info {
    let affine = found.meta.affine();
    let nifti = if let Header::Nifti(header) = &found.header { Some(describe_nifti(header)) } else { None };
    Info {
        file: path.display().to_string(),
        file_bytes: std::fs::metadata(path).map_or(0, |metadata| metadata.len()),
        format: found.format.to_owned(),
        compressed: found.compressed,
        byte_order: if found.endian == Endian::Big { "big-endian" } else { "little-endian" },
        shape: found.meta.shape().to_vec(),
        stored_type: found.stored.to_string(),
        value_type: found.meta.dtype().to_string(),
        slope: found.scaling.slope,
        intercept: found.scaling.inter,
        spacing: found.meta.spacing().to_vec(),
        affine_spacing: affine.spacing(),
        space_unit: space_unit(found.units.space),
        time_unit: time_unit(found.units.time),
        orientation: Orientation::of(affine).map_or_else(|_| "?".to_owned(), |codes| codes.to_string()),
        affine: affine.to_matrix(),
        nifti,
        warnings: found.warnings.clone(),
        statistics: None,
    }
}

fn describe_nifti(header: &NiftiHeader) -> NiftiInfo {
    let extensions = header.extensions.iter().map(|extension| {
        let content = extension.content();
        let shown = &content[..content.len().min(SHOWN_BYTES)];
        // A cut character at the end does not make text binary.
        let valid = std::str::from_utf8(shown).map_or_else(|error| error.valid_up_to(), str::len);
        let is_text = valid + 4 > shown.len() && !shown.iter().any(|byte| *byte < b' ' && !b"\t\r\n".contains(byte));
        let text = is_text.then(|| String::from_utf8_lossy(&shown[..valid]).into_owned());
        ExtensionInfo { code: extension.code, bytes: content.len(), text }
    });
    NiftiInfo {
        sform_code: header.sform_code,
        sform_meaning: form_meaning(header.sform_code),
        sform: header.sform().to_matrix(),
        qform_code: header.qform_code,
        qform_meaning: form_meaning(header.qform_code),
        qform: header.qform().as_ref().map(Affine::to_matrix),
        intent_code: header.intent_code,
        intent: header.intent(),
        intent_name: header.intent_text(),
        intent_parameters: header.intent_p,
        description: header.description(),
        auxiliary_file: header.auxiliary_file(),
        display_range: [header.cal_min, header.cal_max],
        extensions: extensions.collect(),
    }
}

fn statistics(path: &Path, options: &ReadOptions) -> Result<ValueStatistics, BoxError> {
    let values = read_with(path, &options.clone().with_values(Values::F64))?.into_volume().to_real::<f64>()?;
    let finite: Vec<f64> = values.iter().copied().filter(|x| x.is_finite()).collect();
    let spread = Spread::of(&finite);
    let percentiles = match finite.is_empty() {
        true => Vec::new(),
        false => percentiles(&finite, &PERCENTILES, NanRule::Propagate)?,
    };
    Ok(ValueStatistics {
        voxels: values.len(),
        nan: values.iter().filter(|x| x.is_nan()).count(),
        infinite: values.iter().filter(|x| x.is_infinite()).count(),
        minimum: spread.map(|spread| spread.min),
        maximum: spread.map(|spread| spread.max),
        mean: spread.map(|spread| spread.mean),
        standard_deviation: spread.map(|spread| spread.sd),
        percentiles: PERCENTILES.into_iter().zip(percentiles).collect(),
    })
}

/// What the code of an sform or a qform says of the world it maps to.
fn form_meaning(code: i64) -> &'static str {
    match code {
        0 => "unknown",
        1 => "scanner",
        2 => "aligned",
        3 => "Talairach",
        4 => "MNI 152",
        5 => "other template",
        _ => "not in the standard",
    }
}

fn space_unit(unit: SpaceUnit) -> &'static str {
    match unit {
        SpaceUnit::Unknown => "unknown",
        SpaceUnit::Metre => "m",
        SpaceUnit::Millimetre => "mm",
        SpaceUnit::Micron => "um",
    }
}

fn time_unit(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Unknown => "unknown",
        TimeUnit::Second => "s",
        TimeUnit::Millisecond => "ms",
        TimeUnit::Microsecond => "us",
        TimeUnit::Hertz => "Hz",
        TimeUnit::PartsPerMillion => "ppm",
        TimeUnit::RadiansPerSecond => "rad/s",
    }
}
