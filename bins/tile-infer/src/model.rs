//! What runs on each tile: from the command line to models.

use std::path::Path;
use std::sync::Arc;

use volkit_core::{BoxError, Predictor, PredictorSpec};
use volkit_io::{SafetensorsStore, sha256_file};
use volkit_kernels::{ConvOptions, Isa, Threads};
use volkit_psi::{GraphPredictor, SimpleUNet};
use volkit_tile::{ModelMemory, Pointwise};

use crate::args::Args;
use crate::files::Input;

/// Models that are all the same, one a worker.
pub(crate) struct Model {
    pub(crate) workers: Vec<Box<dyn Predictor>>,
    kind: Kind,
    /// Name or SHA-256 of the file, and mode: what the result depends on.
    pub(crate) identity: String,
}

/// What is known about the memory of a model.
enum Kind {
    Pointwise,
    Graph(Box<GraphPredictor>),
}

impl Model {
    /// Opens the model of the command line.
    pub(crate) fn open(args: &Args, input: &Input) -> Result<Self, BoxError> {
        let (channels, n_axes) = (input.channels(), input.n_axes);
        let pointwise = match args.model.as_str() {
            "identity" => Some(Pointwise::identity(channels, n_axes)),
            "mean" => Some(Pointwise::mean(channels, n_axes)),
            _ => None,
        };
        let model = if let Some(model) = pointwise {
            let workers = (0..args.workers).map(|_| Box::new(model.clone()) as Box<dyn Predictor>).collect();
            Self { workers, kind: Kind::Pointwise, identity: args.model.clone() }
        } else {
            Self::from_file(args).map_err(|error| in_file(&args.model, error))?
        };
        let spec = model.spec();
        if spec.input_channels != channels || spec.n_spatial_axes != n_axes {
            let (c, n) = (spec.input_channels, spec.n_spatial_axes);
            let what = format!("takes {c} channels and {n} spatial axes, the image has {channels} and {n_axes}");
            return Err(format!("--model {}: {what}", args.model).into());
        }
        Ok(model)
    }

    pub(crate) fn spec(&self) -> &PredictorSpec {
        self.workers[0].spec()
    }

    /// Memory for tiles that the model sees as `[T0, T1, ..]`.
    pub(crate) fn memory(&self, tile: &[usize]) -> Result<ModelMemory, BoxError> {
        Ok(match (&self.kind, tile) {
            (Kind::Graph(model), &[height, width]) => {
                // The executor runs the tiles of a batch one after the other.
                let activations = model.activation_bytes([height, width])?;
                ModelMemory::new(model.weight_bytes(), 0).with_workspace_bytes(activations)
            }
            _ => ModelMemory::default(),
        })
    }

    fn from_file(args: &Args) -> Result<Self, BoxError> {
        let path = Path::new(&args.model);
        let suffix = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        if suffix != "safetensors" {
            return Err("no model: identity, mean, or a file .safetensors".into());
        }
        let store = SafetensorsStore::open(path)?;
        let options = ConvOptions::new(Isa::detect()).with_mode(args.mode);
        let net = SimpleUNet::from_store(&store, options)?;
        let threads = Arc::new(Threads::new(args.threads));
        let model = || net.predictor().with_threads(Arc::clone(&threads));
        let workers = (0..args.workers).map(|_| Box::new(model()) as Box<dyn Predictor>).collect();
        let identity = format!("{} {}", sha256_file(path)?, args.mode);
        Ok(Self { workers, kind: Kind::Graph(Box::new(model())), identity })
    }
}

/// An error with the name of the model's file in front, where it does not say it.
fn in_file(name: &str, error: BoxError) -> BoxError {
    if error.to_string().contains(name) {
        return error;
    }
    format!("--model {name}: {}", volkit_core::error_line(error.as_ref())).into()
}
