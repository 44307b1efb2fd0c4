//! The thread pool shares out each kernel's work.
//!
//! A token joins its threads some 150 times, a few tens of microseconds apart, so waiting threads
//! spin for a while and only then sleep. Work is handed out in chunks as threads come for it: a
//! thread that comes late is not waited for, and finds nothing left.
//!
//! Natively the pool starts its threads itself. A wasm module cannot: whoever made the pool gives
//! each of its [`WorkerSlot`]s to a thread (a web worker on the same memory) that then calls
//! [`WorkerSlot::work`].
//!
//! A thread that fails takes the pool with it: the job that it was in ends with a panic of the
//! thread that has the pool, as does every later one.

#[cfg(target_arch = "wasm32")]
use crate::host::now_ms;
use std::{
    cell::UnsafeCell,
    hint::spin_loop,
    marker::PhantomData,
    ops::Range,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::SeqCst},
    },
};

/// A thread looks at the pool's state this many times, for about 50 us, before it goes to sleep.
/// The time between two pieces of a token's work is shorter.
const SPINS: u32 = 30_000;
/// Work is cut into this number of chunks for each thread, so that a thread that is held up leaves
/// the others work to take.
const CHUNKS: usize = 4;
/// A thread of a browser that does not leave a job for this time counts as failed: whatever ended
/// it may have told nobody. The longest chunk takes some 100 ms on a phone.
#[cfg(target_arch = "wasm32")]
const LOST_MS: f64 = 10_000.0;
/// The waiting thread's [`SPINS`] looks count as this long at most: a browser that suspends the
/// whole page suspends the threads that are waited for, too.
#[cfg(target_arch = "wasm32")]
const MAX_SPINS_MS: f64 = 1.0;

/// Holds threads that share work with the thread that has the pool.
pub struct Pool {
    shared: Arc<Shared>,
    threads: usize,
    #[cfg(not(target_arch = "wasm32"))]
    handles: Vec<std::thread::JoinHandle<()>>,
}

/// Holds one worker's place in a pool.
#[derive(Clone)]
pub struct WorkerSlot(Arc<Shared>);

struct Shared {
    /// Counts the jobs given out, the pool's end included.
    generation: AtomicU32,
    /// Says whether the job may still be joined.
    open: AtomicBool,
    /// Counts the workers inside the job.
    active: AtomicUsize,
    /// Holds the next item that nobody has taken.
    next: AtomicUsize,
    job: UnsafeCell<Job>,
    closed: AtomicBool,
    /// Says that a thread failed: what it was to write is not there.
    failed: AtomicBool,
    sleepers: AtomicUsize,
    lock: Mutex<()>,
    wake: Condvar,
}

// SAFETY: `job` is written only while `open` is false and `active` is 0, and read only between a
// rise of `active` that saw `open` and its fall. All of these are sequentially consistent, so
// either the worker sees `open` fallen or the caller sees `active` risen.
unsafe impl Sync for Shared {}
// SAFETY: the same order of `open` and `active` guards `job` for whichever threads have the pool.
unsafe impl Send for Shared {}

#[derive(Clone, Copy)]
struct Job {
    work: *const (dyn Fn(Range<usize>) + Sync),
    items: usize,
    chunk: usize,
}

impl Default for Pool {
    fn default() -> Self {
        Self::new(1)
    }
}

impl Pool {
    /// Makes a pool of `threads`, the caller's own among them. Natively it has fewer if the system
    /// refuses to start them.
    pub fn new(threads: usize) -> Self {
        let idle: &(dyn Fn(Range<usize>) + Sync) = &|_| ();
        let shared = Arc::new(Shared {
            generation: AtomicU32::new(0),
            open: AtomicBool::new(false),
            active: AtomicUsize::new(0),
            next: AtomicUsize::new(0),
            job: UnsafeCell::new(Job {
                work: idle,
                items: 0,
                chunk: 1,
            }),
            closed: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            sleepers: AtomicUsize::new(0),
            lock: Mutex::new(()),
            wake: Condvar::new(),
        });
        #[cfg(not(target_arch = "wasm32"))]
        let handles: Vec<_> = (1..threads)
            .map_while(|_| {
                let slot = WorkerSlot(shared.clone());
                std::thread::Builder::new()
                    .name("siskin".into())
                    .spawn(move || slot.work())
                    .ok()
            })
            .collect();
        Self {
            shared,
            #[cfg(not(target_arch = "wasm32"))]
            threads: 1 + handles.len(),
            #[cfg(target_arch = "wasm32")]
            threads: threads.max(1),
            #[cfg(not(target_arch = "wasm32"))]
            handles,
        }
    }

