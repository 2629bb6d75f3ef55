//! What is refused when a network is read.

use volkit_core::{Array, ArrayStore, MemoryStore};
use volkit_seg::{MeshNet, ModelKind, open_model};

use crate::nets::store;

const LAYERS: [(usize, usize, usize, usize); 2] = [(3, 2, 1, 4), (1, 1, 4, 3)];

fn error(change: impl FnOnce(&mut MemoryStore)) -> String {
    let mut store = store(&LAYERS, "elu", "none");
    change(&mut store);
    let error = open_model(&store).err().unwrap();
    assert!(!error.to_string().contains('\n'));
    error.to_string()
}

fn without(store: &MemoryStore, name: &str) -> MemoryStore {
    let mut rest = MemoryStore::new();
    for (other, array) in store.arrays().iter().filter(|(other, _)| *other != name) {
        rest.insert(other.clone(), array.clone());
    }
    for (key, text) in store.all_metadata() {
        rest.set_metadata(key.clone(), text.clone());
    }
    rest
}

#[test]
fn a_whole_network_is_read() {
    let net = MeshNet::from_store(&store(&LAYERS, "elu", "none")).unwrap();
    let segmenter = open_model(&store(&LAYERS, "elu", "none")).unwrap();
    assert_eq!(segmenter.info().summary, "MeshNet, 2 layers, 4 channels, 3 classes");
    assert_eq!(segmenter.info().kind, ModelKind::MeshNet);
    assert_eq!(net.n_classes(), 3);
    assert_eq!(segmenter.info().table.name(2), "label 2");
    let mut other = store(&LAYERS, "elu", "none");
    other.insert("layers.1.bias", Array::new([3], vec![0.0f32, 0.5, 1.0]).unwrap());
    assert_ne!(net.fingerprint(), MeshNet::from_store(&other).unwrap().fingerprint());
    assert!(net.run_bytes([256; 3]).unwrap() < net.run_bytes([256, 300, 256]).unwrap());
}

#[test]
fn a_tensor_that_does_not_fit_is_named() {
    let bias = |n: usize| Array::new([n], vec![0.0f32; n]).unwrap();
    assert_eq!(
        error(|store| *store = without(store, "layers.1.bias")),
        "weights: tensor 'layers.1.bias': presence = missing, expected shape [3]"
    );
    assert_eq!(
        error(|store| store.insert("layers.0.bias", bias(5))),
        "weights: tensor 'layers.0.bias': shape = [5], expected [4]"
    );
    assert_eq!(
        error(|store| store.insert("layers.0.weight", Array::new([4, 1, 27], vec![0.0f32; 108]).unwrap())),
        "weights: tensor 'layers.0.weight': shape = [4, 1, 27], expected [4, 1, 3, 3, 3]"
    );
    assert_eq!(
        error(|store| store.insert("layers.0.bias", Array::new([4], vec![0.0f32, f32::NAN, 0.0, 0.0]).unwrap())),
        "weights: tensor 'layers.0.bias': value = NaN at element 1, expected finite numbers"
    );
    assert_eq!(
        error(|store| store.insert("layers.0.bias", Array::new([4], vec![0i32; 4]).unwrap())),
        "weights: tensor 'layers.0.bias': element type = i32, expected a float"
    );
}

#[test]
fn a_configuration_that_does_not_fit_is_named() {
    assert_eq!(
        error(|store| {
            let config = store.metadata("config").unwrap();
            store.set_metadata("config", config.replace("\"padding\":2", "\"padding\":3"));
        }),
        "weights: config: layers[0].padding = 3: expected 2, dilation 2 x (kernel 3 / 2)"
    );
    let mut bare = MemoryStore::new();
    for (name, array) in store(&LAYERS, "elu", "none").arrays() {
        bare.insert(name.clone(), array.clone());
    }
    let absent = open_model(&bare).err().unwrap().to_string();
    assert!(absent.starts_with("weights: config: config = absent: "), "{absent}");
    let surplus = error(|store| store.insert("layers.2.weight", Array::new([1], vec![0.0f32]).unwrap()));
    assert_eq!(surplus, "weights: config: layers = 2 layers: the store also holds 'layers.2.weight'");
    let labels = error(|store| store.set_metadata("labels", "1 Name 1 2"));
    assert_eq!(labels, "label table: line 1: cells = 4: expected id name R G B A");
}

#[test]
fn another_kind_of_store_is_named_by_its_arrays() {
    let mut store = MemoryStore::new();
    assert!(open_model(&store).err().unwrap().to_string().starts_with("weights: no arrays: not a network"));
    for name in ["encoder", "decoder", "head", "norm"] {
        store.insert(name, Array::new([1], vec![0.0f32]).unwrap());
    }
    let error = open_model(&store).err().unwrap().to_string();
    assert!(
        error.starts_with("weights: 4 arrays (decoder, encoder, head, ..): not a network of a known kind"),
        "{error}"
    );
    assert!(ModelKind::recognise(&store).is_err());
}

#[test]
fn names_come_from_the_store() {
    let mut named = store(&LAYERS, "elu", "none");
    named.set_metadata("labels", r#"{"labels":["air","bone","brain"]}"#);
    let info = open_model(&named).unwrap();
    assert_eq!(info.info().table.name(2), "brain");
}

#[test]
fn half_precision_weights_are_read() {
    use volkit_core::{DType, Voxels};
    let single = store(&LAYERS, "elu", "none");
    let mut half = store(&LAYERS, "elu", "none");
    for (name, array) in single.arrays() {
        let mut values = Voxels::zeros(DType::F16, array.values().len()).unwrap();
        array.values().view().convert_into(values.view_mut()).unwrap();
        half.insert(name.clone(), Array::new(array.shape(), values).unwrap());
    }
    assert_eq!(MeshNet::from_store(&half).unwrap().n_classes(), 3);
}
