//! The order in which stages compute planes, and what must be in memory meanwhile.

use std::ops::Range;

use super::demand::Reach;

/// A node of the graph as the schedule sees it.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    /// What it reads. Every feed names an earlier stage.
    pub(crate) feeds: Vec<Feed>,
    /// Planes it makes.
    pub(crate) depth: usize,
    /// Planes it makes at a time (the last block may be shorter).
    pub(crate) block: usize,
    /// Whether it hands planes to the caller instead of making a tensor.
    pub(crate) is_sink: bool,
}

/// One source of a stage.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Feed {
    /// Index of the stage that makes it.
    pub(crate) stage: usize,
    /// What is read of it.
    pub(crate) reach: Reach,
}

/// One block of one stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Index of the stage.
    pub(crate) stage: usize,
    /// Planes that it makes.
    pub(crate) planes: Range<usize>,
}

/// Steps in order, and what each stage's tensor needs of memory.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    /// Steps in the order of execution.
    pub(crate) steps: Vec<Step>,
    /// Planes that the tensor of each stage ever holds at once; 0 for a stage without a tensor or that never runs.
    pub(crate) slots: Vec<usize>,
    /// From the first step that writes the tensor to behind the last step that touches it; empty if none does.
    pub(crate) lives: Vec<Range<usize>>,
}

impl Schedule {
    /// Lets the sinks ask for their planes in order, each block when the others are as far, and records what follows.
    pub(crate) fn new(stages: &[Stage]) -> Self {
        let mut demand = Demand::new(stages);
        let sinks: Vec<usize> = (0..stages.len()).filter(|&s| stages[s].is_sink).collect();
        // The sink that is least far along goes next: sinks of one source then share its window.
        while let Some(&sink) = sinks.iter().filter(|&&s| demand.made[s] < stages[s].depth).min_by(|&&a, &&b| {
            let (done_a, done_b) = (demand.made[a] * stages[b].depth, demand.made[b] * stages[a].depth);
            done_a.cmp(&done_b)
        }) {
            demand.make_block(sink);
        }
        Self { steps: demand.steps, slots: demand.slots, lives: demand.lives }
    }
}

struct Demand<'a> {
    stages: &'a [Stage],
    /// Per stage: its feeds, the one with the longest way from the input first.
    order: Vec<Vec<Feed>>,
    /// Per stage: who reads it, and how.
    readers: Vec<Vec<(usize, Reach)>>,
    made: Vec<usize>,
    steps: Vec<Step>,
    slots: Vec<usize>,
    lives: Vec<Range<usize>>,
}

impl<'a> Demand<'a> {
    fn new(stages: &'a [Stage]) -> Self {
        let n = stages.len();
        let mut readers = vec![Vec::new(); n];
        let mut rank = vec![0usize; n];
        let mut order = Vec::with_capacity(n);
        for (index, stage) in stages.iter().enumerate() {
            for feed in &stage.feeds {
                readers[feed.stage].push((index, feed.reach));
                rank[index] = rank[index].max(rank[feed.stage] + 1);
            }
            // The long way round first: what a short way makes (a skip that is computed again) then need not wait
            // in memory until the long way has been gone.
            let mut feeds = stage.feeds.clone();
            feeds.sort_by_key(|feed| std::cmp::Reverse(rank[feed.stage]));
            order.push(feeds);
        }
        Self { stages, order, readers, made: vec![0; n], steps: Vec::new(), slots: vec![0; n], lives: vec![0..0; n] }
    }

    /// Makes the next block of a stage, after what it needs.
    fn make_block(&mut self, index: usize) {
        let stage = &self.stages[index];
        let planes = self.made[index]..(self.made[index] + stage.block).min(stage.depth);
        for at in 0..self.order[index].len() {
            let feed = self.order[index][at];
            let needed = feed.reach.needs(&planes, self.stages[feed.stage].depth).end;
            while self.made[feed.stage] < needed {
                self.make_block(feed.stage);
            }
        }
        let step = self.steps.len();
        if !stage.is_sink {
            let kept = self.first_kept(index).min(planes.start);
            self.slots[index] = self.slots[index].max(planes.end - kept);
            self.touch(index, step);
        }
        for at in 0..self.order[index].len() {
            self.touch(self.order[index][at].stage, step);
        }
        self.made[index] = planes.end;
        self.steps.push(Step { stage: index, planes });
    }

