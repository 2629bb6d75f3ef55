//! Byte order of files.

use volkit_core::DType;

/// Order of the bytes of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endian {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

impl Endian {
    /// The order of this machine.
    pub const NATIVE: Self = if cfg!(target_endian = "big") { Self::Big } else { Self::Little };

    /// The order that elements of this type have in memory: [`volkit_core::F128`] keeps little-endian bytes everywhere.
    pub(crate) fn in_memory(dtype: DType) -> Self {
        if matches!(dtype, DType::F128 | DType::Complex256) { Self::Little } else { Self::NATIVE }
    }

    /// Turns elements of this order into the order in memory, or back.
    pub(crate) fn swap_if_needed(self, dtype: DType, bytes: &mut [u8]) {
        if self != Self::in_memory(dtype) {
            swap_bytes(dtype.swap_size(), bytes);
        }
    }
}

/// Reverses each group of `size` bytes.
fn swap_bytes(size: usize, bytes: &mut [u8]) {
    fn swap<const N: usize>(bytes: &mut [u8]) {
        let (groups, _) = bytes.as_chunks_mut::<N>();
        for group in groups {
            group.reverse();
        }
    }
    match size {
        2 => swap::<2>(bytes),
        4 => swap::<4>(bytes),
        8 => swap::<8>(bytes),
        16 => swap::<16>(bytes),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::{Endian, swap_bytes};
    use volkit_core::DType;

    #[test]
    fn swaps_groups_and_leaves_colours() {
        let mut bytes = [1, 2, 3, 4, 5, 6, 7, 8];
        swap_bytes(4, &mut bytes);
        assert_eq!(bytes, [4, 3, 2, 1, 8, 7, 6, 5]);
        Endian::Big.swap_if_needed(DType::Rgba32, &mut bytes);
        assert_eq!(bytes, [4, 3, 2, 1, 8, 7, 6, 5]);
        let mut wide: Vec<u8> = (0..16).collect();
        Endian::Big.swap_if_needed(DType::F128, &mut wide);
        assert_eq!(wide, (0..16).rev().collect::<Vec<u8>>());
    }
}
