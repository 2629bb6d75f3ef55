//! Codecs there and back, and streams that lie.

use super::{Size, Stage};
use crate::Endian;
use volkit_core::DType;

fn ramp() -> Vec<u8> {
    (0..3000_u32).flat_map(|x| ((x * x / 50) as u16).to_le_bytes()).collect()
}

fn written() -> Vec<Stage> {
    vec![
        Stage::Gzip { level: 5 },
        Stage::Zlib { level: 1 },
        Stage::Zstd { level: 3, checksum: false },
        Stage::Zstd { level: -5, checksum: true },
        Stage::Crc32c,
        Stage::Shuffle { element_size: 2 },
        Stage::Shuffle { element_size: 1 },
    ]
}

#[test]
fn there_and_back() {
    for stage in written() {
        for bytes in [ramp(), Vec::new(), vec![7; 6]] {
            let encoded = stage.encode(bytes.clone()).unwrap();
            assert!(encoded.len() <= stage.encoded_size(Size::Exactly(bytes.len())).most(), "{stage:?}");
            assert_eq!(stage.decode(&encoded, Size::Exactly(bytes.len())).unwrap(), bytes, "{stage:?}");
            assert_eq!(stage.decode(&encoded, Size::AtMost(bytes.len() + 9)).unwrap(), bytes, "{stage:?}");
        }
    }
}

#[test]
fn more_or_less_than_the_chunk_is_damage() {
    let bytes = ramp();
    for stage in written() {
        let encoded = stage.encode(bytes.clone()).unwrap();
        for wanted in [bytes.len() - 2, bytes.len() + 2, 0] {
            assert!(stage.decode(&encoded, Size::Exactly(wanted)).is_err(), "{stage:?} {wanted}");
        }
        if stage.compresses() {
            assert!(stage.decode(&encoded, Size::AtMost(bytes.len() - 1)).is_err(), "{stage:?}");
            assert!(stage.decode(&encoded[..encoded.len() / 2], Size::Exactly(bytes.len())).is_err(), "{stage:?}");
        }
        assert!(stage.decode(&[], Size::Exactly(bytes.len())).is_err(), "{stage:?}");
    }
}

#[test]
fn a_flipped_bit_shows_where_there_is_a_sum() {
    for stage in
        [Stage::Gzip { level: 0 }, Stage::Zlib { level: 0 }, Stage::Crc32c, Stage::Zstd { level: 1, checksum: true }]
    {
        let mut encoded = stage.encode(ramp()).unwrap();
        let middle = encoded.len() / 2;
        encoded[middle] ^= 4;
        assert!(stage.decode(&encoded, Size::Exactly(6000)).is_err(), "{stage:?}");
    }
}

#[test]
fn running_sums() {
    let steps: Vec<u8> = [5_i32, -2, 0, 10].iter().flat_map(|x| x.to_le_bytes()).collect();
    let stage = Stage::Delta { dtype: DType::I32, endian: Endian::Little };
    let sums: Vec<u8> = [5_i32, 3, 3, 13].iter().flat_map(|x| x.to_le_bytes()).collect();
    assert_eq!(stage.decode(&steps, Size::Exactly(16)).unwrap(), sums);
    let stage = Stage::Delta { dtype: DType::U8, endian: Endian::Little };
    assert_eq!(stage.decode(&[250, 10], Size::AtMost(2)).unwrap(), [250, 4]);
    let stage = Stage::Delta { dtype: DType::F64, endian: Endian::Big };
    let steps: Vec<u8> = [0.5_f64, 0.25].iter().flat_map(|x| x.to_be_bytes()).collect();
    let sums: Vec<u8> = [0.5_f64, 0.75].iter().flat_map(|x| x.to_be_bytes()).collect();
    assert_eq!(stage.decode(&steps, Size::Exactly(16)).unwrap(), sums);
    assert!(!stage.is_written() && stage.encode(steps).is_err());
}

#[test]
fn lz4_blocks_carry_their_size() {
    // Token 0x40: four literals and no match.
    let block = [4, 0, 0, 0, 0x40, 1, 2, 3, 4];
    assert_eq!(Stage::Lz4.decode(&block, Size::Exactly(4)).unwrap(), [1, 2, 3, 4]);
    assert_eq!(Stage::Lz4.decode(&block, Size::AtMost(40)).unwrap(), [1, 2, 3, 4]);
    assert!(Stage::Lz4.decode(&block, Size::Exactly(5)).is_err());
    assert!(Stage::Lz4.decode(&block[..7], Size::Exactly(4)).is_err());
    assert!(Stage::Lz4.decode(&[255, 255, 255, 255, 0], Size::AtMost(100)).is_err());
}

#[test]
fn shuffled_bytes_lie_by_their_place() {
    let stage = Stage::Shuffle { element_size: 2 };
    assert_eq!(stage.encode(vec![1, 2, 3, 4, 5, 6]).unwrap(), [1, 3, 5, 2, 4, 6]);
    assert!(stage.encode(vec![1, 2, 3]).is_err());
}
