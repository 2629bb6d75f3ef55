//! Convolution with 3 x 3 x 3 taps, or 1 x 3 x 3, by Winograd's algorithms, nested along the three axes.
//!
//! The output is cut into tiles of `mD x m x m` voxels. The `AD x A x A` inputs of a tile (`A = m + 2`) are transformed
//! along width, height and depth to as many points, at each of which the products over channels are a product of
//! matrices `[tiles x C_in] [C_in x C_out]`; the inverse transform of the results gives the outputs. A task is a block of
//! tiles and stays in the second-level cache, in three stages:
//!
//! 1. [`forward`]: whole rows of voxels are transformed along depth and height, so that neighbouring tiles share the
//!    work;
//! 2. [`multiply`]: for each point of depth and height, transformed along width, multiplied, transformed back along
//!    width, all within the first-level cache;
//! 3. [`inverse`]: the results are whole rows again, are transformed back along depth and height, pass the epilogue and
//!    are stored.
//!
//! Each tile goes through the same operations in the same order whatever block or call it belongs to. [`idle`] are those
//! that are left out.

mod ahead;
mod forward;
mod grid;
mod idle;
mod inverse;
mod multiply;
mod pack;
mod points;
mod room;

use std::marker::PhantomData;
use std::ops::Range;

use self::grid::{Axis, Grid};
use self::pack::{Factors, Measure};
use self::points::{F1, F2, F4, OneTap, Points};
use self::room::{Parts, Room};
use super::finish::Finish;
use super::scratch::with_scratch;
use super::tile::most_scalars;
use super::{Algorithm, ConvShape, Epilogue, SourceKind};
use crate::background::Background;
use crate::simd::{Body, Lane, dispatch};
use crate::{Isa, Layout, Planes, PlanesMut, Threads};

/// A packed Winograd convolution.
#[derive(Debug)]
pub(super) struct Winograd {
    dilation: [usize; 3],
    /// Taps along depth: 3, or 1.
    depth_taps: usize,
    channels: [usize; 2],
    /// Output voxels of a tile along depth, and along height and width.
    tile: [usize; 2],
    factors: Factors,
    /// Of each output and input channel, the sum of all taps.
    tap_sums: Vec<f64>,
    finish: Finish,
    isa: Isa,
    registers: usize,
}

/// Tiles that a task computes.
#[derive(Clone)]
struct Task<'a> {
    conv: &'a Winograd,
    sources: &'a [Planes<'a>],
    out: Target,
    grid: &'a Grid,
    /// Output planes to store.
    planes: &'a Range<usize>,
    /// Groups of tiles.
    groups: Range<usize>,
    room: &'a Room,
}

/// The output, shared by tasks that write disjoint voxels.
#[derive(Clone, Copy, Debug)]
struct Target {
    data: *mut f32,
    layout: Layout,
}

// SAFETY: the pointer comes from an exclusive borrow that outlives the tasks, and tasks write disjoint floats.
unsafe impl Send for Target {}
// SAFETY: as above.
unsafe impl Sync for Target {}

impl Winograd {
    /// Packs checked weights of a kernel that the algorithm supports for an instruction set that this machine has; nothing for
    /// [`Algorithm::Direct`].
    pub(super) fn new(
        shape: &ConvShape,
        (weight, bias): (&[f32], Option<&[f32]>),
        epilogue: Epilogue,
        (algorithm, isa): (Algorithm, Isa),
        threads: &Threads,
    ) -> Option<Self> {
        // SAFETY: the body asks for nothing.
        let [n_lanes, registers] = unsafe { dispatch(isa, Measure) };
        let channels = [shape.c_in, shape.c_out];
        let lanes = [n_lanes, if registers < 32 { 2 } else { 3 }];
        let depth_taps = shape.kernel[0];
        let (tile, factors) = match algorithm {
            Algorithm::Direct => return None,
            Algorithm::Winograd122 if depth_taps == 1 => {
                ([1, 2], Factors::new::<OneTap, F2>(weight, channels, lanes, threads))
            }
            Algorithm::Winograd144 if depth_taps == 1 => {
                ([1, 4], Factors::new::<OneTap, F4>(weight, channels, lanes, threads))
            }
            Algorithm::Winograd122 => ([1, 2], Factors::new::<F1, F2>(weight, channels, lanes, threads)),
            Algorithm::Winograd222 => ([2, 2], Factors::new::<F2, F2>(weight, channels, lanes, threads)),
            Algorithm::Winograd144 => ([1, 4], Factors::new::<F1, F4>(weight, channels, lanes, threads)),
            Algorithm::Winograd244 => ([2, 4], Factors::new::<F2, F4>(weight, channels, lanes, threads)),
            Algorithm::Winograd444 => ([4, 4], Factors::new::<F4, F4>(weight, channels, lanes, threads)),
        };
        // Vectors of rows begin at any channel and run on into the next voxel.
        let repeat = |x: &[f32]| -> Vec<f32> { x.iter().copied().cycle().take(x.len() + n_lanes).collect() };
        let scale_shift = epilogue.scale_shift.map(|(scale, shift)| (repeat(&scale), repeat(&shift)));
        let epilogue = Epilogue { scale_shift, ..epilogue };
        let finish = Finish::new(bias.map(repeat).as_deref(), epilogue, shape.c_out + n_lanes);
        let sum = |taps: &[f32]| taps.iter().map(|w| f64::from(*w)).sum();
        let tap_sums = weight.chunks(shape.taps()).map(sum).collect();
        Some(Self { dilation: shape.dilation, depth_taps, channels, tile, factors, tap_sums, finish, isa, registers })
    }

