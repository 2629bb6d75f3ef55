//! The networks and the label table of a run.

use std::fs;

use anyhow::{Context as _, Result, bail, ensure};
use volkit_kernels::{ConvOptions, Isa, Threads, Workspace};
use volkit_seg::{
    CompactNet, LabelTable, MeshNet, ModelInfo, ModelKind, NetworkBuild, Networks, ParcellationNet, QualityNet,
    SegmentationNet, Segmenter, SynthSeg, SynthSegOptions,
};

use crate::args::Args;
use crate::device::Place;
use crate::model_files::{ModelFile, Places};

/// The network of a run.
pub(crate) enum Network {
    /// `SynthSeg` with what follows it.
    SynthSeg(Box<SynthSeg>),
    /// Any other.
    Other(Box<dyn Segmenter>),
}

/// A file of weights in use.
#[derive(Clone, Debug)]
pub(crate) struct UsedFile {
    pub(crate) path: String,
    pub(crate) sha256: String,
    pub(crate) kind: &'static str,
}

/// The network of a run and where its weights came from.
pub(crate) struct Model {
    pub(crate) network: Network,
    pub(crate) files: Vec<UsedFile>,
    /// Where they run.
    pub(crate) place: Place,
    /// What labels are called.
    pub(crate) table: LabelTable,
}

impl Network {
    pub(crate) fn info(&self) -> &ModelInfo {
        match self {
            Self::SynthSeg(synthseg) => synthseg.info(),
            Self::Other(segmenter) => segmenter.info(),
        }
    }
}

/// Finds and reads the networks that a command line asks for.
pub(crate) fn load(args: &Args, place: Place, threads: &Threads) -> Result<Model> {
    let files = Files::find(args)?;
    let used = files.used();
    let segmenter = &files.segmenter;
    let conv = ConvOptions::new(Isa::detect()).with_mode(args.machine.mode).with_threads(threads);
    // One network runs at a time, and the next scan is likely to be as large as the last.
    let workspace = Workspace::default();
    let build = NetworkBuild::new().with_conv(conv).with_path(place.path).with_workspace(&workspace);
    #[cfg(feature = "candle")]
    let build = match &place.device {
        Some(device) => build.with_device(device),
        None => build,
    };
    let context = |file: &ModelFile| file.path.display().to_string();
    let network = if !is_published(segmenter.kind) {
        other(args, segmenter, &build).with_context(|| context(segmenter))?
    } else {
        let net = SegmentationNet::from_store(segmenter.store.as_ref(), &build).with_context(|| context(segmenter))?;
        let mut networks = Networks::new(net);
        if let Some(file) = &files.parcellation {
            let net = ParcellationNet::from_store(file.store.as_ref(), &build).with_context(|| context(file))?;
            networks = networks.with_parcellation(net);
        }
        if let Some(file) = &files.quality {
            let net = QualityNet::from_store(file.store.as_ref(), &build).with_context(|| context(file))?;
            networks = networks.with_quality(net);
        }
        Network::SynthSeg(Box::new(SynthSeg::new(networks)))
    };
    let table = table(args, &network)?;
    Ok(Model { network, files: used, place, table })
}

/// Whether a network is one of those that the published program has, with all of its flags.
fn is_published(kind: ModelKind) -> bool {
    !matches!(kind, ModelKind::MeshNet | ModelKind::Compact)
}

/// Reads a network that is not one of the published program.
fn other(args: &Args, file: &ModelFile, build: &NetworkBuild<'_>) -> Result<Network> {
    let (flags, name, store) = (args.synthseg_flags(), file.kind.name(), file.store.as_ref());
    ensure!(flags.is_empty(), "{} of SynthSeg only; this is a {name}", is_or_are(&flags));
    if file.kind == ModelKind::Compact {
        return Ok(Network::Other(Box::new(CompactNet::from_store(store, build)?)));
    }
    Ok(Network::Other(Box::new(MeshNet::from_store_built(store, build)?)))
}

fn is_or_are(flags: &[&str]) -> String {
    format!("{} {}", flags.join(", "), if flags.len() == 1 { "is" } else { "are" })
}

/// The weights that a run needs.
struct Files {
    segmenter: ModelFile,
    parcellation: Option<ModelFile>,
    quality: Option<ModelFile>,
}