    /// Returns the number of threads, the caller's own among them.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Returns a place for one more worker.
    pub fn seat(&self) -> WorkerSlot {
        WorkerSlot(self.shared.clone())
    }

    /// Runs `work` over `0..items`, in ranges that do not overlap, and returns when all is done.
    ///
    /// # Panics
    /// Panics if a thread of the pool failed, in this job or before. Natively that is one that
    /// panicked; in a browser one that is reported ([`WorkerSlot::fail`]), or that does not leave
    /// the job for 10 seconds.
    pub fn split(&self, items: usize, work: impl Fn(Range<usize>) + Sync) {
        if self.threads == 1 || items < 2 {
            return work(0..items);
        }
        let shared = &*self.shared;
        shared.check();
        let erased: &(dyn Fn(Range<usize>) + Sync) = &work;
        // SAFETY: only the lifetime is changed, and no worker holds the job when this function
        // returns.
        let erased = unsafe {
            std::mem::transmute::<
                &(dyn Fn(Range<usize>) + Sync),
                &'static (dyn Fn(Range<usize>) + Sync),
            >(erased)
        };
        let job = Job {
            work: erased,
            items,
            chunk: items.div_ceil(self.threads * CHUNKS),
        };
        // SAFETY: `open` is false and `active` is 0 between calls: nobody reads the job.
        unsafe { *shared.job.get() = job };
        shared.next.store(0, SeqCst);
        shared.open.store(true, SeqCst);
        shared.generation.fetch_add(1, SeqCst);
        if shared.sleepers.load(SeqCst) > 0 {
            let _guard = shared.lock.lock().unwrap_or_else(PoisonError::into_inner);
            shared.wake.notify_all();
        }
        let end = JobEnd(shared);
        shared.run(job);
        drop(end);
        shared.check();
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.dismiss(&self.shared.closed);
        #[cfg(not(target_arch = "wasm32"))]
        for handle in self.handles.drain(..) {
            let _ = handle.join();
        }
    }
}

/// Ends the job when it is dropped, also by a panic of the caller: nobody joins it any more, and
/// nobody is inside it afterwards.
struct JobEnd<'a>(&'a Shared);

impl Drop for JobEnd<'_> {
    fn drop(&mut self) {
        self.0.open.store(false, SeqCst);
        #[cfg(target_arch = "wasm32")]
        let mut patience = Patience::default();
        while self.0.active.load(SeqCst) > 0 {
            spin_loop();
            // Natively every thread leaves, by a panic if not otherwise. Here a failed one stays
            // inside forever: the panic that follows is an exception in JavaScript, which returns
            // to none of the frames that own the job.
            #[cfg(target_arch = "wasm32")]
            if self.0.failed.load(SeqCst) || patience.is_over() {
                return self.0.dismiss(&self.0.failed);
            }
        }
    }
}

/// Measures how long a thread has waited for the others.
#[cfg(target_arch = "wasm32")]
#[derive(Default)]
struct Patience {
    spins: u32,
    since_ms: f64,
    waited_ms: f64,
}

#[cfg(target_arch = "wasm32")]
impl Patience {
    /// Counts one look at the pool's state. Returns whether the wait has lasted [`LOST_MS`].
    fn is_over(&mut self) -> bool {
        self.spins += 1;
        if self.spins < SPINS {
            return false;
        }
        let now_ms = now_ms();
        self.waited_ms += (now_ms - self.since_ms).min(MAX_SPINS_MS);
        (self.spins, self.since_ms) = (0, now_ms);
        self.waited_ms > LOST_MS
    }
}

