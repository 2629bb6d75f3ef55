//! MATLAB files and the calibrations in them.

use std::io::Write as _;

use volkit_pose::{MatValue, PoseError, Rig, read_mat};

/// Order of bytes of a file.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    Little,
    Big,
}

impl Order {
    fn word(self, x: u32) -> [u8; 4] {
        if self == Self::Little { x.to_le_bytes() } else { x.to_be_bytes() }
    }

    fn double(self, x: f64) -> [u8; 8] {
        if self == Self::Little { x.to_le_bytes() } else { x.to_be_bytes() }
    }

    /// An element, padded to eight bytes.
    fn element(self, kind: u32, data: &[u8]) -> Vec<u8> {
        let mut bytes = [self.word(kind), self.word(data.len() as u32)].concat();
        bytes.extend(data);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes
    }

    /// An element of up to four bytes, all in its tag.
    fn small(self, kind: u32, data: &[u8]) -> Vec<u8> {
        let mut bytes = self.word((data.len() as u32) << 16 | kind).to_vec();
        bytes.extend(data);
        bytes.resize(8, 0);
        bytes
    }

    fn matrix(self, class: u32, dims: [u32; 2], name: &str, body: &[u8]) -> Vec<u8> {
        let flags = self.element(6, &[self.word(class), self.word(0)].concat());
        let dims = self.element(5, &dims.map(|n| self.word(n)).concat());
        let name = if (1..=4).contains(&name.len()) {
            self.small(1, name.as_bytes())
        } else {
            self.element(1, name.as_bytes())
        };
        self.element(14, &[&flags, &dims, &name, body].concat())
    }

    fn doubles(self, name: &str, dims: [u32; 2], values: &[f64]) -> Vec<u8> {
        let bytes: Vec<u8> = values.iter().flat_map(|x| self.double(*x)).collect();
        self.matrix(6, dims, name, &self.element(9, &bytes))
    }

    /// A struct of one element, or with several values a field a struct array.
    fn structure(self, name: &str, fields: &[(&str, Vec<Vec<u8>>)]) -> Vec<u8> {
        let n = fields[0].1.len();
        let mut body = self.small(5, &self.word(16));
        let names: Vec<u8> = fields
            .iter()
            .flat_map(|(name, _)| {
                let mut bytes = name.as_bytes().to_vec();
                bytes.resize(16, 0);
                bytes
            })
            .collect();
        body.extend(self.element(1, &names));
        for i in 0..n {
            fields.iter().for_each(|(_, values)| body.extend(&values[i]));
        }
        self.matrix(2, [1, n as u32], name, &body)
    }

    fn file(self, variables: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = b"MATLAB 5.0 MAT-file".to_vec();
        bytes.resize(124, b' ');
        bytes.extend(if self == Self::Little { *b"\x00\x01IM" } else { *b"\x01\x00MI" });
        variables.iter().for_each(|variable| bytes.extend(variable));
        bytes
    }
}

fn compressed(variable: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(variable).unwrap();
    let data = encoder.finish().unwrap();
    // Compressed elements are not padded.
    [&Order::Little.word(15)[..], &Order::Little.word(data.len() as u32), &data].concat()
}

#[test]
fn numbers_of_all_types_and_orders() {
    for order in [Order::Little, Order::Big] {
        let doubles = order.doubles("a", [2, 3], &[1.0, 2.0, 3.0, 4.0, -5.5, 1e300]);
        // MATLAB stores doubles that are small whole numbers as bytes.
        let bytes = order.matrix(6, [1, 3], "longer_name", &order.small(2, &[7, 0, 255]));
        let words =
            order.matrix(12, [1, 2], "w", &order.element(5, &[order.word(3), order.word(-4i32 as u32)].concat()));
        let variables = read_mat(&order.file(&[doubles, bytes, words]), "a.mat").unwrap();
        assert_eq!(variables.keys().collect::<Vec<_>>(), ["a", "longer_name", "w"]);
        let MatValue::Numbers { dims, values } = &variables["a"] else { panic!("numbers") };
        assert_eq!((&dims[..], &values[..]), (&[2, 3][..], &[1.0, 2.0, 3.0, 4.0, -5.5, 1e300][..]));
        assert_eq!(variables["longer_name"].numbers(), Some(&[7.0, 0.0, 255.0][..]));
        assert_eq!(variables["w"].numbers(), Some(&[3.0, -4.0][..]));
    }
}

#[test]
fn cells_structs_and_what_is_compressed() {
    let o = Order::Little;
    let inner = o.structure("", &[("K", vec![o.doubles("", [1, 1], &[5.0])]), ("empty", vec![o.element(14, &[])])]);
    let cell = o.matrix(1, [1, 2], "params", &[inner, o.doubles("", [1, 1], &[6.0])].concat());
    let text = o.matrix(4, [1, 2], "t", &o.element(4, b"a\0b\0"));
    let variables = read_mat(&o.file(&[compressed(&cell), text]), "a.mat").unwrap();
    let MatValue::Cell(entries) = &variables["params"] else { panic!("a cell array") };
    assert_eq!(entries[0].field("K").and_then(MatValue::numbers), Some(&[5.0][..]));
    assert_eq!(entries[0].field("empty").and_then(MatValue::numbers), Some(&[][..]));
    assert_eq!((entries[0].field("none"), entries[1].numbers()), (None, Some(&[6.0][..])));
    assert_eq!(variables["t"], MatValue::Other);
}

