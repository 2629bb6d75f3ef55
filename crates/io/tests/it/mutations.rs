//! Damaged and random bytes for every parser of headers and metadata: errors, in time and within memory, never a panic.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::sample::Index;
use volkit_core::{Affine, Array, ArrayStore as _, DType, Volume};
use volkit_io::{
    ColorEntry, Header, Image, IoError, Limits, MghHeader, NiftiVersion, ReadOptions, SafetensorsStore, WriteOptions,
    read_with, write, write_safetensors,
};

use crate::shared::noise;

const LONGEST: Duration = Duration::from_secs(2);
/// Bytes that a volume, array or chunk may take.
const MOST_BYTES: u64 = 32 << 20;
/// Set in the process whose address space is limited.
const LIMITED: &str = "VOLKIT_IO_LIMITED_MEMORY";
/// Address space of that process: the program and its threads take half of it.
const LIMITED_KIB: u64 = 768 << 10;

fn limits() -> Limits {
    Limits::default().with_volume_bytes(MOST_BYTES).with_header_bytes(1 << 20)
}

/// A good file of each kind, and what else it needs beside it.
fn good_files(folder: &Path) -> Vec<PathBuf> {
    let volume = noise(&[5, 4, 3], DType::I16, 1);
    let options = WriteOptions::default();
    let mut files = Vec::new();
    for name in ["a.nii", "a.nii.gz", "b.img", "a.mgz", "a.npy", "a.npz"] {
        write(folder.join(name), &Image::new(volume.clone()), &options).unwrap();
        files.push(folder.join(name.replace(".img", ".hdr")));
    }
    let second = folder.join("two.nii");
    write(&second, &Image::new(volume.clone()), &options.clone().with_nifti_version(NiftiVersion::Two)).unwrap();
    files.push(second);
    // Analyze: the header of a pair without its magic.
    let mut analyze = std::fs::read(folder.join("b.hdr")).unwrap();
    analyze[344..348].fill(0);
    std::fs::write(folder.join("c.hdr"), &analyze[..348]).unwrap();
    std::fs::copy(folder.join("b.img"), folder.join("c.img")).unwrap();
    files.push(folder.join("c.hdr"));
    let mut header = MghHeader::default();
    let entry = ColorEntry { id: 17, name: "Left-Hippocampus".into(), rgba: [220, 216, 20, 255] };
    header.set_color_table(&[entry]).unwrap();
    let labels = Volume::new([3, 2, 2], vec![17u8; 12], Affine::IDENTITY).unwrap();
    let path = folder.join("table.mgh");
    write(&path, &Image::from_parts(labels, Header::Mgh(Box::new(header))), &options).unwrap();
    files.push(path);
    let path = folder.join("w.safetensors");
    let array = Array::new([2, 3], vec![1.0f32; 6]).unwrap();
    let mut store = volkit_core::MemoryStore::default();
    store.insert("conv/kernel:0", array);
    write_safetensors(&path, &store).unwrap();
    files.push(path);
    let path = folder.join("a.nrrd");
    let text = "NRRD0004\ntype: uchar\ndimension: 2\nsizes: 2 3\nspace: LPS\nspace directions: (1,0,0) (0,1,0)\n\
        space origin: (0,0,0)\nbyte skip: 0\nencoding: raw\n\n123456";
    std::fs::write(&path, text).unwrap();
    files.push(path);
    #[cfg(feature = "hdf5")]
    hdf5::add(folder, &mut files);
    files
}

/// Reads a file with everything that would read it.
fn read_everything(path: &Path) -> Result<(), IoError> {
    match path.extension().and_then(|suffix| suffix.to_str()) {
        Some("safetensors") => {
            let store = SafetensorsStore::open_with(path, &limits())?;
            for name in store.names() {
                let _ = store.get(&name);
            }
        }
        #[cfg(feature = "hdf5")]
        Some("h5") => hdf5::read(path)?,
        _ => {
            let image = read_with(path, &ReadOptions::new().with_limits(limits()))?;
            if let Header::Mgh(header) = image.header() {
                let _ = header.color_table();
            }
        }
    }
    Ok(())
}

fn check(path: &Path, bytes: &[u8]) -> Result<(), TestCaseError> {
    std::fs::write(path, bytes).unwrap();
    let start = Instant::now();
    if let Err(error) = read_everything(path) {
        prop_assert!(error.to_string().starts_with(path.parent().unwrap().to_str().unwrap()), "{}", error);
    }
    prop_assert!(start.elapsed() < LONGEST, "{:?} for {}", start.elapsed(), path.display());
    Ok(())
}

