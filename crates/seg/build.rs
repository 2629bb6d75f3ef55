//! Tells whether there are weights to embed: the network of this project may not have been trained yet.

fn main() {
    let weights = "weights/default.safetensors";
    println!("cargo::rerun-if-changed={weights}");
    println!("cargo::rustc-check-cfg=cfg(has_default_weights)");
    if std::path::Path::new(weights).is_file() {
        println!("cargo::rustc-cfg=has_default_weights");
    }
}
