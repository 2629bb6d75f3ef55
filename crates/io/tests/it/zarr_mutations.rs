//! Damaged metadata of Zarr stores and damaged chunks: errors, in time and within memory, never a panic.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};
use tempfile::TempDir;
use volkit_core::{DType, SilentProgress, Voxels};
use volkit_io::{
    BloscCodec, BloscShuffle, Limits, OmeImage, PyramidOptions, ReadOptions, ZarrArray, ZarrCodec, ZarrSpec,
    ZarrVersion, list_zarr, read_with, write_pyramid,
};

use crate::shared::{names_in, noise};

const LONGEST: Duration = Duration::from_secs(2);
/// Bytes that an array or a chunk may take.
const MOST_BYTES: u64 = 32 << 20;

fn limits() -> Limits {
    Limits::default().with_volume_bytes(MOST_BYTES).with_header_bytes(1 << 20)
}

/// Arrays of both versions, in shards and not, and images in several resolutions; one folder each.
fn write_stores(folder: &Path) {
    let values = noise(&[6, 5, 4], DType::I16, 3);
    let blosc = ZarrCodec::Blosc { codec: BloscCodec::Lz4, level: 5, shuffle: BloscShuffle::Bit };
    let zstd = ZarrCodec::Zstd { level: 1, checksum: true };
    let spec = ZarrSpec::new([4, 5, 6], DType::I16).with_chunk([2, 3, 3]);
    for (name, spec) in [
        ("gzip", spec.clone().with_codec(ZarrCodec::Gzip { level: 1 })),
        ("shards", spec.clone().with_codec(zstd).with_shard([4, 6, 6])),
        ("blosc", spec.clone().with_codec(blosc)),
        ("v2", spec.with_codec(blosc).with_version(ZarrVersion::V2)),
    ] {
        let array = ZarrArray::create(folder.join(name), &spec).unwrap();
        array.write_box(&[0; 3], &[4, 5, 6], values.voxels().view()).unwrap();
    }
    for (name, version) in [("ome4", ZarrVersion::V2), ("ome5", ZarrVersion::V3)] {
        let options = PyramidOptions::default().with_version(version).with_coarsest(4);
        write_pyramid(folder.join(name), &values, &options, &SilentProgress).unwrap();
    }
}

/// Every file below a folder, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = names_in(folder).into_iter().map(|name| folder.join(name));
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn is_metadata(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "zarr.json" || name.to_string_lossy().starts_with(".z"))
}

/// Pointers to every value of a document.
fn pointers(value: &Value, prefix: &str, out: &mut Vec<String>) {
    out.push(prefix.to_owned());
    match value {
        Value::Object(object) => object.iter().for_each(|(key, inner)| {
            pointers(inner, &format!("{prefix}/{}", key.replace('~', "~0").replace('/', "~1")), out);
        }),
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(index, inner)| pointers(inner, &format!("{prefix}/{index}"), out));
        }
        _ => {}
    }
}

/// What stands in place of a value: wrong types, and numbers at the ends of what is possible.
fn replacement() -> impl Strategy<Value = Value> {
    let numbers = vec![
        json!(0),
        json!(-1),
        json!(1),
        json!(3),
        json!(u32::MAX),
        json!(1_u64 << 60),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(0.5),
        json!(1e300),
    ];
    let texts = ["", "..", "/etc", "NaN", "0x7fc0", "bool", "float64", "gzip", "blosc", "sharding_indexed", "F", "big"];
    let words = texts.into_iter().map(Value::from).collect::<Vec<_>>();
    let leaf = prop_oneof![
        prop::sample::select(numbers),
        prop::sample::select(words),
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z_]{1,9}", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Reads a store with everything that would read it; what comes is an error or the values.
fn read_everything(store: &Path) -> Result<(), TestCaseError> {
    let start = Instant::now();
    let _ = OmeImage::read(store, &limits());
    let _ = list_zarr(store, &limits());
    if let Ok(array) = ZarrArray::open(store, &limits()) {
        let n = array.shape().iter().try_fold(1_usize, |product, n| product.checked_mul(*n));
        if let Some(n) = n.filter(|n| n.saturating_mul(array.dtype().size()) as u64 <= MOST_BYTES) {
            let mut values = Voxels::zeros(array.dtype(), n).unwrap();
            let _ = array.read_box(&vec![0; array.shape().len()], array.shape(), values.view_mut());
        }
    }
    if let Err(error) = read_with(store, &ReadOptions::new().with_limits(limits())) {
        prop_assert!(!error.to_string().is_empty());
    }
    prop_assert!(start.elapsed() < LONGEST, "{:?} for {}", start.elapsed(), store.display());
    Ok(())
}

/// Good stores of one test, whose files are damaged one at a time.
struct Good {
    folder: TempDir,
    files: Vec<(PathBuf, Vec<u8>)>,
}

impl Good {
    fn new(only_metadata: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_stores(folder.path());
        let paths = files(folder.path()).into_iter().filter(|path| !only_metadata || is_metadata(path));
        let files = paths.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect();
        Self { folder, files }
    }

    /// Reads the store of a file that has become `bytes`, then puts the good ones back.
    fn check(&self, (path, good): &(PathBuf, Vec<u8>), bytes: &[u8]) -> Result<(), TestCaseError> {
        let inner = path.strip_prefix(self.folder.path()).unwrap();
        std::fs::write(path, bytes).unwrap();
        let read = read_everything(&self.folder.path().join(inner.components().next().unwrap()));
        std::fs::write(path, good).unwrap();
        read
    }
}

static METADATA: LazyLock<Good> = LazyLock::new(|| Good::new(true));
static FILES: LazyLock<Good> = LazyLock::new(|| Good::new(false));

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn metadata_of_any_shape(
        which in any::<Index>(),
        changes in prop::collection::vec((any::<Index>(), replacement()), 1..4),
    ) {
        let file = which.get(&METADATA.files);
        let mut document: Value = serde_json::from_slice(&file.1).unwrap();
        for (at, new) in changes {
            let mut places = Vec::new();
            pointers(&document, "", &mut places);
            *document.pointer_mut(at.get::<String>(&places)).unwrap() = new;
        }
        METADATA.check(file, document.to_string().as_bytes())?;
    }

    #[test]
    fn bytes_of_any_file(
        which in any::<Index>(),
        damages in prop::collection::vec((any::<Index>(), any::<u8>()), 1..6),
        cut in prop::option::weighted(0.2, any::<Index>()),
    ) {
        let file = which.get(&FILES.files);
        let mut bytes = file.1.clone();
        for (at, new) in damages {
            let at = at.index(bytes.len());
            bytes[at] = new;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        FILES.check(file, &bytes)?;
    }
}
