//! The eight ways in which a square can lie.

/// A way in which a square patch can lie: mirrored or not, then turned by quarters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Orientation {
    transposed: bool,
    mirrored_x: bool,
    mirrored_y: bool,
}

impl Orientation {
    /// As it is.
    pub const AS_IS: Self = Self { transposed: false, mirrored_x: false, mirrored_y: false };

    /// One of the eight by its number modulo 8; 0 is as it is.
    #[must_use]
    pub fn number(number: usize) -> Self {
        Self { transposed: number & 1 != 0, mirrored_x: number & 2 != 0, mirrored_y: number & 4 != 0 }
    }

    /// Planes `[C, S, S]` laid that way, each alike.
    #[must_use]
    pub fn turned<T: Copy>(self, planes: &[T], size: usize) -> Vec<T> {
        if self == Self::AS_IS {
            return planes.to_vec();
        }
        let flip = |mirrored: bool, i: usize| if mirrored { size - 1 - i } else { i };
        let mut turned = Vec::with_capacity(planes.len());
        for plane in planes.chunks_exact((size * size).max(1)) {
            for y in 0..size {
                for x in 0..size {
                    let (x, y) = (flip(self.mirrored_x, x), flip(self.mirrored_y, y));
                    turned.push(plane[if self.transposed { x * size + y } else { y * size + x }]);
                }
            }
        }
        turned
    }
}