impl Files {
    fn find(args: &Args) -> Result<Self> {
        let places = Places::new(&args.models);
        let (mut segmenter, mut parcellation, mut quality) = (None, None, None);
        for asked in &args.models.model {
            let file = ModelFile::open(places.resolve(asked)?)?;
            let slot = match file.kind {
                ModelKind::SynthSegParcellation => &mut parcellation,
                ModelKind::SynthSegQuality => &mut quality,
                _ => &mut segmenter,
            };
            if let Some(other) = slot.replace(file) {
                bail!("--model: '{}' and '{}' do the same", other.path.display(), asked.display());
            }
        }
        let follower = |given: Option<ModelFile>, is_wanted: bool, flag: &str, name: &str| match (given, is_wanted) {
            (Some(file), false) => bail!("{}: {} network; {flag} asks for it", file.path.display(), file.kind.name()),
            (None, true) => published(&places, name).map(Some),
            (given, _) => Ok(given),
        };
        let segmenter = match segmenter {
            Some(file) => file,
            None => default(args, &places)?,
        };
        check_version(args, &segmenter)?;
        let is_synthseg = is_published(segmenter.kind);
        let parcellation = follower(parcellation, args.method.parc && is_synthseg, "--parc", "synthseg_parc_2.0")?;
        let with_scores = args.outputs.scores.is_some() && is_synthseg;
        let quality = follower(quality, with_scores, "--qc", "synthseg_qc_2.0")?;
        Ok(Self { segmenter, parcellation, quality })
    }

    fn used(&self) -> Vec<UsedFile> {
        let files = [Some(&self.segmenter), self.parcellation.as_ref(), self.quality.as_ref()];
        let used = |file: &ModelFile| UsedFile {
            path: file.path.display().to_string(),
            sha256: file.sha256.clone(),
            kind: file.kind.name(),
        };
        files.into_iter().flatten().map(used).collect()
    }
}

/// The network of a command line that names none: the published weights where they are, else the built-in network, which
/// knows none of the flags that ask for a certain one.
fn default(args: &Args, places: &Places) -> Result<ModelFile> {
    let name = default_name(args);
    let wants_certain = args.method.robust || args.method.v1 || args.method.parc || args.outputs.scores.is_some();
    if !wants_certain
        && !places.has(name)
        && let Some(file) = ModelFile::built_in()
    {
        return file;
    }
    published(places, name)
}

fn published(places: &Places, name: &str) -> Result<ModelFile> {
    ModelFile::open(places.find(name)?)
}

fn default_name(args: &Args) -> &'static str {
    match (args.method.robust, args.method.v1) {
        (true, _) => "synthseg_robust_2.0",
        (false, true) => "synthseg_1.0",
        (false, false) => "synthseg_2.0",
    }
}

/// Weights of another version than the flags ask for are a mistake.
fn check_version(args: &Args, file: &ModelFile) -> Result<()> {
    let (path, name) = (file.path.display(), file.kind.name());
    let refuse = |flag: &str| bail!("{path}: {name} weights, but {flag} is given");
    match file.kind {
        kind if !is_published(kind) => Ok(()),
        kind if args.method.robust && kind != ModelKind::SynthSegRobust => refuse("--robust"),
        kind if args.method.v1 && kind != ModelKind::SynthSeg1 => refuse("--v1"),
        _ => Ok(()),
    }
}

/// How `SynthSeg` works, as a command line has it.
pub(crate) fn synthseg_options(args: &Args) -> SynthSegOptions {
    let method = &args.method;
    SynthSegOptions::new()
        .with_fast(method.fast)
        .with_ct(method.ct)
        .with_crop(args.crop())
        .with_autocrop(method.autocrop)
        .with_compat(method.compat)
        .with_keep_geometry(method.keepgeom)
        .with_keep_posteriors(args.outputs.posteriors.is_some())
        .with_keep_resampled(args.outputs.resampled.is_some())
}

/// What the labels are called.
fn table(args: &Args, network: &Network) -> Result<LabelTable> {
    let own = &network.info().table;
    let Some(path) = &args.outputs.labels else { return Ok(own.clone()) };
    let text = fs::read_to_string(path).with_context(|| format!("{}: can not read", path.display()))?;
    let table = LabelTable::parse(&text).with_context(|| path.display().to_string())?;
    Ok(match network.info().kind {
        ModelKind::MeshNet => table.completed(own.len()),
        _ => table.over(own),
    })
}