/// A camera of the field of view of a lab: columns of the transposed matrices.
fn fields(o: Order, shift: f64) -> Vec<(&'static str, Vec<u8>)> {
    // r of MATLAB: rows multiply from the left. A quarter turn about y, transposed, stored by columns: R by rows.
    vec![
        ("K", o.doubles("", [3, 3], &[500.0, 0.0, 320.0, 0.0, 510.0, 240.0, 0.0, 0.0, 1.0])),
        ("r", o.doubles("", [3, 3], &[0.0, 0.0, 1.0, 0.0, 1.0, 0.0, -1.0, 0.0, 0.0])),
        ("t", o.doubles("", [1, 3], &[shift, 2.0, 4.0])),
        ("RDistort", o.doubles("", [1, 2], &[0.1, 0.2])),
        ("TDistort", o.doubles("", [1, 2], &[0.01, 0.02])),
    ]
}

fn check(rig: &Rig) {
    let [a, b] = rig.cameras() else { panic!("two cameras") };
    assert_eq!(a.intrinsic, [[500.0, 0.0, 320.0], [0.0, 510.0, 240.0], [0.0, 0.0, 1.0]]);
    assert_eq!(a.rotation, [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]);
    assert_eq!((a.translation, b.translation), ([1.0, 2.0, 4.0], [9.0, 2.0, 4.0]));
    let lens = b.distortion.unwrap();
    assert_eq!((lens.radial, lens.tangential), ([0.1, 0.2, 0.0], [0.01, 0.02]));
}

#[test]
fn calibrations_of_dannce() {
    let o = Order::Little;
    // A cell array of structs, as Label3D saves it.
    let one = |shift| {
        let fields = fields(o, shift);
        o.structure("", &fields.into_iter().map(|(name, value)| (name, vec![value])).collect::<Vec<_>>())
    };
    let cell = o.matrix(1, [2, 1], "params", &[one(1.0), one(9.0)].concat());
    let file = |name: &str, bytes| (name.to_owned(), bytes);
    check(&Rig::from_dannce(&[file("label3d.mat", o.file(&[compressed(&cell)]))]).unwrap());
    // A struct array.
    let both = fields(o, 1.0).into_iter().zip(fields(o, 9.0)).map(|(a, b)| (a.0, vec![a.1, b.1])).collect::<Vec<_>>();
    check(&Rig::from_dannce(&[file("array.mat", o.file(&[o.structure("params", &both)]))]).unwrap());
    // A file a camera, its variables by name.
    let alone = |shift: f64| {
        let k = o.doubles("K", [3, 3], &[500.0, 0.0, 320.0, 0.0, 510.0, 240.0, 0.0, 0.0, 1.0]);
        let r = o.doubles("r", [3, 3], &[0.0, 0.0, 1.0, 0.0, 1.0, 0.0, -1.0, 0.0, 0.0]);
        let lens = [o.doubles("RDistort", [1, 2], &[0.1, 0.2]), o.doubles("TDistort", [1, 2], &[0.01, 0.02])].concat();
        o.file(&[k, r, o.doubles("t", [1, 3], &[shift, 2.0, 4.0]), lens])
    };
    check(&Rig::from_dannce(&[file("cam1.mat", alone(1.0)), file("cam2.mat", alone(9.0))]).unwrap());
    let error = Rig::from_dannce(&[file("cam1.mat", alone(1.0))]).unwrap_err().to_string();
    assert!(error.contains("cam1.mat") && error.contains("at least 2"), "{error}");
}

#[test]
fn files_of_another_form_are_refused_by_name() {
    let o = Order::Little;
    let good = o.file(&[o.doubles("a", [1, 2], &[1.0, 2.0])]);
    let mut hdf5 = good.clone();
    hdf5[125] = 2;
    let error = read_mat(&hdf5, "new.mat").unwrap_err().to_string();
    assert!(error.contains("new.mat") && error.contains("-v7"), "{error}");
    let mut order = good.clone();
    order[126] = b'X';
    let wrong_count = o.file(&[o.matrix(6, [3, 3], "a", &o.element(9, &[0; 16]))]);
    let wrong_type = o.file(&[o.matrix(6, [1, 1], "a", &o.element(99, &[0; 8]))]);
    let huge = o.file(&[o.matrix(1, [u32::MAX >> 1, u32::MAX >> 1], "a", &[])]);
    let mut damaged = o.file(&[compressed(&o.doubles("a", [1, 1], &[1.0]))]);
    damaged[140] ^= 0xff;
    for bad in [&good[..100], &good[..150], &order, &wrong_count, &wrong_type, &huge, &damaged] {
        let error = read_mat(bad, "bad.mat").unwrap_err();
        assert!(matches!(error, PoseError::Input { .. } | PoseError::Read { .. }));
        assert!(error.to_string().contains("bad.mat"), "{error}");
    }
    // Nested deeper than any calibration.
    let mut deep = o.doubles("", [1, 1], &[1.0]);
    for _ in 0..40 {
        deep = o.matrix(1, [1, 1], "a", &deep);
    }
    assert!(read_mat(&o.file(&[deep]), "deep.mat").is_err());
    let numbers = o.file(&[o.doubles("params", [1, 1], &[1.0])]);
    for bytes in [o.file(&[]), numbers, good] {
        assert!(Rig::from_dannce(&[("c.mat".to_owned(), bytes)]).is_err());
    }
    assert!(Rig::from_dannce(&[]).is_err());
}