/// Bytes to put into a file: small and large numbers in both orders, and single bits.
fn damage() -> impl Strategy<Value = (Index, Vec<u8>)> {
    let numbers = prop_oneof![
        any::<u8>().prop_map(|byte| vec![byte]),
        prop::sample::select(vec![0u64, 1, 2, 0x7fff, 0xffff, 1 << 31, u64::from(u32::MAX), i64::MAX as u64, u64::MAX])
            .prop_flat_map(|n| (Just(n), prop::sample::select(vec![2usize, 4, 8]), any::<bool>()))
            .prop_map(|(n, size, is_big)| {
                let bytes = n.to_le_bytes()[..size].to_vec();
                if is_big { bytes.into_iter().rev().collect() } else { bytes }
            }),
        prop::collection::vec(any::<u8>(), 1..12),
    ];
    (any::<Index>(), numbers)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn damaged_headers(
        which in any::<Index>(),
        damages in prop::collection::vec(damage(), 1..5),
        head in any::<bool>(),
        cut in prop::option::weighted(0.2, any::<Index>()),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let files = good_files(folder.path());
        let path = which.get(&files);
        let mut bytes = std::fs::read(path).unwrap();
        let span = if head { bytes.len().min(600) } else { bytes.len() };
        for (at, new) in damages {
            let at = at.index(span);
            let n = new.len().min(bytes.len() - at);
            bytes[at..at + n].copy_from_slice(&new[..n]);
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        check(path, &bytes)?;
    }

    #[test]
    fn random_bytes(
        magic in prop::sample::select(vec![
            ("x.nii", vec![0x5c, 1, 0, 0]), ("x.nii", vec![0x1c, 2, 0, 0]), ("x.nii.gz", vec![0x1f, 0x8b, 8, 0]),
            ("x.mgh", vec![0, 0, 0, 1]), ("x.npz", b"PK\x03\x04".to_vec()), ("x.npy", b"\x93NUMPY\x01\0".to_vec()),
            ("x.safetensors", vec![40, 0, 0, 0, 0, 0, 0, 0, b'{', b'"']), ("x.h5", b"\x89HDF\r\n\x1a\n\0\0\0\0\0\x08\x08".to_vec()),
            ("x.h5", b"\x89HDF\r\n\x1a\n\x02\x08\x08".to_vec()), ("x.nii", vec![]), ("x.nrrd", b"NRRD0004\ntype: short\n".to_vec()),
        ]),
        bytes in prop::collection::vec(any::<u8>(), 0..1500),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let (name, mut content) = magic;
        content.extend_from_slice(&bytes);
        check(&folder.path().join(name), &content)?;
    }
}

/// The two above once more, in a process whose address space is limited: an allocation that follows from a number in a
/// file ends it.
#[cfg(target_os = "linux")]
#[test]
fn within_limited_memory() {
    if std::env::var_os(LIMITED).is_some() {
        return;
    }
    let program = std::env::current_exe().unwrap();
    for test in ["mutations::damaged_headers", "mutations::random_bytes"] {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -v {LIMITED_KIB} && exec \"$0\" \"$@\"")]).arg(&program);
        let output = command
            .args(["--exact", test, "--test-threads", "1"])
            .env(LIMITED, "1")
            .env("RAYON_NUM_THREADS", "2")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && text.contains("1 passed"),
            "{text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// Files of other programs, where they are at hand: every byte of the first kilobytes set to three values.
#[cfg(feature = "hdf5")]
#[test]
fn damaged_files_of_other_programs() {
    let Some(folder) = crate::shared::shared("golden/volume/hdf5") else { return };
    let scratch = tempfile::tempdir().unwrap();
    for name in ["groups.h5", "type_le_c8.h5", "images_stack.h5"] {
        let good = std::fs::read(folder.join(name)).unwrap();
        let path = scratch.path().join(name);
        for at in (0..good.len().min(4096)).step_by(3) {
            let mut bytes = good.clone();
            bytes[at] = [0xff, 0x00, bytes[at] ^ 0x80][at / 3 % 3];
            check(&path, &bytes).unwrap();
        }
    }
}

#[cfg(feature = "hdf5")]
mod hdf5 {
    use std::path::{Path, PathBuf};

    use volkit_core::{Array, ArrayStore as _, DType, Voxels};
    use volkit_io::{
        Hdf5Backend, Hdf5Kind, Hdf5Layout, Hdf5Value, IoError, KerasStore, WriteOptions, create_hdf5, open_hdf5,
        walk_hdf5,
    };

    use crate::keras_files::{Kind, Lists, write_network};

    /// Files of our own writer and of the pure-Rust library.
    pub(super) fn add(folder: &Path, files: &mut Vec<PathBuf>) {
        let path = folder.join("ours.h5");
        let writer = create_hdf5(&path, Hdf5Backend::Pure, &WriteOptions::default()).unwrap();
        writer.create_group("g").unwrap();
        let layout = Hdf5Layout::for_array(&[6, 5], DType::U16).with_chunk(Some(vec![4, 4]));
        writer.create_data_set("g/x", &[6, 5], DType::U16, &layout).unwrap();
        writer.write_box("g/x", &[0, 0], &[6, 5], Voxels::U16(vec![7; 30]).view()).unwrap();
        let size = Array::new([3], vec![1.0f64; 3]).unwrap();
        writer.set_attribute("g/x", "element_size_um", &Hdf5Value::Numbers(size)).unwrap();
        writer.set_attribute("g", "note", &Hdf5Value::Text("text".into())).unwrap();
        writer.finish().unwrap();
        files.push(path);
        let path = folder.join("keras.h5");
        write_network(&path, "", Lists::Variable, Kind::F32);
        files.push(path);
    }

    pub(super) fn read(path: &Path) -> Result<(), IoError> {
        if let Ok(store) = KerasStore::open_with(path, &super::limits()) {
            for name in store.names() {
                let _ = store.get(&name);
            }
        }
        let file = open_hdf5(path, Hdf5Backend::Pure, &super::limits())?;
        let (nodes, _) = walk_hdf5(file.as_ref())?;
        for node in nodes {
            file.attributes(&node.path)?;
            if node.kind != Hdf5Kind::DataSet {
                continue;
            }
            let data_set = file.data_set(&node.path)?;
            let shape = data_set.info().shape.clone();
            let n = shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
            let (Some(dtype), Some(n)) = (data_set.info().dtype, n) else { continue };
            if (n as u64).saturating_mul(16) <= super::MOST_BYTES {
                let mut out = Voxels::zeros(dtype, n).unwrap();
                data_set.read_box(&vec![0; shape.len()], &shape, out.view_mut())?;
            }
        }
        Ok(())
    }
}
