//! `zarr.json`: the metadata of version 3.

use std::path::Path;

use serde_json::{Map, Value, json};
use zarrs::array::codec::{BloscCompressor, BloscShuffleMode};

use super::blosc::Blosc;
use super::chain::{Body, Chain};
use super::element::{ElementType, fill_json, parse_fill};
use super::keys::KeyEncoding;
use super::metadata::{Fields, Metadata, ZarrVersion, read_object};
use super::sharding::Sharding;
use super::stage::{Size, Stage};
use crate::{Endian, IoError, Limits};

const MEMBERS: [&str; 11] = [
    "zarr_format",
    "node_type",
    "shape",
    "data_type",
    "chunk_grid",
    "chunk_key_encoding",
    "fill_value",
    "codecs",
    "attributes",
    "dimension_names",
    "storage_transformers",
];
/// Shards in shards in shards: no writer makes more.
const MOST_NESTED: usize = 4;

pub(crate) fn read(path: &Path, limits: &Limits) -> Result<Metadata, IoError> {
    let object = read_object(path, limits)?;
    parse(path, &object)
}

/// The metadata in a `zarr.json`.
pub(crate) fn parse(path: &Path, object: &Map<String, Value>) -> Result<Metadata, IoError> {
    let fields = Fields { path, object, prefix: "" };
    if fields.get("zarr_format")?.as_u64() != Some(3) {
        return Err(fields.bad("zarr_format", "must be 3"));
    }
    if fields.text("node_type")? != "array" {
        return Err(IoError::not_this_format(path, "a Zarr v3 group, not an array"));
    }
    for (name, member) in object.iter().filter(|(name, _)| !MEMBERS.contains(&name.as_str())) {
        if member.get("must_understand") != Some(&Value::Bool(false)) {
            return Err(fields.bad(name, "is an extension that this reader must understand and does not"));
        }
    }
    if object.contains_key("storage_transformers") && !fields.array("storage_transformers")?.is_empty() {
        return Err(fields.bad("storage_transformers", "none is supported"));
    }
    let data_type = match fields.get("data_type")? {
        Value::String(name) => name.as_str(),
        Value::Object(extension) => extension.get("name").and_then(Value::as_str).unwrap_or("?"),
        _ => return Err(fields.bad("data_type", "must be a name")),
    };
    let element = ElementType::from_v3(data_type)
        .ok_or_else(|| fields.bad("data_type", "must be bool, an integer, a float or a complex number"))?;
    let fill = parse_fill(fields.get("fill_value")?, element, false).map_err(|why| fields.bad("fill_value", why))?;
    let shape = fields.sizes("shape", 0)?;
    let grid = extension(&fields, "chunk_grid", "regular")?;
    let chunk = Fields { prefix: "chunk_grid.configuration.", object: &grid, ..fields }.sizes("chunk_shape", 1)?;
    if chunk.len() != shape.len() {
        let why = format!("chunk_shape has {} axes, the shape {shape:?} has {}", chunk.len(), shape.len());
        return Err(fields.bad("chunk_grid", why));
    }
    let chain = parse_chain(&fields, fields.array("codecs")?, (&chunk, element), 0)?;
    Ok(Metadata {
        version: ZarrVersion::V3,
        keys: parse_keys(&fields)?,
        dimension_names: parse_names(&fields, shape.len())?,
        attributes: if object.contains_key("attributes") { fields.child("attributes")?.clone() } else { Map::new() },
        shape,
        chunk,
        element,
        fill,
        chain,
    })
}

/// The configuration of an extension point that must have this name.
fn extension(fields: &Fields<'_>, field: &str, name: &str) -> Result<Map<String, Value>, IoError> {
    let object = fields.child(field)?;
    if object.get("name").and_then(Value::as_str) != Some(name) {
        return Err(fields.bad(field, format!("only {name} is supported")));
    }
    Ok(object.get("configuration").and_then(Value::as_object).cloned().unwrap_or_default())
}

