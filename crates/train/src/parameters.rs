//! Named parameters of a candle network.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::{DType, Device, Result as CandleResult, Shape, Tensor, Var, bail};
use candle_nn::init::NormalOrUniform;
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder, VarMap};
use volkit_core::Random;

use crate::{Checkpoint, CheckpointArray, Precision, TrainError};

/// Last parts of the names of arrays that layers keep but no gradient reaches.
const BUFFERS: [&str; 3] = ["running_mean", "running_var", "num_batches_tracked"];
/// Kind of the files of [`Parameters::write`].
const KIND: &str = "parameters";

/// The parameters and buffers of a network by name, sorted: variables of candle that its layers share.
///
/// Values are f32. A variable that a layer asked for in 16 bits is a copy of a *master* array in f32: optimisers change
/// the master, and the copy follows once a step. Initial values are functions of the seed and the name alone.
///
/// ```
/// use candle_core::Device;
/// use volkit_train::{Parameters, Precision};
///
/// let parameters = Parameters::new(7, &Device::Cpu);
/// let vb = parameters.builder(Precision::BF16);
/// let layer = candle_nn::linear(3, 2, vb.pp("head"))?;
/// assert_eq!(parameters.names(), ["head.bias", "head.weight"]);
/// assert_eq!(parameters.trained_values(), 8);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Parameters {
    store: Arc<Mutex<Store>>,
    device: Device,
}

struct Store {
    seed: u64,
    entries: BTreeMap<String, Entry>,
}

struct Entry {
    var: Var,
    /// In f32, where the variable has 16 bits.
    master: Option<Vec<f32>>,
    is_trained: bool,
}

impl std::fmt::Debug for Parameters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

impl Parameters {
    /// None yet: layers that take theirs from [`Parameters::builder`] add them.
    #[must_use]
    pub fn new(seed: u64, device: &Device) -> Self {
        Self { store: Arc::new(Mutex::new(Store { seed, entries: BTreeMap::new() })), device: device.clone() }
    }

    /// Those of a network that was made with a `VarMap`. Their variables stay in it.
    ///
    /// # Errors
    /// [`TrainError::State`] for a variable that holds integers or f64.
    pub fn from_varmap(map: &VarMap, device: &Device) -> Result<Self, TrainError> {
        let mut entries = BTreeMap::new();
        let vars = map.data().lock().unwrap_or_else(PoisonError::into_inner);
        for (name, var) in vars.iter() {
            let entry = Entry::new(name, var.clone(), None).map_err(|error| inner(name, error))?;
            entries.insert(name.clone(), entry);
        }
        Ok(Self { store: Arc::new(Mutex::new(Store { seed: 0, entries })), device: device.clone() })
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where layers take their parameters from, in the element type of `precision`. One that is asked for again is shared.
    #[must_use]
    pub fn builder(&self, precision: Precision) -> VarBuilder<'static> {
        VarBuilder::from_backend(Box::new(self.clone()), precision.dtype(), self.device.clone())
    }