    /// Bytes of the packed weights.
    pub(super) fn packed_bytes(&self) -> usize {
        self.factors.bytes()
    }

    /// Planes of a tensor of `depth` planes that are computed together.
    pub(super) fn plane_step(&self, depth: usize) -> usize {
        if self.tile[0] == 1 { 1 } else { self.axis(0, depth).group() }
    }

    /// Floats of scratch that a task takes which computes `planes` of a tensor of `size`.
    pub(super) fn scratch_floats(
        &self,
        sources: &[SourceKind],
        size: [usize; 3],
        planes: &Range<usize>,
        n_threads: usize,
    ) -> usize {
        let grid = Grid::new(std::array::from_fn(|i| self.axis(i, size[i])), planes, |_, _| Vec::new());
        if grid.n_groups() == 0 { 0 } else { Room::new(self, &grid, sources, n_threads).len() }
    }

    fn axis(&self, axis: usize, len: usize) -> Axis {
        Axis::new(self.tile[usize::from(axis > 0)], self.dilation[axis], len)
    }

    /// Computes `planes` of checked tensors that are not empty, but for groups of tiles that read background only.
    pub(super) fn run(
        &self,
        sources: &[Planes<'_>],
        out: &mut PlanesMut<'_>,
        planes: &Range<usize>,
        threads: &Threads,
        background: Option<Background<'_>>,
    ) {
        let size = out.layout().size();
        let axes = std::array::from_fn(|i| self.axis(i, size[i]));
        let grid = match background {
            None => Grid::new(axes, planes, |_, _| Vec::new()),
            Some(Background { source, out: mask }) => {
                let mut rows = Vec::new();
                let grid = Grid::new(axes, planes, |plane, row| {
                    let idle = self.idle_groups(&axes, (plane, row), source);
                    rows.extend(self.rows_of(&axes, planes, (plane, row), &idle));
                    idle
                });
                mask.set(out.data_mut(), rows, threads);
                grid
            }
        };
        if grid.n_groups() > 0 {
            self.run_on(&grid, sources, out, planes, threads);
        }
    }

    /// Computes the tiles of a grid that has some.
    fn run_on(
        &self,
        grid: &Grid,
        sources: &[Planes<'_>],
        out: &mut PlanesMut<'_>,
        planes: &Range<usize>,
        threads: &Threads,
    ) {
        let layout = *out.layout();
        let out = Target { data: out.data_mut().as_mut_ptr(), layout };
        let kinds: Vec<SourceKind> = sources.iter().map(SourceKind::from).collect();
        let room = Room::new(self, grid, &kinds, threads.count());
        let blocks: Vec<Range<usize>> = room.blocks(grid).collect();
        let room = &room;
        let task = |index: usize| {
            let groups = blocks.get(index)?.clone();
            Some(Task { conv: self, sources, out, grid, planes, groups, room })
        };
        threads.for_each(blocks.len(), |index| {
            // Tasks are handed out in order, so this thread's next one is about as many further as there are threads.
            let (Some(task), next) = (task(index), task(index + threads.count())) else { return };
            with_scratch(room.len(), |scratch| {
                let parts = room.split(scratch);
                // SAFETY: tensors were checked before the call, tiles write disjoint voxels, and the scratch has the
                // room that the task asks for.
                unsafe {
                    match self.tile {
                        [1, 2] if self.depth_taps == 1 => {
                            dispatch(self.isa, Run::<OneTap, F2>(task, next, parts, PhantomData));
                        }
                        [1, 4] if self.depth_taps == 1 => {
                            dispatch(self.isa, Run::<OneTap, F4>(task, next, parts, PhantomData));
                        }
                        [1, 2] => dispatch(self.isa, Run::<F1, F2>(task, next, parts, PhantomData)),
                        [2, 2] => dispatch(self.isa, Run::<F2, F2>(task, next, parts, PhantomData)),
                        [1, 4] => dispatch(self.isa, Run::<F1, F4>(task, next, parts, PhantomData)),
                        [2, 4] => dispatch(self.isa, Run::<F2, F4>(task, next, parts, PhantomData)),
                        _ => dispatch(self.isa, Run::<F4, F4>(task, next, parts, PhantomData)),
                    }
                }
            });
        });
    }

    /// The largest number of scalars in a register tile of `n_vectors` vectors.
    #[inline(always)]
    fn most_scalars(&self, n_vectors: usize) -> usize {
        most_scalars(self.registers, n_vectors)
    }
}

/// A task and the one that will probably follow, with the points of the depth axis and of height and width.
struct Run<'a, D, P>(Task<'a>, Option<Task<'a>>, Parts<'a>, PhantomData<(D, P)>);

impl<D: Points, P: Points> Body for Run<'_, D, P> {
    type Output = ();

    /// # Safety
    /// Tensors were checked, no other task writes the tiles' voxels, and the scratch has the length of its room.
    #[inline(always)]
    unsafe fn run<L: Lane>(self) {
        let Self(task, next, mut parts, _) = self;
        // SAFETY: passed on from the caller; each stage fills what the next one reads.
        unsafe {
            task.forward::<L, D, P>(&mut parts);
            task.multiply::<L, D, P>(next.as_ref(), &mut parts);
            task.inverse::<L, D, P>(&mut parts);
        }
    }
}