fn parse_keys(fields: &Fields<'_>) -> Result<KeyEncoding, IoError> {
    let object = fields.child("chunk_key_encoding")?;
    let (prefixed, default) = match object.get("name").and_then(Value::as_str) {
        Some("default") => (true, "/"),
        Some("v2") => (false, "."),
        _ => return Err(fields.bad("chunk_key_encoding", "must be default or v2")),
    };
    let separator = object.get("configuration").and_then(|configuration| configuration.get("separator"));
    let separator = separator.map_or(Some(default), Value::as_str).and_then(KeyEncoding::separator);
    let separator =
        separator.ok_or_else(|| fields.bad("chunk_key_encoding", "the separator must be \"/\" or \".\""))?;
    Ok(KeyEncoding { prefixed, separator })
}

fn parse_names(fields: &Fields<'_>, n_axes: usize) -> Result<Vec<Option<String>>, IoError> {
    if fields.object.get("dimension_names").is_none_or(Value::is_null) {
        return Ok(vec![None; n_axes]);
    }
    let names = fields.array("dimension_names")?;
    if names.len() != n_axes || names.iter().any(|name| !name.is_null() && !name.is_string()) {
        return Err(fields.bad("dimension_names", format!("must be {n_axes} names or nulls")));
    }
    Ok(names.iter().map(|name| name.as_str().map(str::to_owned)).collect())
}

fn parse_chain(
    fields: &Fields<'_>,
    codecs: &[Value],
    (chunk, element): (&[usize], ElementType),
    depth: usize,
) -> Result<Chain, IoError> {
    let mut order: Option<Vec<usize>> = None;
    let mut body = None;
    let mut stages = Vec::new();
    for (index, codec) in codecs.iter().enumerate() {
        let empty = Map::new();
        let name = codec.as_str().or_else(|| codec.get("name").and_then(Value::as_str));
        let name = name.ok_or_else(|| fields.bad("codecs", format!("codec {index} has no name")))?;
        let configuration = codec.get("configuration").and_then(Value::as_object).unwrap_or(&empty);
        let prefix = format!("{}codecs[{index}] ({name}).", fields.prefix);
        let own = Fields { path: fields.path, object: configuration, prefix: &prefix };
        let misplaced = || own.bad("name", "stands on the wrong side of the codec that makes bytes of the array");
        match (name, body.is_some()) {
            ("transpose", false) => {
                let next = parse_order(&own, chunk.len())?;
                order = Some(match order {
                    Some(before) => next.iter().map(|&axis| before[axis]).collect(),
                    None => next,
                });
            }
            ("bytes", false) => {
                let endian = match own.text_or("endian", "little")? {
                    "little" => Endian::Little,
                    "big" => Endian::Big,
                    _ => return Err(own.bad("endian", "must be little or big")),
                };
                body = Some(Body::Bytes(endian));
            }
            ("sharding_indexed", false) => {
                let turned: Vec<usize> =
                    order.as_ref().map_or_else(|| chunk.to_vec(), |order| order.iter().map(|&a| chunk[a]).collect());
                body = Some(Body::Shards(Box::new(parse_sharding(&own, &turned, element, depth + 1)?)));
            }
            ("transpose" | "bytes" | "sharding_indexed", true) => return Err(misplaced()),
            (_, true) => stages.push(parse_stage(&own, name, element)?),
            (_, false) => {
                parse_stage(&own, name, element)?;
                return Err(misplaced());
            }
        }
    }
    let body = body.ok_or_else(|| fields.bad("codecs", "must hold bytes or sharding_indexed"))?;
    Ok(Chain { order, body, stages })
}

fn parse_order(own: &Fields<'_>, n_axes: usize) -> Result<Vec<usize>, IoError> {
    let order = match own.get("order")? {
        // Early drafts of version 3 named two orders.
        Value::String(name) if name == "C" => (0..n_axes).collect(),
        Value::String(name) if name == "F" => (0..n_axes).rev().collect(),
        _ => own.sizes("order", 0)?,
    };
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if !sorted.into_iter().eq(0..n_axes) {
        return Err(own.bad("order", format!("must be a permutation of {n_axes} axes")));
    }
    Ok(order)
}

