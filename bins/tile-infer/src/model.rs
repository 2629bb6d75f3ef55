//! What runs on each tile: from the command line to models.

use std::path::Path;
use std::sync::Arc;

use volkit_bench::anonymous_bytes;
use volkit_core::{ArrayStore, BoxError, Predictor, PredictorSpec};
use volkit_io::{open_weights, sha256_file};
use volkit_kernels::{ConvOptions, Isa, Threads};
#[cfg(feature = "candle")]
use volkit_psi::UNetPredictor;
use volkit_psi::{ClosedForm, ClosedFormOptions, ClosedFormPredictor, GraphPredictor, Interferometer, SimpleUNet};
#[cfg(feature = "seg")]
use volkit_seg::{ModelKind, NetworkBuild, TilePredictor};
use volkit_tile::{ModelMemory, Pointwise};

use crate::args::Args;
use crate::files::Input;
#[cfg(feature = "onnx")]
use crate::onnx::OnnxModel;

/// Models that are all the same, one a worker.
pub(crate) struct Model {
    pub(crate) workers: Vec<Box<dyn Predictor>>,
    kind: Kind,
    /// Name or SHA-256 of the file, and mode: what the result depends on.
    pub(crate) identity: String,
}

/// What is known about the memory of a model.
enum Kind {
    /// Nothing, or that there is none.
    Other,
    /// That its outputs lie where its input lay.
    InPlace,
    Graph(Box<GraphPredictor>),
    /// Nothing, but that it takes tiles of any size.
    #[cfg(feature = "candle")]
    UNet,
    #[cfg(feature = "seg")]
    Seg(Box<TilePredictor>),
}

impl Model {
    /// Opens the model of the command line.
    pub(crate) fn open(args: &Args, input: &Input) -> Result<Self, BoxError> {
        let (channels, n_axes) = (input.channels(), input.n_axes);
        let model = match (args.model.as_str(), &args.weights) {
            ("chain" | "unet2d", Some(path)) => Self::from_store(args, path, Some(&args.model))
                .map_err(|error| in_file(&path.to_string_lossy(), error))?,
            ("chain" | "unet2d", None) => return Err(format!("--model {} needs --weights FILE", args.model).into()),
            (_, Some(_)) => return Err("--weights goes with --model chain or unet2d".into()),
            ("identity", None) => {
                Self::new(args, Kind::InPlace, args.model.clone(), || Pointwise::identity(channels, n_axes))
            }
            ("mean", None) => Self::new(args, Kind::Other, args.model.clone(), || Pointwise::mean(channels, n_axes)),
            ("closed-form", None) => Self::closed_form(args).map_err(|error| in_file(&args.model, error))?,
            (_, None) => Self::from_file(args, n_axes).map_err(|error| in_file(&args.model, error))?,
        };
        let spec = model.spec();
        if spec.input_channels != channels || spec.n_spatial_axes != n_axes {
            let (c, n) = (spec.input_channels, spec.n_spatial_axes);
            let what = format!("takes {c} channels and {n} spatial axes, the image has {channels} and {n_axes}");
            return Err(format!("--model {}: {what}", args.model).into());
        }
        if spec.outputs.len() != 1 {
            return Err(format!("--model {}: {} outputs, one can be written", args.model, spec.outputs.len()).into());
        }
        Ok(model)
    }

