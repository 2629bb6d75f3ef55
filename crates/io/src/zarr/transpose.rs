//! Turning the axes of an array.

use crate::boxes::advance;

/// Turns an array of `shape` so that axis `i` of the result is axis `order[i]`; `inverse` undoes it (`shape` is that of
/// the array before turning in both cases).
pub(crate) fn transpose(
    from: &[u8],
    to: &mut [u8],
    (shape, order): (&[usize], &[usize]),
    element: usize,
    inverse: bool,
) {
    let mut strides = vec![1; shape.len()];
    for axis in (0..shape.len().saturating_sub(1)).rev() {
        strides[axis] = strides[axis + 1] * shape[axis + 1];
    }
    let turned: Vec<usize> = order.iter().map(|&axis| shape[axis]).collect();
    if turned.contains(&0) {
        return;
    }
    let steps: Vec<usize> = order.iter().map(|&axis| strides[axis]).collect();
    let mut index = vec![0; shape.len()];
    let mut linear = 0;
    loop {
        let offset: usize = index.iter().zip(&steps).map(|(i, step)| i * step).sum();
        let (source, target) = if inverse { (linear, offset) } else { (offset, linear) };
        to[target * element..][..element].copy_from_slice(&from[source * element..][..element]);
        linear += 1;
        if !advance(&mut index, &turned) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::transpose;

    #[test]
    fn turning_and_back() {
        let from: Vec<u8> = (0..24).collect();
        let (shape, order) = ([2, 3, 4], [2, 0, 1]);
        let (mut turned, mut back) = (vec![0; 24], vec![0; 24]);
        transpose(&from, &mut turned, (&shape, &order), 1, false);
        // The result has shape [4, 2, 3]: its element [1, 0, 2] is [0, 2, 1] of the array.
        assert_eq!(turned[6 + 2], from[2 * 4 + 1]);
        transpose(&turned, &mut back, (&shape, &order), 1, true);
        assert_eq!(back, from);
    }
}
