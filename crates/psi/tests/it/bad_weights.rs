//! Weights that are no such network.

use volkit_core::{Array, ArrayStore as _, MemoryStore};
use volkit_kernels::Isa;
use volkit_psi::SimpleUNet;

fn refused(store: &MemoryStore) -> String {
    SimpleUNet::from_store(store, Isa::detect()).unwrap_err().to_string()
}

fn with(name: &str, shape: &[usize], value: f32) -> MemoryStore {
    let mut store = SimpleUNet::initial_weights(&[2, 3, 1], 1).unwrap();
    store.insert(name, Array::new(shape, vec![value; shape.iter().product()]).unwrap());
    store
}

#[test]
fn messages_name_the_tensor() {
    assert!(refused(&MemoryStore::new()).contains("no tensor"));
    assert!(refused(&with("1.running_mean", &[3], 0.0)).contains("tensor '1.running_mean': neither a chain"));
    assert!(refused(&with("4.weight", &[1, 1, 3, 3], 0.0)).contains("tensor '4.weight': neither a chain"));
    for (name, shape, wanted) in [
        ("0.weight", &[3, 2, 5, 5][..], "'0.weight': shape = [3, 2, 5, 5], expected [C_out, C_in, 3, 3]"),
        ("0.weight", &[3, 2, 3, 3, 3], "expected [C_out, C_in, 3, 3]"),
        ("0.weight", &[0, 2, 3, 3], "with at least one channel"),
        ("2.weight", &[1, 4, 3, 3], "'2.weight': shape = [1, 4, 3, 3], expected [C_out, 3, 3, 3]"),
        ("2.bias", &[2], "'2.bias': shape = [2], expected [1]"),
    ] {
        let message = refused(&with(name, shape, 0.0));
        assert!(message.contains(wanted), "{message}");
    }
    assert!(refused(&with("2.bias", &[1], f32::NAN)).contains("'2.bias': value = NaN at element 0"));
    let mut store = with("2.bias", &[1], 0.0);
    store.insert("2.bias", Array::new([1], vec![1i32]).unwrap());
    assert!(refused(&store).contains("element type = i32"));
}

#[test]
fn weights_from_a_seed() {
    let [a, b, c] = [1, 1, 2].map(|seed| SimpleUNet::initial_weights(&SimpleUNet::CHANNELS, seed).unwrap());
    assert_eq!(a.names(), ["0.bias", "0.weight", "2.bias", "2.weight", "4.bias", "4.weight", "6.bias", "6.weight"]);
    let values = |store: &MemoryStore| store.get("2.weight").unwrap().to_real::<f32>().unwrap();
    assert!(values(&a) == values(&b) && values(&a) != values(&c));
    let n: usize = a.names().iter().map(|name| a.get(name).unwrap().values().len()).sum();
    assert_eq!(n, 41_889);
    assert!(values(&a).iter().all(|w| w.abs() <= 1.0 / 288f32.sqrt()) && values(&a).iter().any(|w| *w < 0.0));
}
