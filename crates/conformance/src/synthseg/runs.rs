//! Runs of the whole program on small inputs.

use std::cell::OnceCell;

use serde_json::{Map, Value};
use volkit_core::{ArrayStore as _, BoxError, SilentProgress, Volume};
use volkit_io::SafetensorsStore;
use volkit_seg::{Networks, ParcellationNet, QualityNet, SegmentationNet, SynthSeg, SynthSegOptions, SynthSegOutput};

use super::tensors::Channels;
use super::{Fixture, POSTERIOR, object, preprocess, robust, run_cases};
use crate::ConformanceError;
use crate::index::Entry;
use crate::suite::Cases;

pub(super) fn run(fixture: &Fixture<'_>, cases: &mut Cases<'_>) -> Result<bool, ConformanceError> {
    let Some(index) = object(&fixture.path("runs.json"))? else { return Ok(false) };
    for (name, value) in &index {
        let run = Run {
            fixture,
            name,
            entry: Entry::new(value, fixture.folder),
            runs: &index,
            flags: Flags::of(value),
            done: OnceCell::new(),
        };
        let named = |part: &str| format!("runs/{name}/{part}");
        cases.case(named("placement"), || run_cases::placement(&run));
        cases.case(named("labels"), || run_cases::labels(&run));
        cases.case(named("posteriors"), || run_cases::posteriors(&run));
        cases.case(named("volumes"), || run_cases::volumes(&run));
        cases.case(named("table"), || run_cases::table(&run));
        if run.flags.qc {
            cases.case(named("scores"), || run_cases::scores(&run));
        }
        if run.file("_resampled.nii.gz").exists() {
            cases.case(named("resampled"), || run_cases::resampled(&run));
        }
        if run_cases::has_networks(&run) {
            cases.case(named("networks"), || run_cases::networks(&run));
        }
    }
    Ok(true)
}

/// The switches of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flags {
    pub(super) fast: bool,
    pub(super) robust: bool,
    pub(super) v1: bool,
    pub(super) parc: bool,
    pub(super) qc: bool,
}

impl Flags {
    fn of(run: &Value) -> Self {
        let is_set = |flag: &str| run["options"][flag] == Value::Bool(true);
        let [fast, robust, v1, parc, qc] = ["fast", "robust", "v1", "parc", "qc"].map(is_set);
        Self { fast, robust, v1, parc, qc }
    }

    /// Whether the published program leaves out the smoothing of the segmentation.
    pub(super) fn is_raw(self) -> bool {
        self.fast && !self.robust && (self.parc || self.qc)
    }

    /// Whether it leaves out that of the parcellation.
    pub(super) fn is_raw_parcellation(self) -> bool {
        self.parc && self.qc
    }

    pub(super) fn model(self) -> &'static str {
        match self {
            Self { robust: true, .. } => "robust",
            Self { v1: true, .. } => "v1",
            _ => "v2",
        }
    }
}

/// A run of the published program, and ours.
pub(super) struct Run<'a> {
    pub(super) fixture: &'a Fixture<'a>,
    pub(super) name: &'a str,
    pub(super) entry: Entry<'a>,
    runs: &'a Map<String, Value>,
    pub(super) flags: Flags,
    done: OnceCell<Result<Done, String>>,
}

/// What our run gave.
pub(super) struct Done {
    pub(super) output: SynthSegOutput,
    /// What had to be turned in the robust chain.
    pub(super) note: String,
}

