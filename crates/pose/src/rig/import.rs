//! Calibrations from arrays and JSON.

use serde::{Deserialize, Serialize};
use volkit_core::{Array, ArrayStore, CoreError, MemoryStore};

use super::{Distortion, Rig, RigCamera};
use crate::PoseError;

/// Shape and values of an array.
type Numbers = (Vec<usize>, Vec<f64>);

/// Group of the arrays.
const GROUP: &str = "camera_parameters";

/// A calibration as JSON: `{"cameras": [{"rotation": .., "translation": .., "intrinsic": ..}, ..]}`.
#[derive(Debug, Serialize, Deserialize)]
struct Document {
    cameras: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    rotation: [[f64; 3]; 3],
    translation: [f64; 3],
    intrinsic: [[f64; 3]; 3],
    #[serde(default, skip_serializing_if = "Option::is_none")]
    radial_distortion: Option<Vec<f64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tangential_distortion: Option<[f64; 2]>,
}

impl Rig {
    /// From arrays `camera_parameters/rotation` `[C, 3, 3]`, `translation` `[C, 3]` and `intrinsic` `[C, 3, 3]`, and, where
    /// they are there, `radial_distortion` `[C, 2 or 3]` and `tangential_distortion` `[C, 2]`: the layout of the published
    /// program's HDF5 file. `what` names the store in errors.
    ///
    /// # Errors
    /// [`PoseError::Read`] for a missing array, [`PoseError::Input`] for one of another shape or that is no camera.
    pub fn from_store(store: &dyn ArrayStore, what: &str) -> Result<Self, PoseError> {
        let rotation = numbers(store, what, "rotation")?;
        let n = rotation.0.first().copied().unwrap_or(0);
        check_shape(what, "rotation", &rotation.0, &[n, 3, 3])?;
        let translation = shaped(store, what, "translation", &[n, 3])?;
        let intrinsic = shaped(store, what, "intrinsic", &[n, 3, 3])?;
        let radial = optional(store, what, "radial_distortion")?;
        let tangential = optional(store, what, "tangential_distortion")?;
        for (name, array, most) in [("radial_distortion", &radial, 3), ("tangential_distortion", &tangential, 2)] {
            if let Some((shape, _)) = array
                && !(shape.len() == 2 && shape[0] == n && (2..=most).contains(&shape[1]))
            {
                return Err(PoseError::input(what, name, format!("{shape:?}"), "[C, 2] or, radial, [C, 3]"));
            }
        }
        let cameras = (0..n).map(|i| {
            let row = |array: &Option<Numbers>| {
                array.as_ref().map_or(Vec::new(), |(shape, v)| v[i * shape[1]..(i + 1) * shape[1]].to_vec())
            };
            RigCamera {
                rotation: matrix(&rotation.1[9 * i..]),
                translation: [translation[3 * i], translation[3 * i + 1], translation[3 * i + 2]],
                intrinsic: matrix(&intrinsic[9 * i..]),
                distortion: lens(&row(&radial), &row(&tangential)),
            }
        });
        Self::new(cameras.collect(), what)
    }

    /// The arrays that [`Rig::from_store`] reads.
    ///
    /// # Errors
    /// None for a rig that was made by [`Rig::new`].
    pub fn to_store(&self) -> Result<MemoryStore, CoreError> {
        let mut store = MemoryStore::new();
        let cameras = self.cameras();
        let mut insert = |name: &str, row: &[usize], values: Vec<f64>| {
            let shape: Vec<usize> = [self.len()].iter().chain(row).copied().collect();
            store.insert(format!("{GROUP}/{name}"), Array::new(shape, values)?);
            Ok::<_, CoreError>(())
        };
        insert("rotation", &[3, 3], cameras.iter().flat_map(|c| c.rotation.as_flattened().to_vec()).collect())?;
        insert("translation", &[3], cameras.iter().flat_map(|c| c.translation).collect())?;
        insert("intrinsic", &[3, 3], cameras.iter().flat_map(|c| c.intrinsic.as_flattened().to_vec()).collect())?;
        if cameras.iter().any(|camera| camera.distortion.is_some()) {
            let lenses = || cameras.iter().map(|camera| camera.distortion.unwrap_or_default());
            insert("radial_distortion", &[3], lenses().flat_map(|lens| lens.radial).collect())?;
            insert("tangential_distortion", &[2], lenses().flat_map(|lens| lens.tangential).collect())?;
        }
        Ok(store)
    }

    /// From JSON: `{"cameras": [{"rotation": [[..]; 3], "translation": [x, y, z], "intrinsic": [[..]; 3],
    /// "radial_distortion": [k1, k2, k3], "tangential_distortion": [p1, p2]}, ..]}`, the last two where there is a lens.
    ///
    /// # Errors
    /// [`PoseError::Read`] for text of another form, [`PoseError::Input`] for numbers that are no camera.
    pub fn from_json(text: &str, what: &str) -> Result<Self, PoseError> {
        let document: Document = serde_json::from_str(text).map_err(|error| PoseError::read(what, error))?;
        let camera = |entry: Entry| RigCamera {
            rotation: entry.rotation,
            translation: entry.translation,
            intrinsic: entry.intrinsic,
            distortion: lens(
                &entry.radial_distortion.unwrap_or_default(),
                &entry.tangential_distortion.map_or(Vec::new(), Vec::from),
            ),
        };
        Self::new(document.cameras.into_iter().map(camera).collect(), what)
    }
}

pub(super) fn lens(radial: &[f64], tangential: &[f64]) -> Option<Distortion> {
    let at = |values: &[f64], k: usize| values.get(k).copied().unwrap_or(0.0);
    let lens = Distortion { radial: [0, 1, 2].map(|k| at(radial, k)), tangential: [0, 1].map(|k| at(tangential, k)) };
    (lens != Distortion::default()).then_some(lens)
}

fn matrix(values: &[f64]) -> [[f64; 3]; 3] {
    std::array::from_fn(|r| std::array::from_fn(|c| values[3 * r + c]))
}

fn numbers(store: &dyn ArrayStore, what: &str, name: &str) -> Result<Numbers, PoseError> {
    let failed = |source| PoseError::read(format!("{what}, {GROUP}/{name}"), source);
    let array = store.get(&format!("{GROUP}/{name}")).map_err(failed)?;
    let values = array.to_real::<f64>().map_err(|error| failed(error.into()))?;
    Ok((array.shape().to_vec(), values))
}

fn optional(store: &dyn ArrayStore, what: &str, name: &str) -> Result<Option<Numbers>, PoseError> {
    let is_there = store.names().contains(&format!("{GROUP}/{name}"));
    is_there.then(|| numbers(store, what, name)).transpose()
}

fn shaped(store: &dyn ArrayStore, what: &str, name: &str, shape: &[usize]) -> Result<Vec<f64>, PoseError> {
    let (found, values) = numbers(store, what, name)?;
    check_shape(what, name, &found, shape)?;
    Ok(values)
}

fn check_shape(what: &str, name: &str, found: &[usize], wanted: &[usize]) -> Result<(), PoseError> {
    if found == wanted {
        return Ok(());
    }
    let why = "rotation [C, 3, 3], translation [C, 3], intrinsic [C, 3, 3] for the same C";
    Err(PoseError::input(what, &format!("{GROUP}/{name}"), format!("shape {found:?}"), why))
}
