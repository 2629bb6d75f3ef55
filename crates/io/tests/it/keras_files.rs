//! Keras weight files made by the writer of the `hdf5-pure` crate.

use std::path::Path;

use hdf5_pure::{AttrValue, Datatype, DatatypeByteOrder, FileBuilder, FloatingPointLayout, GroupBuilder};

/// Values of the kernel `[1, 1, 3, 1, 2]` of [`write_network`]; all are exact in every type.
pub(crate) const VALUES: [f32; 6] = [0.0, -1.5, 2.0, 0.25, -4096.0, 7.0];

/// How the attributes hold lists of names.
#[derive(Clone, Copy)]
pub(crate) enum Lists {
    Fixed,
    Variable,
    /// One attribute a name: `layer_names0`, `layer_names1`, ...
    Parts,
}

/// How the kernel is stored.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    F32,
    F16,
    F64,
    Bf16,
    BigEndian,
    I32,
    Chunked,
    Compressed,
}

/// A network of three layers: `conv_input` without weights, `conv` with kernel and bias, `bn` with gamma 0.5, whose
/// weight stands in a scope of another name.
pub(crate) fn write_network(path: &Path, group: &str, lists: Lists, kind: Kind) {
    let mut file = FileBuilder::new();
    let names = ["conv_input", "conv", "bn"];
    let texts = [("backend", "tensorflow"), ("keras_version", "2.3.1")];
    if group.is_empty() {
        for (key, value) in list("layer_names", &names, lists) {
            file.set_attr(&key, value);
        }
        texts.iter().for_each(|(key, text)| file.set_attr(key, AttrValue::VarLenString((*text).to_owned())));
        for name in names {
            let mut layer = file.create_group(name);
            fill(&mut layer, name, lists, kind);
            file.add_group(layer.finish());
        }
    } else {
        file.set_attr("model_config", AttrValue::String("{}".to_owned()));
        let mut model = file.create_group(group);
        for (key, value) in list("layer_names", &names, lists) {
            model.set_attr(&key, value);
        }
        texts.iter().for_each(|(key, text)| model.set_attr(key, AttrValue::AsciiString((*text).to_owned())));
        for name in names {
            let mut layer = model.create_group(name);
            fill(&mut layer, name, lists, kind);
            model.add_group(layer.finish());
        }
        file.add_group(model.finish());
        let mut optimizer = file.create_group("optimizer_weights");
        optimizer.create_dataset("iterations:0").with_i64_data(&[1]);
        file.add_group(optimizer.finish());
    }
    file.write(path).unwrap();
}

fn list(key: &str, names: &[&str], lists: Lists) -> Vec<(String, AttrValue)> {
    let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    match lists {
        Lists::Fixed => vec![(key.to_owned(), AttrValue::AsciiStringArray(owned(names)))],
        Lists::Variable => vec![(key.to_owned(), AttrValue::VarLenStringArray(owned(names)))],
        Lists::Parts => names
            .iter()
            .enumerate()
            .map(|(i, &name)| (format!("{key}{i}"), AttrValue::AsciiStringArray(owned(&[name]))))
            .collect(),
    }
}

fn fill(layer: &mut GroupBuilder, name: &str, lists: Lists, kind: Kind) {
    let weights: &[&str] = match name {
        "conv" => &["conv/kernel:0", "conv/bias:0"],
        "bn" => &["bn_7/gamma:0"],
        _ => {
            layer.set_attr("weight_names", AttrValue::F64Array(Vec::new()));
            return;
        }
    };
    for (key, value) in list("weight_names", weights, lists) {
        layer.set_attr(&key, value);
    }
    let mut scope = layer.create_group(weights[0].split('/').next().unwrap());
    if name == "bn" {
        scope.create_dataset("gamma:0").with_f32_data(&[0.5]);
    } else {
        kernel(&mut scope, kind);
        scope.create_dataset("bias:0").with_f32_data(&[1.0, -1.0]);
    }
    layer.add_group(scope.finish());
}

fn kernel(scope: &mut GroupBuilder, kind: Kind) {
    let kernel = scope.create_dataset("kernel:0");
    let doubles = VALUES.map(f64::from);
    match kind {
        Kind::F32 => kernel.with_f32_data(&VALUES),
        Kind::F64 => kernel.with_f64_data(&doubles),
        Kind::I32 => kernel.with_i32_data(&VALUES.map(|v| v as i32)),
        Kind::F16 => {
            let bits = [0x0000u16, 0xbe00, 0x4000, 0x3400, 0xec00, 0x4700].map(u16::to_le_bytes);
            kernel.with_raw_data(float(2, [10, 5, 0, 10], 15, DatatypeByteOrder::LittleEndian), bits.concat(), 6)
        }
        Kind::Bf16 => {
            let bits = VALUES.map(|v| [v.to_le_bytes()[2], v.to_le_bytes()[3]]);
            kernel.with_raw_data(float(2, [7, 8, 0, 7], 127, DatatypeByteOrder::LittleEndian), bits.concat(), 6)
        }
        Kind::BigEndian => {
            let bits = VALUES.map(f32::to_be_bytes);
            kernel.with_raw_data(float(4, [23, 8, 0, 23], 127, DatatypeByteOrder::BigEndian), bits.concat(), 6)
        }
        Kind::Chunked => kernel.with_f32_data(&VALUES).with_chunks(&[1, 1, 2, 1, 2]),
        Kind::Compressed => kernel.with_f32_data(&VALUES).with_chunks(&[1, 1, 2, 1, 1]).with_shuffle().with_deflate(6),
    };
    kernel.with_shape(&[1, 1, 3, 1, 2]);
}

/// A float type of `size` bytes; places and sizes of exponent and mantissa in bits.
fn float(size: u32, bits: [u8; 4], exponent_bias: u32, byte_order: DatatypeByteOrder) -> Datatype {
    let [exponent_location, exponent_size, mantissa_location, mantissa_size] = bits;
    let bit_precision = 8 * size as u16;
    let layout = FloatingPointLayout {
        bit_offset: 0,
        bit_precision,
        exponent_location,
        exponent_size,
        mantissa_location,
        mantissa_size,
        exponent_bias,
    };
    Datatype::FloatingPoint { size, byte_order, layout }
}