    /// The device of all.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// All names, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.store().entries.keys().cloned().collect()
    }

    /// The variable that layers use.
    #[must_use]
    pub fn var(&self, name: &str) -> Option<Var> {
        self.store().entries.get(name).map(|entry| entry.var.clone())
    }

    /// Numbers that are trained.
    #[must_use]
    pub fn trained_values(&self) -> usize {
        self.trained().iter().map(|(_, var)| var.elem_count()).sum()
    }

    /// Excludes parameters whose names begin so from training (`trained` false) or includes them again; how many there are.
    /// Buffers are never trained.
    pub fn set_trained(&self, prefix: &str, trained: bool) -> usize {
        let mut store = self.store();
        let named = store.entries.iter_mut().filter(|(name, _)| name.starts_with(prefix) && !is_buffer(name));
        named.map(|(_, entry)| entry.is_trained = trained).count()
    }

    /// Values in f32, row-major.
    ///
    /// # Errors
    /// [`TrainError::State`] for a name that there is not.
    pub fn values(&self, name: &str) -> Result<Vec<f32>, TrainError> {
        let store = self.store();
        let entry = store.entries.get(name).ok_or_else(|| unknown(name))?;
        entry.values().map_err(|error| inner(name, error))
    }

    /// Sets values.
    ///
    /// # Errors
    /// [`TrainError::State`] for a name that there is not, or another number of values.
    pub fn set_values(&self, name: &str, values: &[f32]) -> Result<(), TrainError> {
        let mut store = self.store();
        let entry = store.entries.get_mut(name).ok_or_else(|| unknown(name))?;
        if entry.var.elem_count() != values.len() {
            let why = format!("{} values, expected {}", values.len(), entry.var.elem_count());
            return Err(TrainError::State { name: name.to_owned(), why });
        }
        entry.set(values).map_err(|error| inner(name, error))
    }

    /// Variables that are trained, sorted by name.
    pub(crate) fn trained(&self) -> Vec<(String, Var)> {
        let store = self.store();
        let trained = store.entries.iter().filter(|(_, entry)| entry.is_trained);
        trained.map(|(name, entry)| (name.clone(), entry.var.clone())).collect()
    }

    /// Puts all values into a checkpoint, under `prefix` and their names.
    pub(crate) fn save(&self, prefix: &str, checkpoint: &mut Checkpoint) -> Result<(), TrainError> {
        for (name, entry) in &self.store().entries {
            let values = entry.values().map_err(|error| inner(name, error))?;
            let array = CheckpointArray::F32 { shape: entry.var.dims().to_vec(), values };
            checkpoint.set_array(format!("{prefix}{name}"), array);
        }
        Ok(())
    }

    /// Takes all values out of a checkpoint; nothing is changed when one is missing or has another shape.
    pub(crate) fn load(&self, prefix: &str, checkpoint: &Checkpoint) -> Result<(), TrainError> {
        let wrong = |name: &str, why: String| TrainError::State { name: name.to_owned(), why };
        let mut store = self.store();
        let names: Vec<&str> = checkpoint.array_names().filter_map(|name| name.strip_prefix(prefix)).collect();
        if let Some(name) = names.iter().find(|name| !store.entries.contains_key(**name)) {
            return Err(wrong(name, "is in the checkpoint but not in the network".into()));
        }
        for (name, entry) in &store.entries {
            match checkpoint.array(&format!("{prefix}{name}")) {
                Some(CheckpointArray::F32 { shape, .. }) if shape == entry.var.dims() => {}
                Some(CheckpointArray::F32 { shape, .. }) => {
                    return Err(wrong(name, format!("has shape {shape:?}, the network's is {:?}", entry.var.dims())));
                }
                Some(_) => return Err(wrong(name, "is not of f32".into())),
                None => return Err(wrong(name, "is not in the checkpoint".into())),
            }
        }
        for (name, entry) in &mut store.entries {
            if let Some(CheckpointArray::F32 { values, .. }) = checkpoint.array(&format!("{prefix}{name}")) {
                entry.set(values).map_err(|error| inner(name, error))?;
            }
        }
        Ok(())
    }

    /// Writes all values, f32, to a safetensors file that any program can read; it is complete or not there.
    ///
    /// # Errors
    /// [`TrainError::Io`]; what was there before stays.
    pub fn write(&self, path: &Path) -> Result<(), TrainError> {
        let mut checkpoint = Checkpoint::new(KIND);
        self.save("", &mut checkpoint)?;
        checkpoint.write(path)
    }

    /// Reads a file of [`Parameters::write`].
    ///
    /// # Errors
    /// Those of [`Checkpoint::read`]; [`TrainError::State`] when a parameter is missing, not of this network, or has another
    /// shape. Nothing has changed then.
    pub fn read(&self, path: &Path) -> Result<(), TrainError> {
        self.load("", &Checkpoint::read(path, KIND)?)
    }
}

