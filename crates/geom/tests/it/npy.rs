//! A reader of the npy files among the expected results.

use std::path::Path;

/// An array of three axes, put into voxel order (first axis fastest).
pub(crate) struct Npy {
    pub(crate) size: [usize; 3],
    pub(crate) values: Vec<f64>,
}

/// Reads a C-order f8 or f4 array.
pub(crate) fn read(path: &Path) -> Npy {
    let bytes = std::fs::read(path).unwrap();
    assert_eq!(&bytes[..6], b"\x93NUMPY", "{}", path.display());
    let (length, at) = match bytes[6] {
        1 => (u16::from_le_bytes([bytes[8], bytes[9]]) as usize, 10),
        _ => (u32::from_le_bytes(bytes[8..12].try_into().unwrap()) as usize, 12),
    };
    let header = std::str::from_utf8(&bytes[at..at + length]).unwrap();
    let data = &bytes[at + length..];
    assert!(header.contains("'fortran_order': False"), "{header}");
    let shape = header.split("'shape': (").nth(1).unwrap().split(')').next().unwrap();
    let shape: Vec<usize> = shape.split(',').filter_map(|n| n.trim().parse().ok()).collect();
    let values: Vec<f64> = if header.contains("<f8") {
        data.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect()
    } else {
        assert!(header.contains("<f4"), "{header}");
        data.chunks_exact(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap()))).collect()
    };
    let [nx, ny, nz] = shape[..] else { panic!("{}: shape {shape:?}", path.display()) };
    assert_eq!(values.len(), nx * ny * nz);
    let mut swapped = Vec::with_capacity(values.len());
    for k in 0..nz {
        for j in 0..ny {
            for i in 0..nx {
                swapped.push(values[(i * ny + j) * nz + k]);
            }
        }
    }
    Npy { size: [nx, ny, nz], values: swapped }
}