impl Run<'_> {
    pub(super) fn compat(&self) -> bool {
        self.fixture.compat
    }

    pub(super) fn done(&self) -> Result<&Done, BoxError> {
        let done = self.done.get_or_init(|| self.compute().map_err(|error| volkit_core::error_line(error.as_ref())));
        Ok(done.as_ref().map_err(Clone::clone)?)
    }

    fn compute(&self) -> Result<Done, BoxError> {
        let (scan, options) = (self.scan()?, self.options(self.compat())?);
        let (net, note) = self.segmentation(&scan, &options)?;
        let mut networks = self.followed(net)?;
        if self.flags.qc {
            networks = networks.with_quality(self.quality()?);
        }
        let output = SynthSeg::new(networks).run(&scan, &options, &self.fixture.threads, &SilentProgress)?;
        Ok(Done { output, note })
    }

    /// The segmentation network, its near ties decided as in the published program.
    pub(super) fn segmentation(
        &self,
        scan: &Volume,
        options: &SynthSegOptions,
    ) -> Result<(SegmentationNet, String), BoxError> {
        if self.flags.robust {
            let turned = robust::turned(self.fixture, scan, options, &self.labels(self.name)?)?;
            return Ok((turned.net, turned.note));
        }
        let net =
            SegmentationNet::from_store(self.fixture.weights(self.flags.model())?.as_ref(), &self.fixture.build())?;
        Ok((net, String::new()))
    }

    /// With the parcellation network where the run has one.
    pub(super) fn followed(&self, net: SegmentationNet) -> Result<Networks, BoxError> {
        let networks = Networks::new(net);
        if !self.flags.parc {
            return Ok(networks);
        }
        Ok(networks.with_parcellation(ParcellationNet::from_store(
            self.fixture.weights("parc")?.as_ref(),
            &self.fixture.build(),
        )?))
    }

    pub(super) fn quality(&self) -> Result<QualityNet, BoxError> {
        Ok(QualityNet::from_store(self.fixture.weights("qc")?.as_ref(), &self.fixture.build())?)
    }

    pub(super) fn scan(&self) -> Result<Volume, BoxError> {
        self.fixture.input(self.entry.text("input")?)
    }

    pub(super) fn options(&self, compat: bool) -> Result<SynthSegOptions, BoxError> {
        let prepare = preprocess::options(&self.entry, self.entry.text("input")?)?;
        Ok(SynthSegOptions::new()
            .with_fast(self.flags.fast)
            .with_ct(prepare.ct)
            .with_crop(prepare.crop)
            .with_three_spacings(prepare.three_spacings)
            .with_compat(compat)
            .with_keep_resampled(true)
            .with_keep_posteriors(true))
    }

    /// A file of this run.
    pub(super) fn file(&self, rest: &str) -> std::path::PathBuf {
        self.fixture.path("runs").join(format!("{}{rest}", self.name))
    }

    pub(super) fn tensors(&self, run: &str) -> Result<SafetensorsStore, BoxError> {
        Ok(SafetensorsStore::open(self.fixture.path("runs").join(format!("{run}.safetensors")))?)
    }

    /// Every how many voxels a run keeps its posteriors.
    pub(super) fn stride(&self, run: &str) -> Result<usize, BoxError> {
        let stride = self.tensors(run)?.get("stride")?.to_real::<f64>()?;
        Ok(stride.first().map_or(1, |&stride| stride as usize))
    }

    /// The published program's labels of a run.
    pub(super) fn labels(&self, run: &str) -> Result<Vec<i32>, BoxError> {
        Ok(self.label_volume(run)?.to_real::<i32>()?)
    }

    pub(super) fn label_volume(&self, run: &str) -> Result<Volume, BoxError> {
        let other = self.runs.get(run).and_then(|value| value["options"]["ext"].as_str());
        let extension = other.unwrap_or(".nii.gz");
        Ok(volkit_io::read(self.fixture.path("runs").join(format!("{run}_seg{extension}")))?.into_volume())
    }

    /// The run of the folder that the default is to equal where the published program leaves out the smoothing: the
    /// same without other networks behind.
    pub(super) fn alike(&self) -> Result<(&str, Entry<'_>), BoxError> {
        if self.compat() || !self.flags.is_raw() {
            return Ok((self.name, self.entry));
        }
        let own = self.entry.required("options")?;
        let is_alike = |value: &Value| {
            let flags = Flags::of(value);
            let same = ["crop", "ct"].iter().all(|option| value["options"].get(option) == own.get(option));
            let plain = Flags { parc: false, qc: false, ..self.flags };
            flags == plain && same && value.get("input") == self.entry.optional("input")
        };
        let found = self.runs.iter().find(|(_, value)| is_alike(value));
        let (name, value) = found.ok_or("the folder has no run with the same options without 'parc' and 'qc'")?;
        Ok((name, Entry::new(value, self.fixture.folder)))
    }
}

/// Cortex and parcels as one label.
pub(super) fn plain_labels(label: i32) -> i32 {
    if label == 42 || label > 1000 { 3 } else { label }
}

/// How many labels differ, and how many of those are no near ties of the final posteriors.
pub(super) fn differing(
    output: &SynthSegOutput,
    wanted: &[i32],
    plain: impl Fn(i32) -> i32,
) -> Result<(usize, usize), BoxError> {
    let volume = output.posteriors.as_ref().ok_or("posteriors are kept")?.to_volume()?;
    let posteriors = Channels::of(&volume)?;
    let got = output.labels.as_slice::<i32>().ok_or("labels are i32")?;
    if got.len() != wanted.len() {
        return Err(format!("{} labels, expected {}", got.len(), wanted.len()).into());
    }
    let different: Vec<usize> = (0..got.len()).filter(|&at| plain(got[at]) != plain(wanted[at])).collect();
    let beyond = different.iter().filter(|&&at| f64::from(posteriors.margin(at)) > POSTERIOR).count();
    Ok((different.len(), beyond))
}