fn unknown(name: &str) -> TrainError {
    TrainError::State { name: name.to_owned(), why: "is no parameter of the network".into() }
}

fn inner(name: &str, error: candle_core::Error) -> TrainError {
    TrainError::inner(format!("parameter '{name}'"), error)
}

fn is_buffer(name: &str) -> bool {
    BUFFERS.contains(&name.rsplit('.').next().unwrap_or(name))
}

/// The values of a tensor in f32.
pub(crate) fn wide_values(tensor: &Tensor) -> CandleResult<Vec<f32>> {
    tensor.detach().to_dtype(DType::F32)?.flatten_all()?.to_vec1()
}

impl Entry {
    fn new(name: &str, var: Var, master: Option<Vec<f32>>) -> CandleResult<Self> {
        let master = match var.dtype() {
            DType::F32 => None,
            DType::F16 | DType::BF16 => Some(master.map_or_else(|| wide_values(&var), Ok)?),
            other => bail!("parameter '{name}' has type {other:?}, expected f32, f16 or bf16"),
        };
        Ok(Self { var, master, is_trained: !is_buffer(name) })
    }

    fn values(&self) -> CandleResult<Vec<f32>> {
        self.master.clone().map_or_else(|| wide_values(&self.var), Ok)
    }

    fn set(&mut self, values: &[f32]) -> CandleResult<()> {
        let tensor = Tensor::from_slice(values, self.var.shape(), self.var.device())?;
        self.var.set(&tensor.to_dtype(self.var.dtype())?)?;
        if let Some(master) = &mut self.master {
            master.copy_from_slice(values);
        }
        Ok(())
    }
}

impl SimpleBackend for Parameters {
    fn get(&self, shape: Shape, name: &str, init: Init, dtype: DType, device: &Device) -> CandleResult<Tensor> {
        let mut store = self.store();
        if let Some(entry) = store.entries.get(name) {
            if *entry.var.shape() != shape {
                bail!("parameter '{name}' is {:?}, a layer asks for {shape:?}", entry.var.shape());
            }
            return Ok(entry.var.as_tensor().clone());
        }
        let values = initial_values(&shape, init, &mut Random::new(store.seed ^ name_hash(name)));
        // Statistics are summed and kept in f32 whatever the layers work in.
        let dtype = if is_buffer(name) { DType::F32 } else { dtype };
        let var = Var::from_tensor(&Tensor::from_slice(&values, shape, device)?.to_dtype(dtype)?)?;
        let entry = Entry::new(name, var.clone(), Some(values))?;
        store.entries.insert(name.to_owned(), entry);
        Ok(var.into_inner())
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> CandleResult<Tensor> {
        match self.store().entries.get(name) {
            Some(entry) => Ok(entry.var.as_tensor().clone()),
            None => bail!("parameter '{name}' is not there, and has no shape to be made with"),
        }
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.store().entries.contains_key(name)
    }
}

/// FNV-1a.
fn name_hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn initial_values(shape: &Shape, init: Init, random: &mut Random) -> Vec<f32> {
    let n = shape.elem_count();
    match init {
        Init::Const(value) => vec![value as f32; n],
        Init::Uniform { lo, up } => (0..n).map(|_| random.range(lo, up) as f32).collect(),
        Init::Randn { mean, stdev } => {
            (0..n.div_ceil(2)).flat_map(|_| random.normal_pair()).take(n).map(|x| (mean + stdev * x) as f32).collect()
        }
        Init::Kaiming { dist, fan, non_linearity } => {
            let stdev = non_linearity.gain() / (fan.for_shape(shape) as f64).sqrt();
            let same = match dist {
                NormalOrUniform::Normal => Init::Randn { mean: 0.0, stdev },
                NormalOrUniform::Uniform => {
                    let bound = 3.0_f64.sqrt() * stdev;
                    Init::Uniform { lo: -bound, up: bound }
                }
            };
            initial_values(shape, same, random)
        }
    }
}
