//! OME-Zarr 0.4 and 0.5: images in several resolutions.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use volkit_core::{Affine, VolumeMeta};

use super::array::ZarrArray;
use super::group::root_attributes;
use super::metadata::{Fields, ZarrVersion, inner_path};
use super::source::{AFFINE, ZarrSource, voxel_shape};
use crate::{IoError, Limits, ReadOptions, SpaceUnit, Units};

/// An axis of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OmeAxis {
    /// Name: `t`, `c`, `z`, `y`, `x`.
    pub name: String,
    /// `time`, `channel`, `space`, or what the file says; empty where it says nothing.
    pub kind: String,
    /// Unit: `micrometer`, `second`, ...; empty where the file names none.
    pub unit: String,
}

/// One resolution of an image.
#[derive(Clone, Debug, PartialEq)]
pub struct OmeLevel {
    /// Path of its array in the image's group.
    pub path: String,
    /// World step along each axis, axes as in [`OmeImage::axes`], those of the whole image applied.
    pub scale: Vec<f64>,
    /// World position of the first element.
    pub translation: Vec<f64>,
}

/// An image in several resolutions, finest first.
#[derive(Clone, Debug, PartialEq)]
pub struct OmeImage {
    folder: PathBuf,
    /// `0.4` or `0.5`.
    pub version: String,
    /// Name; empty where it has none.
    pub name: String,
    /// Axes of the arrays, row-major.
    pub axes: Vec<OmeAxis>,
    /// Resolutions.
    pub levels: Vec<OmeLevel>,
}

impl OmeImage {
    /// The images of a group; none where it has no `multiscales`.
    ///
    /// # Errors
    /// When the group can not be read, or its metadata are not what the specification asks for.
    pub fn read(folder: impl AsRef<Path>, limits: &Limits) -> Result<Vec<Self>, IoError> {
        let folder = folder.as_ref();
        let attributes = root_attributes(folder, limits)?;
        let is_v3 = folder.join("zarr.json").is_file();
        let path = folder.join(if is_v3 { "zarr.json" } else { ".zattrs" });
        let (object, prefix, version) = match attributes.get("ome").and_then(Value::as_object) {
            Some(ome) => {
                let own = Fields { path: &path, object: ome, prefix: "attributes.ome." };
                let version = own.text("version")?;
                if !version.starts_with("0.5") {
                    return Err(own.bad("version", "must be 0.5"));
                }
                (ome, "attributes.ome.", version.to_owned())
            }
            None => (&attributes, "", "0.4".to_owned()),
        };
        if !object.contains_key("multiscales") {
            return Ok(Vec::new());
        }
        let fields = Fields { path: &path, object, prefix };
        let images = fields.array("multiscales")?.iter().enumerate();
        images
            .map(|(index, image)| {
                let prefix = format!("{prefix}multiscales[{index}].");
                let object = image.as_object().ok_or_else(|| fields.bad("multiscales", "must be objects"))?;
                Self::parse(folder, &Fields { path: &path, object, prefix: &prefix }, &version)
            })
            .collect()
    }

    fn parse(folder: &Path, fields: &Fields<'_>, version: &str) -> Result<Self, IoError> {
        let version = fields.text_or("version", version)?;
        if !version.starts_with("0.4") && !version.starts_with("0.5") {
            return Err(fields.bad("version", "must be 0.4 or 0.5"));
        }
        let text = |axis: &Value, field: &str| axis.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let axis =
            |axis: &Value| OmeAxis { name: text(axis, "name"), kind: text(axis, "type"), unit: text(axis, "unit") };
        let axes: Vec<OmeAxis> = fields.array("axes")?.iter().map(axis).collect();
        let rank = |axis: &OmeAxis| match axis.kind.as_str() {
            "time" => 0,
            "space" => 2,
            _ => 1,
        };
        let n_space = axes.iter().filter(|axis| rank(axis) == 2).count();
        if !axes.is_sorted_by_key(rank) || !(2..=3).contains(&n_space) {
            return Err(fields.bad("axes", "must be time, then channel, then two or three of space"));
        }
        let whole = transforms(fields, axes.len())?;
        let data_sets = fields.array("datasets")?;
        if data_sets.is_empty() {
            return Err(fields.bad("datasets", "must hold one level at least"));
        }
        let levels = data_sets.iter().enumerate().map(|(index, level)| {
            let prefix = format!("{}datasets[{index}].", fields.prefix);
            let object = level.as_object().ok_or_else(|| fields.bad("datasets", "must be objects"))?;
            let own = Fields { path: fields.path, object, prefix: &prefix };
            let path = own.text("path")?;
            if inner_path(folder, path).is_none() || path.is_empty() {
                return Err(own.bad("path", "must stay inside the group"));
            }
            let Some((scale, translation)) = transforms(&own, axes.len())? else {
                return Err(own.bad("coordinateTransformations", "must begin with one scale"));
            };
            let (whole_scale, whole_translation) = whole.as_ref().map_or((None, None), |(s, t)| (Some(s), Some(t)));
            let by = |axis: usize| whole_scale.map_or(1.0, |scale| scale[axis]);
            let plus = |axis: usize| whole_translation.map_or(0.0, |translation| translation[axis]);
            Ok(OmeLevel {
                path: path.to_owned(),
                scale: (0..axes.len()).map(|axis| scale[axis] * by(axis)).collect(),
                translation: (0..axes.len()).map(|axis| translation[axis] * by(axis) + plus(axis)).collect(),
            })
        });
        Ok(Self {
            folder: folder.to_owned(),
            version: version.to_owned(),
            name: fields.text_or("name", "")?.to_owned(),
            levels: levels.collect::<Result<_, _>>()?,
            axes,
        })
    }

