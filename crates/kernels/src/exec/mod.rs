//! Runs a whole network out of one arena, a few planes at a time.
//!
//! A [`GraphBuilder`] makes a [`Graph`], [`Plan::new`] fixes its schedule and its memory for one input size, and an
//! [`Executor`] owns that memory and runs the plan as often as wanted. The schedule is driven by demand: the sink asks
//! for output planes in order, and a node computes planes only when a consumer needs them. Each tensor is a ring of
//! exactly as many planes as that schedule ever holds at once, and rings that never live at the same time share
//! memory. Each plane is computed once (unless the graph holds a node twice), by the same operations as layer by
//! layer, so the result does not depend on the plan, to the bit.

mod arena;
mod demand;
mod graph;
mod place;
mod plan;
mod run;
mod schedule;
mod stream;
mod transposed;
mod workspace;

pub use graph::{Graph, GraphBuilder, Source, TensorId};
pub use plan::{Blocks, Plan, PlanOptions};
pub use run::{Executor, no_progress};
pub use stream::{BoxError, LabelSink, PlaneSink, PlaneSource, SliceSink, SliceSource};
pub use transposed::Transposed;
pub use workspace::Workspace;
