//! Who runs the tasks of a kernel.

/// Runs independent tasks on a pool of threads, or on the calling thread.
///
/// A task's result never depends on which thread runs it or on how many there are.
#[derive(Debug)]
pub struct Threads {
    #[cfg(feature = "rayon")]
    pool: Option<rayon::ThreadPool>,
    count: usize,
}

impl Threads {
    /// The calling thread alone.
    #[must_use]
    pub fn single() -> Self {
        Self {
            #[cfg(feature = "rayon")]
            pool: None,
            count: 1,
        }
    }

    /// A pool of `count` threads, at most four per core; 0 means one per core. Without the feature `rayon`, or where the
    /// system refuses the threads, the calling thread alone.
    #[must_use]
    pub fn new(count: usize) -> Self {
        #[cfg(feature = "rayon")]
        {
            // Thousands of threads would leave the machine no time for anything else.
            const MOST_PER_CORE: usize = 4;
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            let count = if count == 0 { cores } else { count.min(MOST_PER_CORE * cores) };
            if count > 1
                && let Ok(pool) = rayon::ThreadPoolBuilder::new().num_threads(count).build()
            {
                return Self { pool: Some(pool), count };
            }
        }
        #[cfg(not(feature = "rayon"))]
        let _ = count;
        Self::single()
    }

    /// How many threads share the work.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Runs `task(0), task(1), ... task(n_tasks - 1)`, in any order, each once; returns when all are done.
    pub fn for_each(&self, n_tasks: usize, task: impl Fn(usize) + Sync) {
        #[cfg(feature = "rayon")]
        if let Some(pool) = &self.pool
            && n_tasks > 1
        {
            use std::sync::atomic::{AtomicUsize, Ordering};
            // One counter instead of a split range: tasks start in order, so neighbours share the caches.
            let next = AtomicUsize::new(0);
            pool.broadcast(|_| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= n_tasks {
                        break;
                    }
                    task(index);
                }
            });
            return;
        }
        (0..n_tasks).for_each(task);
    }

    /// Runs `task` on each of `items`, in any order, each once; returns when all are done.
    pub fn for_each_mut<T: Send>(&self, items: &mut [T], task: impl Fn(&mut T) + Sync) {
        let base = Base(items.as_mut_ptr());
        self.for_each(items.len(), |index| {
            // SAFETY: `index` is below the length, and `for_each` passes each index once, so this is the only
            // reference to the item while `items` is borrowed.
            task(unsafe { &mut *base.at(index) });
        });
    }
}

/// Start of a slice whose items go to different threads.
struct Base<T>(*mut T);

// SAFETY: threads only use it to reach different items, one thread each, and items may change threads.
unsafe impl<T: Send> Sync for Base<T> {}

impl<T> Base<T> {
    fn at(&self, index: usize) -> *mut T {
        self.0.wrapping_add(index)
    }
}
