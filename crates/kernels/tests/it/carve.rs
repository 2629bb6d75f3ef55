//! Votes of silhouettes.

use volkit_kernels::{Beyond, Carve, Isa, KernelError, Silhouette, Threads};

/// A camera at depth `k + 1` that looks along the last axis: pixel `(i, j)` for every `k` once divided.
const ALONG_LAST: [[f32; 4]; 3] = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]];

fn count(isa: Isa, beyond: Beyond, views: &[Silhouette<'_>], grid: [usize; 3], threads: usize) -> [Vec<u8>; 2] {
    let n = grid.iter().product();
    let [mut votes, mut misses] = [vec![9; n], vec![9; n]];
    let carve = Carve::new(isa, beyond).expect("available");
    carve.count(views, grid, [&mut votes, &mut misses], &Threads::new(threads)).expect("sizes fit");
    [votes, misses]
}

/// The definition, point by point.
fn by_definition(beyond: Beyond, views: &[Silhouette<'_>], grid: [usize; 3]) -> [Vec<u8>; 2] {
    let mut counts = [Vec::new(), Vec::new()];
    for n in 0..grid.iter().product::<usize>() {
        let point = [n / (grid[1] * grid[2]), n / grid[2] % grid[1], n % grid[2]].map(|x| x as f32);
        let mut sums = [0, 0];
        for view in views {
            let [rows, columns] = view.size.map(|n| n as f32);
            let [u, v, w] =
                view.pixel_from_grid.map(|[x, y, z, shift]| z.mul_add(point[2], x * point[0] + (y * point[1] + shift)));
            let w = if beyond == Beyond::Border { w + 1e-8 } else { w };
            let (x, y) = ((u / w).round_ties_even(), (v / w).round_ties_even());
            let shown = x >= 0.0 && x <= columns - 1.0 && y >= 0.0 && y <= rows - 1.0 && w > 0.0;
            if beyond == Beyond::Unknown && !shown {
                continue;
            }
            let clamp = |x: f32, last: f32| if x > 0.0 { x.min(last) } else { 0.0 };
            let at = clamp(y, rows - 1.0) as usize * view.size[1] + clamp(x, columns - 1.0) as usize;
            sums[usize::from(view.mask[at] == 0)] += 1;
        }
        counts[0].push(sums[0]);
        counts[1].push(sums[1]);
    }
    counts
}

#[test]
fn a_square_by_hand() {
    // Pixel (row 1, column 0) is inside; grid axis 0 is the column, axis 1 the row.
    let mask = [0, 0, 255, 0];
    let view = Silhouette { mask: &mask, size: [2, 2], pixel_from_grid: ALONG_LAST };
    let [votes, misses] = count(Isa::Scalar, Beyond::Unknown, &[view, view], [3, 2, 2], 1);
    assert_eq!(votes, [0, 0, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0]);
    // The last column of the grid is outside of the picture.
    assert_eq!(misses, [2, 2, 0, 0, 2, 2, 2, 2, 0, 0, 0, 0]);
    let [votes, misses] = count(Isa::Scalar, Beyond::Border, &[view], [3, 2, 2], 1);
    assert_eq!(votes, [0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(misses, [1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]);
}

#[test]
fn every_instruction_set_counts_as_defined() {
    // Cameras that look at the grid from several sides, through it, and from behind.
    let masks: Vec<Vec<u8>> =
        (0..4u32).map(|view| (0..37 * 53u32).map(|i| u8::from((i * 7 + view * 11) % 13 < 6) * 200).collect()).collect();
    let matrices = [
        [[2.1, 0.3, 0.4, 40.0], [0.2, 1.9, -0.3, 30.0], [0.01, 0.02, 0.03, 1.5]],
        [[-3.0, 0.1, 0.7, 60.0], [0.5, -2.0, 0.1, 70.0], [-0.05, 0.0, 0.02, 2.0]],
        [[1.0, 1.0, 1.0, -9.0], [1.0, -1.0, 0.5, 3.0], [0.1, 0.1, 0.1, -0.8]],
        [[1.3, 0.0, 0.2, 0.5], [0.0, 0.0, 2.5, 0.25], [0.0, 0.0, 0.0, 1.0]],
    ];
    let view = |(mask, pixel_from_grid)| Silhouette { mask, size: [37, 53], pixel_from_grid };
    let views: Vec<_> = masks.iter().map(Vec::as_slice).zip(matrices).map(view).collect();
    for grid in [[5, 3, 1], [1, 1, 7], [4, 6, 63], [2, 3, 64], [3, 2, 130], [0, 4, 4]] {
        for beyond in [Beyond::Unknown, Beyond::Border] {
            let wanted = by_definition(beyond, &views, grid);
            for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
                for threads in [1, 3] {
                    assert_eq!(count(isa, beyond, &views, grid, threads), wanted, "{grid:?} {beyond:?} {isa:?}");
                }
            }
        }
    }
}

#[test]
fn no_silhouette_says_nothing() {
    assert_eq!(count(Isa::detect(), Beyond::Unknown, &[], [1, 2, 3], 2), [vec![0; 6], vec![0; 6]]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let carve = Carve::new(Isa::detect(), Beyond::Unknown).expect("available");
    let refused = |size, n_pixels, n_views, lengths: [usize; 2]| {
        let mask = vec![0; n_pixels];
        let views = vec![Silhouette { mask: &mask, size, pixel_from_grid: ALONG_LAST }; n_views];
        let [mut votes, mut misses] = lengths.map(|n| vec![0; n]);
        carve.count(&views, [1, 1, 2], [&mut votes, &mut misses], &Threads::single()).unwrap_err()
    };
    assert!(matches!(refused([1, 1], 1, 1, [2, 3]), KernelError::Shape { op: "carve", .. }));
    assert!(matches!(refused([2, 2], 3, 1, [2, 2]), KernelError::Shape { .. }));
    assert!(matches!(refused([0, 2], 0, 1, [2, 2]), KernelError::Parameter { name: "size", .. }));
    assert!(matches!(refused([4096, 4096], 1, 1, [2, 2]), KernelError::Parameter { name: "size", .. }));
    assert!(matches!(refused([1, 1], 1, 256, [2, 2]), KernelError::Parameter { name: "silhouettes", .. }));
}
