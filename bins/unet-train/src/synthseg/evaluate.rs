//! Dice of a network on scans that it has not seen.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use serde::Serialize;
use volkit_bench::{Display, dice};
use volkit_core::{ArrayStore, Volume};
use volkit_io::open_weights;
use volkit_kernels::Threads;
use volkit_seg::training::{FixedContrast, Generator, GeneratorConfig, as_subcortical};
use volkit_seg::{LabelTable, SegmentOptions, Segmenter, open_model, subcortical};

use super::config::{Config, RealScan};
use super::export::store_of;
use super::maps::Maps;

/// The fluid around the brain is no structure to be found.
const OUTER_FLUID: u32 = 24;

/// Dice of one structure on each kind of scan.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    /// Name of the structure.
    pub(crate) structure: String,
    /// Mean over the scans of each column that show it.
    pub(crate) dice: Vec<Option<f64>>,
}

/// A table of Dice.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Table {
    /// Kinds of scans.
    pub(crate) columns: Vec<String>,
    /// Structures.
    pub(crate) rows: Vec<Row>,
}

/// Sums of Dice and counts, by structure.
type Sums = BTreeMap<u32, (f64, u32)>;

impl Table {
    fn new(columns: Vec<(String, Sums)>, table: &LabelTable) -> Self {
        let mean = |sums: &Sums, id: u32| sums.get(&id).map(|(sum, count)| sum / f64::from(*count));
        let rows = table.iter().filter(|label| label.id != 0 && label.id != OUTER_FLUID).map(|label| Row {
            structure: label.name.clone(),
            dice: columns.iter().map(|(_, sums)| mean(sums, label.id)).collect(),
        });
        let rows = rows.collect();
        Self { columns: columns.into_iter().map(|(name, _)| name).collect(), rows }
    }

    /// Mean over structures of each column.
    pub(crate) fn means(&self) -> Vec<Option<f64>> {
        let mean = |column: usize| {
            let found: Vec<f64> = self.rows.iter().filter_map(|row| row.dice[column]).collect();
            (!found.is_empty()).then(|| found.iter().sum::<f64>() / found.len() as f64)
        };
        (0..self.columns.len()).map(mean).collect()
    }

    /// As a table in Markdown.
    pub(crate) fn to_markdown(&self) -> String {
        let cell = |dice: &Option<f64>| dice.map_or("-".to_owned(), |dice| format!("{dice:.2}"));
        let mut text =
            format!("| structure | {} |\n|---|{}\n", self.columns.join(" | "), "---|".repeat(self.columns.len()));
        let last = Row { structure: "**mean**".into(), dice: self.means() };
        for row in self.rows.iter().chain([&last]) {
            let cells: Vec<String> = row.dice.iter().map(cell).collect();
            text.push_str(&format!("| {} | {} |\n", row.structure, cells.join(" | ")));
        }
        text
    }
}

/// Tables of a network.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Evaluation {
    /// Steps that the network was trained for, where a checkpoint is evaluated.
    pub(crate) step: Option<u64>,
    /// On synthetic scans of the held-out maps.
    pub(crate) synthetic: Table,
    /// On the real scan, left and right together.
    pub(crate) real: Option<Table>,
}

impl Evaluation {
    /// As text.
    pub(crate) fn to_markdown(&self) -> String {
        let mut text = self.step.map_or(String::new(), |step| format!("after {step} steps\n\n"));
        text.push_str(&self.synthetic.to_markdown());
        if let Some(real) = &self.real {
            text.push('\n');
            text.push_str(&real.to_markdown());
        }
        text
    }
}

/// Evaluates a file of weights, or the checkpoint of the training.
pub(crate) fn evaluate(config: &Config, weights: Option<&Path>, display: &Display) -> Result<Evaluation> {
    let (step, store): (Option<u64>, Box<dyn ArrayStore>) = match weights {
        Some(path) => (None, open_weights(path)?),
        None => {
            let (step, store) = store_of(config)?;
            (Some(step), Box::new(store))
        }
    };
    let net = open_model(store.as_ref())?;
    let options = SegmentOptions::new().with_threads(Arc::new(Threads::new(rayon::current_num_threads())));
    let judge = Judge { net: net.as_ref(), options, display };
    let maps = Maps::read_held_out(&config.data)?;
    let mut generator_config =
        GeneratorConfig::new().with_size(config.evaluation.size).with_seed(config.generator.seed);
    generator_config.crop.deviation_mm = Some(0.0);
    let generator = Generator::new(generator_config.without_augmentation())?;
    let mut columns = Vec::new();
    for contrast in FixedContrast::ALL {
        for &slice_mm in &config.evaluation.slices_mm {
            let name = format!("{}, {slice_mm} mm", contrast.name());
            let mut sums = Sums::new();
            for (index, (_, map)) in maps.iter().enumerate() {
                let [scan, truth] = generator.scan(map, contrast, slice_mm, index as u64).to_volumes(1.0)?;
                judge.add(&scan, &truth, Volume::clone, &mut sums)?;
            }
            display.say(&name);
            columns.push((name, sums));
        }
    }
    let synthetic = Table::new(columns, &net.info().table);
    let real = config.data.real.as_ref().map(|real| judge.real(real)).transpose()?;
    Ok(Evaluation { step, synthetic, real })
}

struct Judge<'a> {
    net: &'a dyn Segmenter,
    options: SegmentOptions,
    display: &'a Display,
}

impl Judge<'_> {
    /// Segments a scan and adds the Dice of each label that the truth has, after `merge`.
    fn add(&self, scan: &Volume, truth: &Volume, merge: impl Fn(&Volume) -> Volume, sums: &mut Sums) -> Result<()> {
        let found = merge(&self.net.segment(scan, &self.options, self.display)?.labels);
        let truth = truth.cast::<i32>()?;
        let found = found.cast::<i32>()?;
        let wrong = "invariant: labels are i32";
        let (left, right) = (truth.as_slice::<i32>().context(wrong)?, found.as_slice::<i32>().context(wrong)?);
        for overlap in dice(left, right)?.iter().filter(|overlap| overlap.n_left > 0) {
            let entry = sums.entry(overlap.label as u32).or_default();
            *entry = (entry.0 + overlap.dice, entry.1 + 1);
        }
        Ok(())
    }

    fn real(&self, real: &RealScan) -> Result<Table> {
        let read = |path: &Path| -> Result<Volume> { Ok(volkit_io::read(path)?.into_parts().0) };
        let (scan, truth) = (read(&real.scan)?, read(&real.labels)?);
        let mut sums = Sums::new();
        let merge = |labels: &Volume| as_subcortical(labels).unwrap_or_else(|_| labels.clone());
        self.add(&scan, &truth, merge, &mut sums)?;
        let name = real.scan.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Table::new(vec![(name, sums)], &subcortical()))
    }
}