fn parse_sharding(own: &Fields<'_>, chunk: &[usize], element: ElementType, depth: usize) -> Result<Sharding, IoError> {
    if depth > MOST_NESTED {
        return Err(own.bad("codecs", format!("more than {MOST_NESTED} shards in each other")));
    }
    let inner_shape = own.sizes("chunk_shape", 1)?;
    let divides = inner_shape.len() == chunk.len() && chunk.iter().zip(&inner_shape).all(|(n, inner)| n % inner == 0);
    if !divides {
        return Err(own.bad("chunk_shape", format!("must divide the shape {chunk:?} of the shard")));
    }
    let inner = parse_chain(own, own.array("codecs")?, (&inner_shape, element), depth)?;
    let index_element = ElementType { dtype: volkit_core::DType::U64, is_bool: false };
    let index = parse_chain(own, own.array("index_codecs")?, (&[1], index_element), MOST_NESTED)?;
    let fixed = |stage: &Stage| matches!(stage.encoded_size(Size::Exactly(16)), Size::Exactly(_));
    let (Body::Bytes(index_endian), true, true) = (&index.body, index.order.is_none(), index.stages.iter().all(fixed))
    else {
        return Err(own.bad("index_codecs", "must be bytes, then codecs of fixed size"));
    };
    let index_at_start = match own.text_or("index_location", "end")? {
        "end" => false,
        "start" => true,
        _ => return Err(own.bad("index_location", "must be start or end")),
    };
    Ok(Sharding { inner_shape, inner, index_endian: *index_endian, index_stages: index.stages, index_at_start })
}

fn parse_stage(own: &Fields<'_>, name: &str, element: ElementType) -> Result<Stage, IoError> {
    Ok(match name {
        "gzip" => Stage::Gzip { level: own.integer_or("level", 6, 0..=9)? as u32 },
        "zlib" | "numcodecs.zlib" => Stage::Zlib { level: own.integer_or("level", 1, 0..=9)? as u32 },
        "zstd" => Stage::Zstd {
            level: own.integer_or("level", 0, -131_072..=22)? as i32,
            checksum: own.object.get("checksum").and_then(Value::as_bool).unwrap_or(false),
        },
        "blosc" => Stage::Blosc(parse_blosc(own, element)?),
        "crc32c" => Stage::Crc32c,
        "bz2" | "numcodecs.bz2" => Stage::Bz2,
        "numcodecs.lz4" => Stage::Lz4,
        "numcodecs.shuffle" => Stage::Shuffle { element_size: own.integer_or("elementsize", 4, 1..=255)? as usize },
        _ => {
            let what = format!(
                "the codec {name} is not known; known are transpose, bytes, sharding_indexed, gzip, zlib, zstd, blosc, \
                 crc32c, bz2, numcodecs.lz4, numcodecs.shuffle"
            );
            return Err(IoError::unsupported(own.path, what));
        }
    })
}

fn parse_blosc(own: &Fields<'_>, element: ElementType) -> Result<Blosc, IoError> {
    let shuffle = match own.text_or("shuffle", "noshuffle")? {
        "noshuffle" => BloscShuffleMode::NoShuffle,
        "shuffle" => BloscShuffleMode::Shuffle,
        "bitshuffle" => BloscShuffleMode::BitShuffle,
        _ => return Err(own.bad("shuffle", "must be noshuffle, shuffle or bitshuffle")),
    };
    Ok(Blosc {
        compressor: blosc_compressor(own)?,
        level: own.integer_or("clevel", 5, 0..=9)? as u8,
        shuffle,
        type_size: own.integer_or("typesize", element.size() as i64, 1..=255)? as usize,
        block_size: own.integer_or("blocksize", 0, 0..=i64::from(i32::MAX))? as usize,
    })
}

pub(crate) fn blosc_compressor(own: &Fields<'_>) -> Result<BloscCompressor, IoError> {
    Ok(match own.text_or("cname", "lz4")? {
        "blosclz" => BloscCompressor::BloscLZ,
        "lz4" => BloscCompressor::LZ4,
        "lz4hc" => BloscCompressor::LZ4HC,
        "snappy" => BloscCompressor::Snappy,
        "zlib" => BloscCompressor::Zlib,
        "zstd" => BloscCompressor::Zstd,
        _ => return Err(own.bad("cname", "must be blosclz, lz4, lz4hc, snappy, zlib or zstd")),
    })
}

