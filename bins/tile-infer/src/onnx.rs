//! Networks in ONNX files, run by `tract`.

use std::path::Path;

use tract_onnx::prelude::{
    DatumType, Framework as _, InferenceFact, InferenceModel, InferenceModelExt as _, IntoTValue as _, RunnableModel,
    Tensor, TypedFact, TypedModel, tvec,
};
use tract_onnx::tract_core::ops::TypedOp;
use tract_onnx::tract_hir::infer::Factoid as _;
use tract_onnx::tract_hir::internal::DimLike as _;
use volkit_core::{Batch, BoxError, OutputSpec, Predictor, PredictorSpec, Scale};

type Plan = std::sync::Arc<RunnableModel<TypedFact, Box<dyn TypedOp>>>;

/// A network made ready for tiles of one shape, on one thread.
#[derive(Clone)]
pub(crate) struct OnnxModel {
    spec: PredictorSpec,
    plan: Plan,
    /// `[C, s0, s1, ..]`.
    tile: Vec<usize>,
}

impl OnnxModel {
    /// Reads a network with one input `[B, C, s..]` and makes it ready for tiles of `tile` samples.
    pub(crate) fn open(path: &Path, tile: &[usize]) -> Result<Self, BoxError> {
        let model = tract_onnx::onnx().model_for_path(path).map_err(chain)?;
        let declared = declared_shape(&model, tile.len())?;
        let Some(channels) = declared[1] else {
            return Err("the input does not say how many channels it has".into());
        };
        for (axis, (declared, &tile)) in declared[2..].iter().zip(tile).enumerate() {
            if let Some(length) = declared.filter(|length| *length != tile) {
                let what = format!("the network takes {length} samples along axis {axis}, tiles have {tile}");
                return Err(format!("{what}; --tile-size must be {length} there").into());
            }
        }
        let shape = [&[1, channels], tile].concat();
        let fact = InferenceFact::dt_shape(DatumType::F32, &shape);
        let model = model.with_input_fact(0, fact).and_then(InferenceModel::into_optimized).map_err(chain)?;
        let spec = PredictorSpec {
            input_channels: channels,
            n_spatial_axes: tile.len(),
            outputs: outputs(&model, tile)?,
            multiple_of: 1,
            receptive_radius: None,
        };
        let plan = RunnableModel::new(model).map_err(chain)?;
        Ok(Self { spec, plan, tile: shape[1..].to_vec() })
    }
}

/// `[B, C, s..]` of the only input, where it is fixed.
fn declared_shape(model: &InferenceModel, n_axes: usize) -> Result<Vec<Option<usize>>, BoxError> {
    let inputs = model.input_outlets().map_err(chain)?;
    if inputs.len() != 1 {
        return Err(format!("{} inputs, one is expected", inputs.len()).into());
    }
    let shape = &model.input_fact(0).map_err(chain)?.shape;
    let sizes: Vec<Option<usize>> =
        shape.dims().map(|dim| dim.concretize().and_then(|dim| dim.to_usize().ok())).collect();
    if sizes.len() != n_axes + 2 {
        let what = format!("the input has {} axes, [B, C, s..] with {n_axes} spatial axes is expected", sizes.len());
        return Err(format!("{what} (--spatial-axes)").into());
    }
    Ok(sizes)
}

fn outputs(model: &TypedModel, tile: &[usize]) -> Result<Vec<OutputSpec>, BoxError> {
    let mut specs = Vec::new();
    for (i, outlet) in model.output_outlets().map_err(chain)?.iter().enumerate() {
        let fact = model.outlet_fact(*outlet).map_err(chain)?;
        let shape = fact.shape.as_concrete().ok_or_else(|| format!("output {i} has no fixed shape"))?;
        let [_, channels, lengths @ ..] = shape else { return Err(format!("output {i} has shape {shape:?}").into()) };
        let scale = match (lengths, tile) {
            (&[numerator, ..], &[denominator, ..]) => Scale { numerator, denominator },
            _ => Scale::ONE,
        };
        let is_scaled = |(&out, &len): (&usize, &usize)| out * scale.denominator == len * scale.numerator;
        if lengths.len() != tile.len() || !lengths.iter().zip(tile).all(is_scaled) {
            let what = format!("output {i} has shape {shape:?} for tiles {tile:?}");
            return Err(format!("{what}: one scale for all axes is expected").into());
        }
        if fact.datum_type != DatumType::F32 {
            return Err(format!("output {i} is {:?}, f32 is expected", fact.datum_type).into());
        }
        specs.push(OutputSpec { name: format!("output {i}"), channels: *channels, scale: reduced(scale) });
    }
    Ok(specs)
}

fn reduced(Scale { numerator, denominator }: Scale) -> Scale {
    let (mut a, mut b) = (numerator, denominator);
    while b > 0 {
        (a, b) = (b, a % b);
    }
    let divisor = a.max(1);
    Scale { numerator: numerator / divisor, denominator: denominator / divisor }
}

impl Predictor for OnnxModel {
    fn spec(&self) -> &PredictorSpec {
        &self.spec
    }

    fn predict(&mut self, input: &Batch) -> Result<Vec<Batch>, BoxError> {
        let shape = input.shape();
        if shape[1..] != self.tile {
            return Err(format!("tiles {shape:?}, [B, C, s..] = {:?} after the batch expected", self.tile).into());
        }
        let one = [&[1], self.tile.as_slice()].concat();
        let mut values = vec![Vec::new(); self.spec.outputs.len()];
        let mut shapes = vec![Vec::new(); values.len()];
        // Networks with a batch of 1 fixed in them are common: tiles run one after the other.
        for tile in input.values().chunks_exact(self.tile.iter().product::<usize>().max(1)) {
            let tensor = Tensor::from_shape(&one, tile).map_err(chain)?;
            let results = self.plan.run(tvec![tensor.into_tvalue()]).map_err(chain)?;
            for ((result, values), shape) in results.iter().zip(&mut values).zip(&mut shapes) {
                values.extend_from_slice(
                    result.try_as_plain_ram().and_then(|plain| plain.as_slice::<f32>()).map_err(chain)?,
                );
                *shape = [&[input.shape()[0]], &result.shape()[1..]].concat();
            }
        }
        shapes.into_iter().zip(values).map(|(shape, values)| Ok(Batch::new(shape, values)?)).collect()
    }
}

/// The causes of an error of `tract` in one line.
fn chain(error: impl Into<BoxError>) -> BoxError {
    volkit_core::error_line(error.into().as_ref()).into()
}
