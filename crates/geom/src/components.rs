//! Connected components of a mask.

use std::ops::Range;

use rayon::prelude::*;

use crate::GeomError;
use crate::error::{check_len, filled};

const OP: &str = "components";

/// Voxels next to each other along the first axis.
#[derive(Clone, Copy, Debug)]
struct Run {
    start: u32,
    end: u32,
    /// Row `j + ny * k`.
    row: u32,
}

/// The 6-connected components of a mask: voxels that share a face belong together.
///
/// Components are numbered from 1 in the order in which a scan meets them that runs fastest along the **last** spatial
/// axis, then along the second, slowest along the first. In memory, where the first axis runs fastest, component 1
/// therefore holds the voxel `(i, j, k)` whose index `(i * ny + j) * nz + k` is least.
#[derive(Clone, Debug)]
pub struct Components {
    size: [usize; 3],
    runs: Vec<Run>,
    /// Number of the component of each run, from 0.
    number: Vec<u32>,
    sizes: Vec<usize>,
}

/// Finds the 6-connected components of the voxels that differ from `T::default()` (zero, false).
///
/// # Errors
/// [`GeomError::Length`]; [`GeomError::TooLarge`] for an axis or a number of rows past 2^32 - 1.
pub fn components<T>(mask: &[T], size: [usize; 3]) -> Result<Components, GeomError>
where
    T: Copy + PartialEq + Default + Sync,
{
    check_len(OP, size, mask.len())?;
    let [nx, ny, nz] = size;
    let fits = |n: usize| n < u32::MAX as usize;
    if !fits(nx) || !fits(ny * nz) || !fits((nx / 2 + 1).saturating_mul(ny * nz)) && !fits(mask.len()) {
        return Err(GeomError::TooLarge { op: OP, size: size.to_vec() });
    }
    if mask.is_empty() {
        return Ok(Components { size, runs: Vec::new(), number: Vec::new(), sizes: Vec::new() });
    }
    let planes: Vec<Plane> =
        mask.par_chunks_exact(nx * ny).enumerate().map(|(k, plane)| Plane::of(plane, nx, k * ny)).collect();
    let mut runs = Vec::with_capacity(planes.iter().map(|plane| plane.runs.len()).sum());
    let mut first_of_row = Vec::with_capacity(ny * nz + 1);
    for plane in planes {
        first_of_row.extend(plane.first_of_row.iter().map(|first| first + runs.len()));
        runs.extend(plane.runs);
    }
    first_of_row.push(runs.len());
    let mut forest = Forest { parent: (0..runs.len() as u32).collect() };
    let row = |j: usize, k: usize| first_of_row[k * ny + j]..first_of_row[k * ny + j + 1];
    for k in 0..nz {
        for j in 0..ny {
            if j > 0 {
                forest.join_touching(&runs, row(j - 1, k), row(j, k));
            }
            if k > 0 {
                forest.join_touching(&runs, row(j, k - 1), row(j, k));
            }
        }
    }
    Ok(numbered(size, runs, forest))
}

/// Clears all of the mask but its largest 6-connected component (the one with the lowest number of equally large ones)
/// and gives its size in voxels; 0 for a mask without voxels, which stays as it is.
///
/// # Errors
/// As [`components`].
pub fn keep_largest<T>(mask: &mut [T], size: [usize; 3]) -> Result<usize, GeomError>
where
    T: Copy + PartialEq + Default + Sync,
{
    let found = components(mask, size)?;
    let Some(largest) = found.largest() else { return Ok(0) };
    for (number, range) in found.runs() {
        if number != largest {
            mask[range].fill(T::default());
        }
    }
    Ok(found.sizes()[largest - 1])
}

impl Components {
    /// Number of components.
    #[must_use]
    pub fn count(&self) -> usize {
        self.sizes.len()
    }

    /// Voxels of each component; component `n` is entry `n - 1`.
    #[must_use]
    pub fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    /// Number of the largest component, the lowest of equally large ones; `None` when there is none.
    #[must_use]
    pub fn largest(&self) -> Option<usize> {
        let best = self.sizes.iter().copied().max()?;
        self.sizes.iter().position(|&n| n == best).map(|at| at + 1)
    }

