//! `.zarray` and `.zattrs`: the metadata of version 2.

use std::path::Path;

use serde_json::{Map, Value, json};
use volkit_core::DType;
use zarrs::array::codec::BloscShuffleMode;

use super::blosc::Blosc;
use super::chain::{Body, Chain};
use super::element::{ElementType, fill_json, parse_fill};
use super::keys::KeyEncoding;
use super::metadata::{Fields, Metadata, ZarrVersion, read_object};
use super::stage::Stage;
use super::v3::{blosc_compressor, blosc_name};
use crate::{Endian, IoError, Limits};

pub(crate) fn read(folder: &Path, limits: &Limits) -> Result<Metadata, IoError> {
    let path = folder.join(".zarray");
    let mut metadata = parse(&path, &read_object(&path, limits)?)?;
    metadata.attributes = read_attributes(folder, limits)?;
    Ok(metadata)
}

/// The attributes of a group or array; none where there is no file of them.
pub(crate) fn read_attributes(folder: &Path, limits: &Limits) -> Result<Map<String, Value>, IoError> {
    let path = folder.join(".zattrs");
    if path.exists() { read_object(&path, limits) } else { Ok(Map::new()) }
}

fn parse(path: &Path, object: &Map<String, Value>) -> Result<Metadata, IoError> {
    let fields = Fields { path, object, prefix: "" };
    if fields.get("zarr_format")?.as_u64() != Some(2) {
        return Err(fields.bad("zarr_format", "must be 2"));
    }
    let dtype = fields.text("dtype").map_err(|_| fields.bad("dtype", "must be a simple type; records are not read"))?;
    let (element, endian) = ElementType::from_v2(dtype)
        .ok_or_else(|| fields.bad("dtype", "must be a boolean, an integer, a float or a complex number"))?;
    let fill = object.get("fill_value").unwrap_or(&Value::Null);
    let fill = parse_fill(fill, element, true).map_err(|why| fields.bad("fill_value", why))?;
    let shape = fields.sizes("shape", 0)?;
    let order = match fields.text_or("order", "C")? {
        "C" => None,
        "F" => Some((0..shape.len()).rev().collect()),
        _ => return Err(fields.bad("order", "must be C or F")),
    };
    let mut stages = Vec::new();
    if let Some(filters) = object.get("filters").filter(|filters| !filters.is_null()) {
        let filters = filters.as_array().ok_or_else(|| fields.bad("filters", "must be a list or null"))?;
        for (index, filter) in filters.iter().enumerate() {
            stages.push(parse_codec(&fields, filter, &format!("filters[{index}]."), (element, endian))?);
        }
    }
    if let Some(compressor) = object.get("compressor").filter(|compressor| !compressor.is_null()) {
        stages.push(parse_codec(&fields, compressor, "compressor.", (element, endian))?);
    }
    let separator = KeyEncoding::separator(fields.text_or("dimension_separator", ".")?)
        .ok_or_else(|| fields.bad("dimension_separator", "must be \".\" or \"/\""))?;
    Ok(Metadata {
        version: ZarrVersion::V2,
        chunk: fields.sizes("chunks", 1)?,
        element,
        fill,
        keys: KeyEncoding { prefixed: false, separator },
        chain: Chain { order, body: Body::Bytes(endian), stages },
        attributes: Map::new(),
        dimension_names: vec![None; shape.len()],
        shape,
    })
}

