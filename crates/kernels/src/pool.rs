//! The thread pool. Tasks are numbered; which thread runs one, and when, never changes a result.
//!
//! A run of a model is thousands of short calls, so the calling thread works too, waiting threads spin for a moment before
//! they sleep, and a call never waits for a thread that has not begun to help.

use std::any::Any;
use std::cell::UnsafeCell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long an idle thread spins before it sleeps.
const SPIN: Duration = Duration::from_micros(300);

/// A pool of threads.
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("threads", &self.threads()).finish()
    }
}

/// One call of [`Pool::run`], on the caller's stack.
struct Job<'a> {
    task: &'a (dyn Fn(usize) + Sync),
    tasks: usize,
    next: AtomicUsize,
    /// What the first panicking task threw.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

impl Job<'_> {
    /// Runs tasks until none is left. A panic ends the job early and is kept.
    fn work(&self) {
        let result = catch_unwind(AssertUnwindSafe(|| {
            loop {
                let i = self.next.fetch_add(1, Ordering::Relaxed);
                if i >= self.tasks {
                    break;
                }
                (self.task)(i);
            }
        }));
        if let Err(panic) = result {
            self.next.store(self.tasks, Ordering::Relaxed);
            self.panic.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(panic);
        }
    }
}

/// Set in [`Shared::state`] while threads may join the job.
const OPEN: u64 = 1 << 16;
/// The lower bits of the state: how many helpers are inside the job.
const HELPERS: u64 = OPEN - 1;
/// Added to the state for each job.
const EPOCH: u64 = 1 << 17;

struct Shared {
    /// The number of the job, whether it is open, and its helpers.
    state: AtomicU64,
    /// Valid while the state is open or has helpers.
    job: UnsafeCell<*const Job<'static>>,
    /// Held by the call that uses the pool.
    busy: AtomicBool,
    stop: AtomicBool,
    sleepers: AtomicUsize,
    lock: Mutex<()>,
    wake: Condvar,
}

// SAFETY: `job` is written only by the holder of `busy` while the state is closed without helpers, and read only by helpers,
// who joined an open state; the state's release and acquire order the two. What it points to is `Sync`.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// Waits for a job newer than `seen` and joins it; `None` when the pool stops.
    fn join(&self, seen: u64) -> Option<u64> {
        let fresh = |state: u64| state & OPEN != 0 && state / EPOCH != seen;
        let mut idle_since = None;
        loop {
            let state = self.state.load(Ordering::SeqCst);
            if fresh(state) {
                if self.state.compare_exchange(state, state + 1, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                    return Some(state / EPOCH);
                }
                continue;
            }
            if self.stop.load(Ordering::SeqCst) {
                return None;
            }
            if idle_since.get_or_insert_with(Instant::now).elapsed() < SPIN {
                (0..32).for_each(|_| std::hint::spin_loop());
                continue;
            }
            let guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
            // Announced before the state is read again: a caller that opens a job either is seen here or sees a sleeper.
            self.sleepers.fetch_add(1, Ordering::SeqCst);
            if !fresh(self.state.load(Ordering::SeqCst)) && !self.stop.load(Ordering::SeqCst) {
                drop(self.wake.wait(guard).unwrap_or_else(PoisonError::into_inner));
            }
            self.sleepers.fetch_sub(1, Ordering::SeqCst);
            idle_since = None;
        }
    }

    fn wake_sleepers(&self) {
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            let _guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
            self.wake.notify_all();
        }
    }

    fn help(&self) {
        let mut seen = 0;
        while let Some(epoch) = self.join(seen) {
            seen = epoch;
            // SAFETY: this thread joined, so the caller waits for it before the job ends.
            unsafe { (**self.job.get()).work() };
            self.state.fetch_sub(1, Ordering::Release);
        }
    }
}

