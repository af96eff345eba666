//! The thread pool. Tasks are numbered; which thread runs one, and when, never changes a result.

use std::fmt;

/// A pool of worker threads.
pub struct Pool {
    /// `None` with one thread: the caller does the work.
    inner: Option<rayon::ThreadPool>,
    threads: usize,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("threads", &self.threads).finish()
    }
}

impl Pool {
    /// A pool of `threads` threads (at least one). If the system refuses to start them the pool has one: the caller.
    pub fn new(threads: usize) -> Self {
        let wanted = threads.max(1);
        let inner = (wanted > 1)
            .then(|| {
                rayon::ThreadPoolBuilder::new().num_threads(wanted).thread_name(|i| format!("kernel-{i}")).build().ok()
            })
            .flatten();
        let threads = if inner.is_some() { wanted } else { 1 };
        Self { inner, threads }
    }

    /// How many threads run tasks.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Runs `task(0)` to `task(tasks - 1)`, each once, in any order, and returns when all are done.
    pub fn run(&self, tasks: usize, task: impl Fn(usize) + Sync) {
        match &self.inner {
            Some(pool) if tasks > 1 => {
                // Few large tasks: handing them out one by one balances better than rayon's halving.
                let next = std::sync::atomic::AtomicUsize::new(0);
                let work = || {
                    loop {
                        let i = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        if i >= tasks {
                            break;
                        }
                        task(i);
                    }
                };
                pool.broadcast(|_| work());
            }
            _ => (0..tasks).for_each(task),
        }
    }

    /// Cuts `data` into chunks of `chunk` elements (the last may be shorter) and runs `task(index, chunk)` on each.
    ///
    /// # Panics
    /// When `chunk` is zero.
    pub fn run_chunks<T: Send>(&self, data: &mut [T], chunk: usize, task: impl Fn(usize, &mut [T]) + Sync) {
        assert!(chunk > 0, "chunks need a length");
        let len = data.len();
        let base = SendPtr(data.as_mut_ptr());
        self.run(len.div_ceil(chunk), |i| {
            let start = i * chunk;
            let count = chunk.min(len - start);
            // SAFETY: `start + count <= len`, and each index is run once, so the chunks are disjoint parts of `data`,
            // which stays borrowed until `run` returns.
            let part = unsafe { std::slice::from_raw_parts_mut(base.get().add(start), count) };
            task(i, part);
        });
    }
}

/// A pointer that tasks share; whoever uses it guarantees disjoint writes.
#[derive(Clone, Copy)]
pub(crate) struct SendPtr<T>(pub(crate) *mut T);

impl<T> SendPtr<T> {
    /// The pointer (a method, so that closures capture the whole wrapper).
    #[inline(always)]
    pub(crate) fn get(&self) -> *mut T {
        self.0
    }
}

// SAFETY: only a pointer is moved; every dereference is in an unsafe block that states why writes are disjoint.
unsafe impl<T: Send> Send for SendPtr<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for SendPtr<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_runs_once() {
        for threads in [1, 2, 3] {
            let pool = Pool::new(threads);
            let mut data = vec![0u32; 1003];
            pool.run_chunks(&mut data, 10, |i, part| {
                for x in part {
                    *x += 1 + i as u32;
                }
            });
            for (j, x) in data.iter().enumerate() {
                assert_eq!(*x, 1 + (j / 10) as u32);
            }
        }
    }

    #[test]
    fn nested_runs_finish() {
        let pool = Pool::new(2);
        let count = std::sync::atomic::AtomicUsize::new(0);
        pool.run(8, |_| {
            (0..4).for_each(|_| {
                count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            });
        });
        assert_eq!(count.into_inner(), 32);
    }
}