    /// The runs of voxels of all components in memory order: the component's number and the range in the slice.
    pub fn runs(&self) -> impl Iterator<Item = (usize, Range<usize>)> + '_ {
        let nx = self.size[0];
        self.runs.iter().zip(&self.number).map(move |(run, &number)| {
            let at = run.row as usize * nx;
            (number as usize + 1, at + run.start as usize..at + run.end as usize)
        })
    }

    /// The number of each voxel's component; 0 outside.
    ///
    /// # Errors
    /// [`GeomError::TooLarge`] when the memory can not be had.
    pub fn labels(&self) -> Result<Vec<u32>, GeomError> {
        let mut labels = filled(OP, self.size, 0u32)?;
        for (number, range) in self.runs() {
            labels[range].fill(number as u32);
        }
        Ok(labels)
    }

    /// The voxels of one component.
    ///
    /// # Errors
    /// [`GeomError::TooLarge`] when the memory can not be had.
    pub fn mask_of(&self, component: usize) -> Result<Vec<bool>, GeomError> {
        let mut mask = filled(OP, self.size, false)?;
        for (_, range) in self.runs().filter(|(number, _)| *number == component) {
            mask[range].fill(true);
        }
        Ok(mask)
    }
}

/// The runs of one plane and where each row's begin.
struct Plane {
    runs: Vec<Run>,
    first_of_row: Vec<usize>,
}

impl Plane {
    fn of<T: Copy + PartialEq + Default>(plane: &[T], nx: usize, first_row: usize) -> Self {
        let mut found = Self { runs: Vec::new(), first_of_row: Vec::with_capacity(plane.len() / nx) };
        let is_set = |value: &T| *value != T::default();
        for (j, row) in plane.chunks_exact(nx).enumerate() {
            found.first_of_row.push(found.runs.len());
            let mut at = 0;
            while let Some(start) = row[at..].iter().position(is_set).map(|skip| at + skip) {
                let end = row[start..].iter().position(|value| !is_set(value)).map_or(nx, |len| start + len);
                found.runs.push(Run { start: start as u32, end: end as u32, row: (first_row + j) as u32 });
                at = end;
            }
        }
        found
    }
}

/// Union-find over runs; a root is the lowest run of its tree.
struct Forest {
    parent: Vec<u32>,
}

impl Forest {
    fn root(&mut self, mut run: u32) -> u32 {
        while self.parent[run as usize] != run {
            let up = self.parent[self.parent[run as usize] as usize];
            self.parent[run as usize] = up;
            run = up;
        }
        run
    }

    fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.root(a), self.root(b));
        self.parent[a.max(b) as usize] = a.min(b);
    }

    /// Joins the runs of two neighbouring rows that overlap.
    fn join_touching(&mut self, runs: &[Run], a: Range<usize>, b: Range<usize>) {
        let (mut i, mut j) = (a.start, b.start);
        while i < a.end && j < b.end {
            if runs[i].start < runs[j].end && runs[j].start < runs[i].end {
                self.join(i as u32, j as u32);
            }
            if runs[i].end <= runs[j].end {
                i += 1;
            } else {
                j += 1;
            }
        }
    }
}

fn numbered(size: [usize; 3], runs: Vec<Run>, mut forest: Forest) -> Components {
    let [_, ny, nz] = size;
    // Roots come before their runs, so a component is known when its first run is met.
    let mut component = vec![u32::MAX; runs.len()];
    let mut sizes: Vec<usize> = Vec::new();
    let mut first_met: Vec<u128> = Vec::new();
    for (at, run) in runs.iter().enumerate() {
        let root = forest.root(at as u32) as usize;
        if root == at {
            component[at] = sizes.len() as u32;
            sizes.push(0);
            first_met.push(u128::MAX);
        }
        let which = component[root] as usize;
        component[at] = component[root];
        sizes[which] += (run.end - run.start) as usize;
        let (j, k) = (run.row as usize % ny, run.row as usize / ny);
        let scan_index = (u128::from(run.start) * ny as u128 + j as u128) * nz as u128 + k as u128;
        first_met[which] = first_met[which].min(scan_index);
    }
    let mut by_scan: Vec<u32> = (0..sizes.len() as u32).collect();
    by_scan.sort_unstable_by_key(|&which| first_met[which as usize]);
    let mut rank = vec![0u32; sizes.len()];
    for (number, &which) in by_scan.iter().enumerate() {
        rank[which as usize] = number as u32;
    }
    let sizes = by_scan.iter().map(|&which| sizes[which as usize]).collect();
    let number = component.into_iter().map(|which| rank[which as usize]).collect();
    Components { size, runs, number, sizes }
}
