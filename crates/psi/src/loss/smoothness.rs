//! The mean squared Laplacian of an image, and its gradient.

/// Laplacian of an image `[H, W]` by the five-point kernel, zeros around it.
pub(super) fn laplacian(image: &[f64], [height, width]: [usize; 2], out: &mut [f64]) {
    let at = |y: usize, x: usize| image[y * width + x];
    for y in 0..height {
        for x in 0..width {
            let mut sum = -4.0 * at(y, x);
            if y > 0 {
                sum += at(y - 1, x);
            }
            if y + 1 < height {
                sum += at(y + 1, x);
            }
            if x > 0 {
                sum += at(y, x - 1);
            }
            if x + 1 < width {
                sum += at(y, x + 1);
            }
            out[y * width + x] = sum;
        }
    }
}
