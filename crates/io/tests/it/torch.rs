//! Files of `torch.save`.

use std::path::PathBuf;

use volkit_core::{ArrayStore, DType, conformance::check_store};
use volkit_io::{Limits, SafetensorsStore, TorchStore, open_weights};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/torch").join(name)
}

/// Compares with what PyTorch's own writer of safetensors made of the same tensors.
fn check(name: &str, wanted: &str) {
    let (got, wanted) = (TorchStore::open(fixture(name)).unwrap(), SafetensorsStore::open(fixture(wanted)).unwrap());
    check_store(&got).unwrap();
    assert_eq!(got.names(), wanted.names());
    for name in wanted.names() {
        let (got, wanted) = (got.get(&name).unwrap(), wanted.get(&name).unwrap());
        assert_eq!(got.shape(), wanted.shape(), "{name}");
        assert_eq!(got.values().dtype(), wanted.values().dtype(), "{name}");
        assert!(got.values().view().bytes() == wanted.values().view().bytes(), "{name}");
    }
}

#[test]
fn state_dicts_and_views_have_their_values() {
    check("net.pt", "net.safetensors");
    check("views.pt", "views.safetensors");
}

#[test]
fn of_a_checkpoint_the_network_is_read() {
    check("checkpoint.pth", "checkpoint.safetensors");
}

#[test]
fn the_content_decides_which_store_is_opened() {
    for name in ["net.pt", "net.safetensors"] {
        assert_eq!(open_weights(fixture(name)).unwrap().names(), ["0.bias", "0.weight", "2.bias", "2.weight"]);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights");
    let mut store = volkit_core::MemoryStore::new();
    store.insert("a", volkit_core::Array::new([2], vec![1.0f32, 2.0]).unwrap());
    volkit_io::write_npz(&path, &store).unwrap();
    assert_eq!(open_weights(&path).unwrap().names(), ["a"]);
    assert!(open_weights(folder.path().join("none")).is_err());
}

#[test]
fn a_module_is_refused_and_not_run() {
    let error = TorchStore::open(fixture("module.pt")).unwrap_err().to_string();
    assert!(error.contains("torch.nn.modules.container.Sequential") && error.contains("state_dict"), "{error}");
}

#[test]
fn other_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.pt");
    let open = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        TorchStore::open(&path).unwrap_err().to_string()
    };
    assert!(open(b"\x80\x02\x8a\nl\xfc\x9cF").contains("before 1.6"));
    assert!(open(b"plain text").contains("no archive"));
    assert!(open(b"").contains("no archive"));
    let whole = std::fs::read(fixture("net.pt")).unwrap();
    assert!(open(&whole[..whole.len() / 2]).contains("directory is missing"));
    let store = TorchStore::open(fixture("net.pt")).unwrap();
    assert!(store.get("1.weight").unwrap_err().to_string().contains("1.weight"));
}

#[test]
fn limits_hold() {
    let open = |limits: Limits| TorchStore::open_with(fixture("net.pt"), &limits);
    assert!(open(Limits::default().with_header_bytes(100)).is_err());
    let store = open(Limits::default().with_volume_bytes(64)).unwrap();
    assert!(store.get("0.weight").unwrap_err().to_string().contains("limit"));
    assert_eq!(store.get("0.bias").unwrap().values().dtype(), DType::F32);
}

/// The archive with other bytes for the pickle, whose checksum is brought up to date.
fn with_pickle(change: impl Fn(&mut [u8])) -> Vec<u8> {
    let mut bytes = std::fs::read(fixture("views.pt")).unwrap();
    let start = bytes.windows(3).position(|window| window == b"\x80\x02c").unwrap();
    let local = bytes[..start].windows(4).rposition(|window| window == b"PK\x03\x04").unwrap();
    let directory = bytes.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    let field = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    assert_eq!(field(directory + 42), local);
    let len = field(directory + 24);
    change(&mut bytes[start..start + len]);
    let crc = crc32fast::hash(&bytes[start..start + len]).to_le_bytes();
    bytes[directory + 16..directory + 20].copy_from_slice(&crc);
    bytes
}

#[test]
fn no_change_of_the_pickle_panics() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.pt");
    let read_all = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let Ok(store) = TorchStore::open(&path) else { return false };
        store.names().iter().all(|name| store.get(name).is_ok())
    };
    assert!(read_all(&with_pickle(|_| {})));
    let len = std::cell::Cell::new(0);
    with_pickle(|pickle| len.set(pickle.len()));
    let mut refused = 0;
    for at in 0..len.get() {
        for byte in [0x00, 0x7f, 0xff, b'(', b'R', b'Q', b'h', b'K', 0x85, b'0'] {
            refused += usize::from(!read_all(&with_pickle(|pickle| pickle[at] = byte)));
        }
    }
    assert!(refused > 3 * len.get(), "{refused}");
}

#[test]
fn tensors_beyond_their_storage_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.pt");
    // The offset of the view [1:3, 2:5] of 4 x 6, 8, becomes 200.
    let bytes = with_pickle(|pickle| {
        let at = pickle.windows(6).position(|window| window == b"QK\x08K\x02K").unwrap();
        pickle[at + 2] = 200;
    });
    std::fs::write(&path, bytes).unwrap();
    let store = TorchStore::open(&path).unwrap();
    let error = store.get("part").unwrap_err().to_string();
    assert!(
        error.contains("tensor 'part'") && error.contains("offset 200") && error.contains("24 elements"),
        "{error}"
    );
    assert!(store.get("same").is_ok());
}
