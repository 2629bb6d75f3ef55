//! Whole runs of another program's sliding window.

use volkit_core::{
    Affine, ArrayStore as _, BoxError, DType, MemorySink, SilentProgress, Volume, VolumeMeta, VolumeSink as _,
};
use volkit_io::SafetensorsStore;
use volkit_tile::{AxisSpec, BatchSize, ImportanceMap, Padding, Target, TilePlan, TiledInference};

use super::array;
use super::model::Model;
use crate::check::Check;
use crate::index::Entry;
use crate::suite::Outcome;

/// Absolute, on values of order 1: other orders of additions in f32.
const TOLERANCE: f64 = 2e-6;

pub(super) fn case(entry: &Entry<'_>, store: &SafetensorsStore) -> Result<Outcome, BoxError> {
    let input = store.get(entry.text("input")?)?;
    let &[_, channels, ref size @ ..] = input.shape() else {
        return Err(format!("the input has the shape {:?}", input.shape()).into());
    };
    let plan = plan(entry, size)?;
    let map = match entry.text("mode")? {
        "constant" => ImportanceMap::MonaiConstant,
        "gaussian" => ImportanceMap::MonaiGaussian { sigma: entry.numbers("sigma_scale")? },
        other => return Ok(Outcome::Skipped(format!("mode {other} is not known"))),
    };
    let mut model = Model::new(entry.text("model")?, channels, size.len(), store)?;
    let names = match entry.optional("outputs").and_then(|outputs| outputs.as_object()) {
        // Several outputs, their names sorted.
        Some(outputs) => outputs.values().filter_map(|name| name.as_str()).collect(),
        None => vec![entry.text("output")?],
    };
    let mut slots = Vec::new();
    let mut sinks = Vec::new();
    for name in &names {
        let shape = reversed(store.get(name)?.shape());
        let (sink, slot) = MemorySink::new(VolumeMeta::new(shape, DType::F32, Affine::IDENTITY)?)?;
        sinks.push(sink);
        slots.push(slot);
    }
    let image = Volume::new(reversed(input.shape()), input.to_real::<f32>()?, Affine::IDENTITY)?;
    let inference = TiledInference::new(&plan).with_blend(map).with_batch(BatchSize::Fixed(entry.count("sw_batch")?));
    let targets = sinks.iter().map(|sink| Target::new(sink)).collect();
    inference.run(&image, &mut [&mut model], targets, &SilentProgress)?;
    let mut check = Check::new();
    if entry.text("model")? == "dict_id_and_pool" {
        check.note("full is compared as twice the input, which the expected numbers are");
    }
    for ((sink, slot), name) in sinks.into_iter().zip(slots).zip(names) {
        Box::new(sink).finish()?;
        let got = slot.lock().map_err(|_| "the sink is broken")?.take().ok_or("the sink gave nothing")?;
        check.close(name, &got.to_real::<f64>()?, &array(store, name)?, 0.0, TOLERANCE);
    }
    Ok(check.into())
}

/// One number for all axes, or one per axis; a tile of 0 or less is the whole axis.
fn plan(entry: &Entry<'_>, size: &[usize]) -> Result<TilePlan, BoxError> {
    let (tiles, overlaps) = (entry.numbers("roi")?, entry.numbers("overlap")?);
    let of = |values: &[f64], axis: usize| values.get(axis).or(values.first()).copied().unwrap_or_default();
    let spec = |(axis, &length): (usize, &usize)| {
        let tile = of(&tiles, axis);
        AxisSpec::fraction(if tile > 0.0 { tile as usize } else { length }, of(&overlaps, axis))
    };
    let padding = match entry.text("padding_mode")? {
        "constant" => Padding::Constant(entry.number("cval")? as f32),
        "reflect" => Padding::Reflect,
        "replicate" => Padding::Replicate,
        "circular" => Padding::Circular,
        other => return Err(format!("padding_mode {other} is not known").into()),
    };
    Ok(TilePlan::with_padding(size, &size.iter().enumerate().map(spec).collect::<Vec<_>>(), padding)?)
}

fn reversed(shape: &[usize]) -> Vec<usize> {
    shape.iter().rev().copied().collect()
}