fn parse_codec(
    fields: &Fields<'_>,
    codec: &Value,
    prefix: &str,
    (element, endian): (ElementType, Endian),
) -> Result<Stage, IoError> {
    let object = codec.as_object().ok_or_else(|| fields.bad(prefix.trim_end_matches('.'), "must be objects"))?;
    let own = Fields { path: fields.path, object, prefix };
    let id = own.text("id")?;
    Ok(match id {
        "gzip" => Stage::Gzip { level: own.integer_or("level", 1, 0..=9)? as u32 },
        "zlib" => Stage::Zlib { level: own.integer_or("level", 1, 0..=9)? as u32 },
        "zstd" => Stage::Zstd {
            level: own.integer_or("level", 0, -131_072..=22)? as i32,
            checksum: own.object.get("checksum").and_then(Value::as_bool).unwrap_or(false),
        },
        "blosc" => {
            let shuffle = match own.integer_or("shuffle", 1, -1..=2)? {
                0 => BloscShuffleMode::NoShuffle,
                1 => BloscShuffleMode::Shuffle,
                2 => BloscShuffleMode::BitShuffle,
                _ if element.size() == 1 => BloscShuffleMode::BitShuffle,
                _ => BloscShuffleMode::Shuffle,
            };
            Stage::Blosc(Blosc {
                compressor: blosc_compressor(&own)?,
                level: own.integer_or("clevel", 5, 0..=9)? as u8,
                shuffle,
                type_size: element.size(),
                block_size: own.integer_or("blocksize", 0, 0..=i64::from(i32::MAX))? as usize,
            })
        }
        "lz4" => Stage::Lz4,
        "bz2" => Stage::Bz2,
        "crc32c" => Stage::Crc32c,
        "shuffle" => Stage::Shuffle { element_size: own.integer_or("elementsize", 4, 1..=255)? as usize },
        "delta" => parse_delta(&own, (element, endian))?,
        _ => {
            let what = format!(
                "the codec {id} is not known; known are gzip, zlib, zstd, blosc, lz4, bz2, crc32c, shuffle, delta"
            );
            return Err(IoError::unsupported(own.path, what));
        }
    })
}

fn parse_delta(own: &Fields<'_>, stored: (ElementType, Endian)) -> Result<Stage, IoError> {
    let dtype = own.text("dtype")?;
    let stored_as = own.text_or("astype", dtype)?;
    let known = ElementType::from_v2(dtype).filter(|known| *known == stored);
    let (element, endian) = known.ok_or_else(|| own.bad("dtype", "must be the type of the array"))?;
    if stored_as != dtype {
        return Err(own.bad("astype", "differences in another type are not supported"));
    }
    if !element.dtype.is_integer() && !matches!(element.dtype, DType::F32 | DType::F64) {
        return Err(own.bad("dtype", "must be an integer, f4 or f8"));
    }
    Ok(Stage::Delta { dtype: element.dtype, endian })
}

/// The `.zarray` of an array.
pub(crate) fn to_json(metadata: &Metadata) -> Map<String, Value> {
    let mut object = Map::new();
    let mut put = |name: &str, value: Value| drop(object.insert(name.to_owned(), value));
    let big = metadata.chain.body == Body::Bytes(Endian::Big);
    let dtype = metadata.element.v2_name().unwrap_or_default();
    put("zarr_format", json!(2));
    put("shape", json!(metadata.shape));
    put("chunks", json!(metadata.chunk));
    put("dtype", json!(if big { dtype.replace('<', ">") } else { dtype }));
    put("fill_value", fill_json(&metadata.fill, metadata.element));
    put("order", json!(if metadata.chain.order.is_some() { "F" } else { "C" }));
    put("dimension_separator", json!(metadata.keys.separator.to_string()));
    let (filters, compressor) = match metadata.chain.stages.split_last() {
        Some((last, filters)) if last.compresses() => (filters, codec_json(last)),
        _ => (metadata.chain.stages.as_slice(), Value::Null),
    };
    put("filters", if filters.is_empty() { Value::Null } else { filters.iter().map(codec_json).collect() });
    put("compressor", compressor);
    object
}

fn codec_json(stage: &Stage) -> Value {
    match stage {
        Stage::Gzip { level } => json!({"id": "gzip", "level": level}),
        Stage::Zlib { level } => json!({"id": "zlib", "level": level}),
        Stage::Zstd { level, checksum: false } => json!({"id": "zstd", "level": level}),
        Stage::Zstd { level, checksum: true } => json!({"id": "zstd", "level": level, "checksum": true}),
        Stage::Blosc(blosc) => json!({
            "id": "blosc",
            "cname": blosc_name(blosc.compressor),
            "clevel": blosc.level,
            "shuffle": match blosc.shuffle {
                BloscShuffleMode::NoShuffle => 0,
                BloscShuffleMode::Shuffle => 1,
                BloscShuffleMode::BitShuffle => 2,
            },
            "blocksize": blosc.block_size,
        }),
        Stage::Shuffle { element_size } => json!({"id": "shuffle", "elementsize": element_size}),
        other => json!({"id": other.name()}),
    }
}