    fn new<P: Predictor + 'static>(args: &Args, kind: Kind, identity: String, make: impl Fn() -> P) -> Self {
        let workers = (0..args.workers).map(|_| Box::new(make()) as Box<dyn Predictor>).collect();
        Self { workers, kind, identity }
    }

    pub(crate) fn spec(&self) -> &PredictorSpec {
        self.workers[0].spec()
    }

    /// Whether tiles of any size are taken, so that nothing needs to be invented around a small image.
    pub(crate) fn takes_any_size(&self) -> bool {
        #[cfg(feature = "candle")]
        if matches!(self.kind, Kind::UNet) {
            return true;
        }
        self.spec().receptive_radius.is_some()
    }

    /// Memory for tiles that the model sees as `[T0, T1, ..]`, with what this process has by now, its weights among it.
    pub(crate) fn memory(&self, tile: &[usize]) -> Result<ModelMemory, BoxError> {
        let now = anonymous_bytes();
        Ok(match (&self.kind, tile) {
            (Kind::InPlace, _) => ModelMemory::default().in_place().with_shared_bytes(now.unwrap_or(0)),
            (Kind::Graph(model), &[height, width]) => {
                // The executor runs the tiles of a batch one after the other.
                let activations = model.activation_bytes([height, width])?;
                let shared = model.scratch_bytes([height, width])? + now.unwrap_or(model.weight_bytes());
                ModelMemory::default().with_shared_bytes(shared).with_workspace_bytes(activations)
            }
            #[cfg(feature = "seg")]
            (Kind::Seg(model), &[depth, height, width]) => {
                let workspace = model.workspace_bytes([depth, height, width])?;
                let shared = model.scratch_bytes([depth, height, width])? + now.unwrap_or(0);
                ModelMemory::default().with_shared_bytes(shared).with_workspace_bytes(workspace)
            }
            _ => ModelMemory::default().with_shared_bytes(now.unwrap_or(0)),
        })
    }

    fn closed_form(args: &Args) -> Result<Self, BoxError> {
        let instrument = Interferometer::new(args.wavelengths.as_slice(), args.buckets);
        let &[low, high] = args.height_range.as_slice() else {
            return Err(format!("--height-range has {} numbers, expected LOW,HIGH", args.height_range.len()).into());
        };
        let solver = ClosedForm::new(&instrument, ClosedFormOptions::default().with_height_range_um([low, high]))?;
        let threads = Arc::new(Threads::new(args.threads));
        let identity = format!("closed-form {:?} {} {low} {high}", args.wavelengths, args.buckets);
        let model = || ClosedFormPredictor::new(solver.clone()).with_threads(Arc::clone(&threads));
        Ok(Self::new(args, Kind::Other, identity, model))
    }

    fn from_file(args: &Args, n_axes: usize) -> Result<Self, BoxError> {
        let path = Path::new(&args.model);
        if path.extension().is_some_and(|suffix| suffix.eq_ignore_ascii_case("onnx")) {
            return Self::from_onnx(args, path, n_axes);
        }
        Self::from_store(args, path, None)
    }

    /// A network from a file with tensors: the one that is named, or the one that they are found to be.
    fn from_store(args: &Args, path: &Path, name: Option<&str>) -> Result<Self, BoxError> {
        let store = open_weights(path)?;
        let identity = format!("{} {}", sha256_file(path)?, args.mode);
        let options = ConvOptions::new(Isa::detect()).with_mode(args.mode);
        let threads = Arc::new(Threads::new(args.threads));
        #[cfg(feature = "candle")]
        if name == Some("unet2d") || (name.is_none() && UNetPredictor::recognises(store.as_ref())) {
            let net = UNetPredictor::from_store(store.as_ref())?;
            return Ok(Self::new(args, Kind::UNet, identity, || net.clone()));
        }
        #[cfg(not(feature = "candle"))]
        if name == Some("unet2d") {
            return Err("the 2-D U-Net needs a build with the feature `candle`".into());
        }
        #[cfg(feature = "seg")]
        if name.is_none() && ModelKind::recognise(store.as_ref()).is_ok() {
            let net = TilePredictor::from_store(store.as_ref(), &NetworkBuild::new().with_conv(options))?;
            let net = net.with_threads(threads);
            return Ok(Self::new(args, Kind::Seg(Box::new(net.clone())), identity, || net.clone()));
        }
        let net = SimpleUNet::from_store(store.as_ref() as &dyn ArrayStore, options)?;
        let model = || net.predictor().with_threads(Arc::clone(&threads));
        Ok(Self::new(args, Kind::Graph(Box::new(model())), identity, model))
    }

    #[cfg(feature = "onnx")]
    fn from_onnx(args: &Args, path: &Path, n_axes: usize) -> Result<Self, BoxError> {
        let net = OnnxModel::open(path, &crate::run::tile_sizes(args, n_axes)?)?;
        Ok(Self::new(args, Kind::Other, sha256_file(path)?, || net.clone()))
    }

    #[cfg(not(feature = "onnx"))]
    fn from_onnx(_args: &Args, _path: &Path, _n_axes: usize) -> Result<Self, BoxError> {
        Err("ONNX networks need a build with the feature `onnx`".into())
    }
}

/// An error with the name of the model's file in front, where it does not say it.
fn in_file(name: &str, error: BoxError) -> BoxError {
    if error.to_string().contains(name) {
        return error;
    }
    format!("--model {name}: {}", volkit_core::error_line(error.as_ref())).into()
}