pub(crate) fn blosc_name(compressor: BloscCompressor) -> &'static str {
    match compressor {
        BloscCompressor::BloscLZ => "blosclz",
        BloscCompressor::LZ4 => "lz4",
        BloscCompressor::LZ4HC => "lz4hc",
        BloscCompressor::Snappy => "snappy",
        BloscCompressor::Zlib => "zlib",
        _ => "zstd",
    }
}

/// The `zarr.json` of an array.
pub(crate) fn to_json(metadata: &Metadata) -> Map<String, Value> {
    let mut object = Map::new();
    let mut put = |name: &str, value: Value| drop(object.insert(name.to_owned(), value));
    put("zarr_format", json!(3));
    put("node_type", json!("array"));
    put("shape", json!(metadata.shape));
    put("data_type", json!(metadata.element.v3_name()));
    put("chunk_grid", json!({"name": "regular", "configuration": {"chunk_shape": metadata.chunk}}));
    let keys = if metadata.keys.prefixed { "default" } else { "v2" };
    let separator = metadata.keys.separator.to_string();
    put("chunk_key_encoding", json!({"name": keys, "configuration": {"separator": separator}}));
    put("fill_value", fill_json(&metadata.fill, metadata.element));
    put("codecs", chain_json(&metadata.chain, metadata.element));
    put("attributes", Value::Object(metadata.attributes.clone()));
    if metadata.dimension_names.iter().any(Option::is_some) {
        put("dimension_names", json!(metadata.dimension_names));
    }
    object
}

fn chain_json(chain: &Chain, element: ElementType) -> Value {
    let mut codecs = Vec::new();
    if let Some(order) = &chain.order {
        codecs.push(json!({"name": "transpose", "configuration": {"order": order}}));
    }
    match &chain.body {
        Body::Bytes(_) if element.size() == 1 => codecs.push(json!({"name": "bytes"})),
        Body::Bytes(endian) => codecs.push(bytes_json(*endian)),
        Body::Shards(sharding) => {
            let index = std::iter::once(bytes_json(sharding.index_endian));
            let index: Vec<Value> = index.chain(sharding.index_stages.iter().map(stage_json)).collect();
            codecs.push(json!({"name": "sharding_indexed", "configuration": {
                "chunk_shape": sharding.inner_shape,
                "codecs": chain_json(&sharding.inner, element),
                "index_codecs": index,
                "index_location": if sharding.index_at_start { "start" } else { "end" },
            }}));
        }
    }
    codecs.extend(chain.stages.iter().map(stage_json));
    Value::Array(codecs)
}

fn bytes_json(endian: Endian) -> Value {
    let endian = if endian == Endian::Little { "little" } else { "big" };
    json!({"name": "bytes", "configuration": {"endian": endian}})
}

fn stage_json(stage: &Stage) -> Value {
    let (name, configuration) = match stage {
        Stage::Gzip { level } => ("gzip", json!({"level": level})),
        Stage::Zlib { level } => ("numcodecs.zlib", json!({"level": level})),
        Stage::Zstd { level, checksum } => ("zstd", json!({"level": level, "checksum": checksum})),
        Stage::Blosc(blosc) => (
            "blosc",
            json!({
                "cname": blosc_name(blosc.compressor),
                "clevel": blosc.level,
                "shuffle": match blosc.shuffle {
                    BloscShuffleMode::NoShuffle => "noshuffle",
                    BloscShuffleMode::Shuffle => "shuffle",
                    BloscShuffleMode::BitShuffle => "bitshuffle",
                },
                "typesize": blosc.type_size,
                "blocksize": blosc.block_size,
            }),
        ),
        Stage::Crc32c => return json!({"name": "crc32c"}),
        Stage::Shuffle { element_size } => ("numcodecs.shuffle", json!({"elementsize": element_size})),
        Stage::Delta { .. } => ("numcodecs.delta", json!({})),
        Stage::Lz4 => ("numcodecs.lz4", json!({})),
        Stage::Bz2 => ("numcodecs.bz2", json!({})),
    };
    json!({"name": name, "configuration": configuration})
}