    /// Opens a resolution as a volume whose affine is that of the level, in the unit of the axes.
    ///
    /// # Errors
    /// When there is no such level, its array can not be read, or has other axes than the image.
    pub fn open_level(&self, level: usize, options: &ReadOptions) -> Result<ZarrSource, IoError> {
        let Some(level) = self.levels.get(level) else {
            let what = format!("there is no level {level}; the image has {}", self.levels.len());
            return Err(IoError::unsupported(&self.folder, what));
        };
        let outside = || IoError::bad_header(&self.folder, "path", &level.path, "must stay inside the group");
        let array = ZarrArray::open(inner_path(&self.folder, &level.path).ok_or_else(outside)?, &options.limits)?;
        if array.shape().len() != self.axes.len() {
            let why = format!("the image has {} axes", self.axes.len());
            return Err(IoError::bad_header(array.folder(), "shape", format!("{:?}", array.shape()), why));
        }
        if array.attributes().contains_key(AFFINE) {
            return ZarrSource::new(array, options);
        }
        let meta = self.meta(level, &array)?;
        ZarrSource::with_meta(array, meta, options)
    }

    fn meta(&self, level: &OmeLevel, array: &ZarrArray) -> Result<VolumeMeta, IoError> {
        let core = |error| IoError::core(array.folder(), error);
        let n_space = self.axes.iter().filter(|axis| axis.kind == "space").count();
        let spacing: Vec<f64> = level.scale.iter().rev().copied().collect();
        let origin: Vec<f64> = level.translation.iter().rev().copied().collect();
        let step = |axis: usize| if axis < n_space { spacing[axis] } else { 1.0 };
        let place = |axis: usize| if axis < n_space { origin[axis] } else { 0.0 };
        let affine = Affine::from_scale([step(0), step(1), step(2)]).with_translation([place(0), place(1), place(2)]);
        let meta = VolumeMeta::new(voxel_shape(array), array.dtype(), affine).map_err(core)?;
        meta.with_spacing(spacing).map_err(core)
    }

    /// Units of the affines of its levels.
    #[must_use]
    pub fn units(&self) -> Units {
        let space = match self.axes.last().map(|axis| axis.unit.as_str()) {
            Some("meter") => SpaceUnit::Metre,
            Some("millimeter") => SpaceUnit::Millimetre,
            Some("micrometer") => SpaceUnit::Micron,
            _ => SpaceUnit::Unknown,
        };
        Units { space, ..Units::default() }
    }
}

/// Scale and translation, a number an axis.
type ScaleShift = (Vec<f64>, Vec<f64>);

/// Scale and translation of a list of transformations; none where there is no list.
fn transforms(fields: &Fields<'_>, n_axes: usize) -> Result<Option<ScaleShift>, IoError> {
    const FIELD: &str = "coordinateTransformations";
    if !fields.object.contains_key(FIELD) {
        return Ok(None);
    }
    let numbers = |value: Option<&Value>| -> Option<Vec<f64>> {
        let numbers: Option<Vec<f64>> = value?.as_array()?.iter().map(Value::as_f64).collect();
        numbers.filter(|numbers| numbers.len() == n_axes && numbers.iter().all(|x| x.is_finite()))
    };
    let list = fields.array(FIELD)?;
    let wrong = || fields.bad(FIELD, format!("must be one scale, then at most one translation, of {n_axes} numbers"));
    let kind = |transform: &Value| transform.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    match list {
        [first] if kind(first) == "scale" => {
            Ok(Some((numbers(first.get("scale")).ok_or_else(wrong)?, vec![0.0; n_axes])))
        }
        [first, second] if kind(first) == "scale" && kind(second) == "translation" => {
            let scale = numbers(first.get("scale")).ok_or_else(wrong)?;
            Ok(Some((scale, numbers(second.get("translation")).ok_or_else(wrong)?)))
        }
        _ => Err(wrong()),
    }
}

/// The attributes of the group of an image.
pub(super) fn to_attributes(image: &OmeImage, version: ZarrVersion) -> Map<String, Value> {
    let axes: Vec<Value> = image
        .axes
        .iter()
        .map(|axis| {
            let mut object = Map::from_iter([("name".to_owned(), json!(axis.name))]);
            for (field, text) in [("type", &axis.kind), ("unit", &axis.unit)] {
                if !text.is_empty() {
                    object.insert(field.to_owned(), json!(text));
                }
            }
            Value::Object(object)
        })
        .collect();
    let levels: Vec<Value> = image
        .levels
        .iter()
        .map(|level| {
            json!({"path": level.path, "coordinateTransformations": [
                {"type": "scale", "scale": level.scale},
                {"type": "translation", "translation": level.translation},
            ]})
        })
        .collect();
    let mut multiscale = json!({"name": image.name, "axes": axes, "datasets": levels});
    if version == ZarrVersion::V2 {
        multiscale["version"] = json!("0.4");
        return Map::from_iter([("multiscales".to_owned(), json!([multiscale]))]);
    }
    Map::from_iter([("ome".to_owned(), json!({"version": "0.5", "multiscales": [multiscale]}))])
}

pub(super) fn new_image(folder: &Path, name: &str, axes: Vec<OmeAxis>, version: ZarrVersion) -> OmeImage {
    let version = if version == ZarrVersion::V2 { "0.4" } else { "0.5" };
    OmeImage { folder: folder.to_owned(), version: version.to_owned(), name: name.to_owned(), axes, levels: Vec::new() }
}