impl Pool {
    /// A pool of `threads` threads (at least one), of which the caller of [`run`](Self::run) is one. Threads that the
    /// system refuses to start are missing.
    pub fn new(threads: usize) -> Self {
        let shared = Arc::new(Shared {
            state: AtomicU64::new(0),
            job: UnsafeCell::new(std::ptr::null()),
            busy: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            sleepers: AtomicUsize::new(0),
            lock: Mutex::new(()),
            wake: Condvar::new(),
        });
        let workers = (1..threads.min(HELPERS as usize))
            .map_while(|i| {
                let shared = Arc::clone(&shared);
                std::thread::Builder::new().name(format!("kernel-{i}")).spawn(move || shared.help()).ok()
            })
            .collect();
        Self { shared, workers }
    }

    /// How many threads run tasks.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Runs `task(0)` to `task(tasks - 1)`, each once, in any order, and returns when all are done. Inside a task, or while
    /// another thread uses the pool, the calling thread does all of them.
    ///
    /// # Panics
    /// When a task does.
    pub fn run(&self, tasks: usize, task: impl Fn(usize) + Sync) {
        let shared = &*self.shared;
        if tasks <= 1 || self.workers.is_empty() || shared.busy.swap(true, Ordering::Acquire) {
            return (0..tasks).for_each(task);
        }
        let job = Job { task: &task, tasks, next: AtomicUsize::new(0), panic: Mutex::new(None) };
        // SAFETY: this call holds `busy` and the last job has ended, so nobody reads `job`.
        unsafe { *shared.job.get() = (&raw const job).cast() };
        let state = shared.state.load(Ordering::Relaxed);
        shared.state.store(((state / EPOCH + 1) * EPOCH) | OPEN, Ordering::SeqCst);
        shared.wake_sleepers();
        job.work();
        // From here on nobody joins; those inside finish the tasks they took.
        shared.state.fetch_and(!OPEN, Ordering::AcqRel);
        let mut spins = 0u32;
        while shared.state.load(Ordering::Acquire) & HELPERS != 0 {
            spins += 1;
            if spins < 2000 { std::hint::spin_loop() } else { std::thread::yield_now() }
        }
        shared.busy.store(false, Ordering::Release);
        if let Some(panic) = job.panic.into_inner().unwrap_or_else(PoisonError::into_inner) {
            resume_unwind(panic);
        }
    }

    /// Cuts `data` into chunks of `chunk` elements (the last may be shorter) and runs `task(index, chunk)` on each.
    ///
    /// # Panics
    /// When `chunk` is zero, or when a task panics.
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

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.shared.wake_sleepers();
        for worker in self.workers.drain(..) {
            // A worker catches its tasks' panics, so it ends normally.
            let _ = worker.join();
        }
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
            assert_eq!(pool.threads(), threads);
            for round in 0..200u64 {
                let mut data = vec![0u64; 103];
                pool.run_chunks(&mut data, 10, |i, part| {
                    for x in part {
                        *x += round + i as u64;
                    }
                });
                for (j, x) in data.iter().enumerate() {
                    assert_eq!(*x, round + (j / 10) as u64);
                }
                if round % 50 == 0 {
                    // Long enough for the others to fall asleep.
                    std::thread::sleep(2 * SPIN);
                }
            }
        }
    }

    #[test]
    fn nested_and_concurrent_runs_finish() {
        let pool = Pool::new(2);
        let count = AtomicUsize::new(0);
        let nested = || {
            pool.run(8, |_| {
                pool.run(4, |_| {
                    count.fetch_add(1, Ordering::Relaxed);
                });
            });
        };
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| (0..50).for_each(|_| nested()));
            }
        });
        assert_eq!(count.into_inner(), 3 * 50 * 32);
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_goes_on() {
        let pool = Pool::new(2);
        for bad in 0..20 {
            let result = catch_unwind(AssertUnwindSafe(|| pool.run(20, |i| assert!(i != bad, "task {i}"))));
            assert!(result.is_err());
            let count = AtomicUsize::new(0);
            pool.run(20, |_| {
                count.fetch_add(1, Ordering::Relaxed);
            });
            assert_eq!(count.into_inner(), 20);
        }
    }
}