    /// First plane of a tensor that some reader still needs.
    fn first_kept(&self, index: usize) -> usize {
        let depth = self.stages[index].depth;
        let unfinished =
            self.readers[index].iter().filter(|(reader, _)| self.made[*reader] < self.stages[*reader].depth);
        let firsts = unfinished.map(|(reader, reach)| {
            let made = self.made[*reader];
            reach.needs(&(made..made + 1), depth).start
        });
        firsts.min().unwrap_or(depth)
    }

    fn touch(&mut self, index: usize, step: usize) {
        let life = &mut self.lives[index];
        if life.end == 0 {
            life.start = step;
        }
        life.end = step + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(stage: usize, radius: usize) -> Feed {
        Feed { stage, reach: Reach::Window { radius, step: 1, upsampled: false } }
    }

    fn stage(feeds: Vec<Feed>, depth: usize, block: usize) -> Stage {
        Stage { feeds, depth, block, is_sink: false }
    }

    fn sink(of: usize, depth: usize, block: usize) -> Stage {
        Stage { feeds: vec![window(of, 0)], depth, block, is_sink: true }
    }

    #[test]
    fn a_chain_keeps_one_window_per_layer() {
        let stages =
            [stage(vec![], 20, 1), stage(vec![window(0, 1)], 20, 1), stage(vec![window(1, 4)], 20, 1), sink(2, 20, 1)];
        let schedule = Schedule::new(&stages);
        assert_eq!(schedule.slots, [3, 9, 1, 0]);
        assert_eq!(schedule.steps.len(), 80);
        // The first output plane needs planes 0..=4 of the middle layer and 0..=5 of the input.
        let before: Vec<usize> = schedule.steps.iter().take_while(|s| s.stage != 2).map(|s| s.stage).collect();
        assert_eq!(before.iter().filter(|s| **s == 0).count(), 6);
        assert_eq!(before.iter().filter(|s| **s == 1).count(), 5);
    }

    #[test]
    fn a_window_never_exceeds_the_depth() {
        let stages = [stage(vec![], 3, 1), stage(vec![window(0, 16)], 3, 1), sink(1, 3, 1)];
        assert_eq!(Schedule::new(&stages).slots, [3, 1, 0]);
    }

    #[test]
    fn whole_blocks_are_layer_by_layer() {
        let stages = [stage(vec![], 5, 5), stage(vec![window(0, 1)], 5, 5), sink(1, 5, 5)];
        let schedule = Schedule::new(&stages);
        let order: Vec<_> = schedule.steps.iter().map(|s| (s.stage, s.planes.clone())).collect();
        assert_eq!(order, [(0, 0..5), (1, 0..5), (2, 0..5)]);
        assert_eq!(schedule.slots, [5, 5, 0]);
        assert_eq!(schedule.lives, [0..2, 1..3, 0..0]);
    }

    #[test]
    fn a_norm_waits_for_its_whole_source_but_streams_its_result() {
        let whole = Feed { stage: 0, reach: Reach::Whole };
        let stages = [stage(vec![], 6, 1), stage(vec![whole], 6, 1), sink(1, 6, 1)];
        let schedule = Schedule::new(&stages);
        assert_eq!(schedule.slots, [6, 1, 0]);
        assert!(schedule.steps[..6].iter().all(|s| s.stage == 0));
    }

    #[test]
    fn a_tensor_that_nobody_reads_is_never_made() {
        let stages = [stage(vec![], 4, 1), stage(vec![window(0, 1)], 4, 1), sink(0, 4, 1)];
        let schedule = Schedule::new(&stages);
        assert!(schedule.steps.iter().all(|s| s.stage != 1));
        assert_eq!((schedule.slots[1], schedule.lives[1].clone()), (0, 0..0));
    }

    #[test]
    fn two_sinks_advance_together() {
        let stages = [stage(vec![], 8, 1), sink(0, 8, 1), sink(0, 8, 1)];
        assert_eq!(Schedule::new(&stages).slots[0], 1);
    }
}