/// Counts a worker among those inside the job until it is dropped, also by a panic of the worker.
struct Inside<'a>(&'a Shared);

impl<'a> Inside<'a> {
    fn new(shared: &'a Shared) -> Self {
        shared.active.fetch_add(1, SeqCst);
        Self(shared)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.dismiss(&self.0.failed);
        }
        self.0.active.fetch_sub(1, SeqCst);
    }
}

impl Shared {
    /// Panics if a thread failed.
    fn check(&self) {
        assert!(!self.failed.load(SeqCst), "a thread of the pool failed");
    }

    /// Sets the flag that says why no job follows, and wakes the threads, which then leave.
    fn dismiss(&self, why: &AtomicBool) {
        why.store(true, SeqCst);
        self.generation.fetch_add(1, SeqCst);
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner));
        self.wake.notify_all();
    }

    fn run(&self, job: Job) {
        loop {
            let start = self.next.fetch_add(job.chunk, SeqCst);
            if start >= job.items {
                return;
            }
            // SAFETY: the caller of `split` keeps the closure alive while anybody is inside the
            // job.
            unsafe { (*job.work)(start..job.items.min(start + job.chunk)) };
        }
    }

    /// Waits for a job after the one numbered `seen`; returns its number.
    fn wait(&self, seen: u32) -> u32 {
        for _ in 0..SPINS {
            let generation = self.generation.load(SeqCst);
            if generation != seen {
                return generation;
            }
            spin_loop();
        }
        let mut guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.sleepers.fetch_add(1, SeqCst);
        while self.generation.load(SeqCst) == seen {
            guard = self
                .wake
                .wait(guard)
                .unwrap_or_else(PoisonError::into_inner);
        }
        self.sleepers.fetch_sub(1, SeqCst);
        self.generation.load(SeqCst)
    }
}

impl WorkerSlot {
    /// Takes part in the pool's jobs until the pool is dropped, or a thread of it fails.
    pub fn work(self) {
        let shared = &*self.0;
        let mut seen = 0;
        loop {
            seen = shared.wait(seen);
            if shared.closed.load(SeqCst) || shared.failed.load(SeqCst) {
                return;
            }
            let _inside = Inside::new(shared);
            if shared.open.load(SeqCst) {
                // SAFETY: `open` was seen with this thread counted in `active`: the job stays as it
                // is.
                let job = unsafe { *shared.job.get() };
                shared.run(job);
            }
        }
    }

    /// Says that the thread in this slot failed, where nothing of it is left to say so: a browser
    /// ends a thread without unwinding it.
    pub fn fail(&self) {
        self.0.dismiss(&self.0.failed);
    }
}

/// Shares a slice among threads, each of which writes its own part.
#[derive(Clone, Copy)]
pub struct SharedMut<'a, T> {
    data: *mut T,
    len: usize,
    life: PhantomData<&'a mut [T]>,
}

// SAFETY: `slice` hands out parts that its callers keep disjoint.
unsafe impl<T: Send> Sync for SharedMut<'_, T> {}
// SAFETY: `slice` hands out parts that its callers keep disjoint.
unsafe impl<T: Send> Send for SharedMut<'_, T> {}

impl<'a, T> SharedMut<'a, T> {
    /// Takes the slice for as long as threads write it.
    pub fn new(slice: &'a mut [T]) -> Self {
        Self {
            data: slice.as_mut_ptr(),
            len: slice.len(),
            life: PhantomData,
        }
    }

    /// Returns a part of the slice.
    ///
    /// # Safety
    /// No two live parts overlap.
    ///
    /// # Panics
    /// Panics if the range is not inside the slice.
    pub unsafe fn slice(&self, range: Range<usize>) -> &'a mut [T] {
        assert!(range.start <= range.end && range.end <= self.len);
        // SAFETY: the range is inside the slice, and the caller promises that nobody else has it.
        unsafe { std::slice::from_raw_parts_mut(self.data.add(range.start), range.len()) }
    }
}
