//! Tests that the thread pool runs every item of a task once, and what becomes of a thread that
//! fails.

use siskin::{
    Code,
    backend::cpu::{pool::Pool, worker_slots::WorkerSlots},
};
use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        atomic::{AtomicBool, AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

#[test]
fn a_pool_does_everything_once() {
    for threads in [1, 2, 3, 7] {
        let pool = Pool::new(threads);
        assert_eq!(pool.threads(), threads);
        for round in 0..2000_u32 {
            let items = round as usize % 50;
            let done: Vec<AtomicU32> = (0..items).map(|_| AtomicU32::new(0)).collect();
            pool.split(items, |range| {
                for item in &done[range] {
                    item.fetch_add(1, Ordering::Relaxed);
                }
            });
            assert!(
                done.iter().all(|count| count.load(Ordering::Relaxed) == 1),
                "{threads} threads, {items} items"
            );
        }
    }
}

/// Returns what `run` gives on a thread of its own, or panics if it takes longer than a few
/// seconds.
fn in_time<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(run()));
    receiver
        .recv_timeout(Duration::from_secs(5))
        .expect("it ends")
}

/// Waits until `flag` is set, 5 seconds at most.
fn wait_for(flag: &AtomicBool) {
    let start = Instant::now();
    while !flag.load(Ordering::SeqCst) {
        assert!(start.elapsed() < Duration::from_secs(5), "nobody came");
        thread::yield_now();
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    panic.downcast_ref::<&str>().copied().unwrap_or("another")
}

/// Runs a job in which the thread of the pool calls `theirs` and the caller `mine`. Each has one of
/// two items, and neither ends before both have begun.
fn both(pool: &Pool, mine: impl Fn() + Sync, theirs: impl Fn() + Sync) {
    let caller = thread::current().id();
    let begun = [AtomicBool::new(false), AtomicBool::new(false)];
    pool.split(2, |_| {
        let is_mine = thread::current().id() == caller;
        begun[usize::from(is_mine)].store(true, Ordering::SeqCst);
        wait_for(&begun[usize::from(!is_mine)]);
        if is_mine { mine() } else { theirs() }
    });
}

#[test]
fn a_thread_that_panics_ends_the_job_and_every_later_one() {
    let panics = in_time(|| {
        let pool = Pool::new(2);
        both(&pool, || (), || ());
        [0, 1].map(|_| {
            let job = || both(&pool, || (), || panic!("in the thread"));
            catch_unwind(AssertUnwindSafe(job)).expect_err("the job is not done")
        })
    });
    for panic in panics {
        assert_eq!(message(&*panic), "a thread of the pool failed");
    }
}

#[test]
fn other_threads_that_wait_leave_a_failed_pool() {
    in_time(|| {
        let pool = Pool::new(4);
        let caller = thread::current().id();
        let failed = AtomicBool::new(false);
        let job = || {
            pool.split(100, |_| {
                if thread::current().id() != caller {
                    failed.store(true, Ordering::SeqCst);
                    panic!("in the thread");
                }
                wait_for(&failed);
            });
        };
        assert!(catch_unwind(AssertUnwindSafe(job)).is_err());
        // The pool joins its threads here.
        drop(pool);
    });
}

#[test]
fn a_caller_that_panics_waits_for_the_threads_inside_its_job() {
    in_time(|| {
        let pool = Pool::new(2);
        let (panicking, done) = (AtomicBool::new(false), AtomicBool::new(false));
        let job = || {
            both(
                &pool,
                || {
                    panicking.store(true, Ordering::SeqCst);
                    // Without a message, which could take longer than the thread.
                    resume_unwind(Box::new("in the caller"));
                },
                || {
                    wait_for(&panicking);
                    thread::sleep(Duration::from_millis(50));
                    done.store(true, Ordering::SeqCst);
                },
            );
        };
        let panic = catch_unwind(AssertUnwindSafe(job)).expect_err("the caller panicked");
        assert_eq!(message(&*panic), "in the caller");
        assert!(done.load(Ordering::SeqCst), "the job's closure was in use");
        both(&pool, || (), || ());
    });
}

#[test]
fn a_worker_slot_is_taken_once_by_its_number() {
    let pool = Pool::new(1);
    let slots = WorkerSlots::new();
    let refused = |result: siskin::Result<()>| {
        let error = result.expect_err("a number that leads nowhere");
        assert_eq!(error.code, Code::InvalidArgument, "{error}");
    };
    for number in [0, 1, 0x0010_0000, usize::MAX] {
        refused(slots.work(number));
        refused(slots.fail(number));
    }
    let number = slots.add(pool.seat());
    refused(slots.fail(number));
    thread::scope(|scope| {
        let workers = [(); 2].map(|()| scope.spawn(|| slots.work(number)));
        let start = Instant::now();
        while !workers.iter().any(|worker| worker.is_finished()) {
            assert!(start.elapsed() < Duration::from_secs(5), "both have it");
            thread::yield_now();
        }
        assert!(workers.iter().any(|worker| !worker.is_finished()));
        drop(pool);
        let ends = workers.map(|worker| worker.join().expect("no panic"));
        let (ended, turned_away): (Vec<_>, Vec<_>) = ends.into_iter().partition(Result::is_ok);
        assert_eq!((ended.len(), turned_away.len()), (1, 1));
        turned_away.into_iter().for_each(refused);
    });
    refused(slots.work(number));
    refused(slots.fail(number));
}

#[test]
fn a_worker_that_is_reported_as_failed_ends_the_pool() {
    in_time(|| {
        let pool = Pool::new(2);
        let slots = WorkerSlots::new();
        let number = slots.add(pool.seat());
        thread::scope(|scope| {
            let worker = scope.spawn(|| slots.work(number));
            let start = Instant::now();
            while slots.fail(number).is_err() {
                assert!(start.elapsed() < Duration::from_secs(5), "nobody came");
                thread::yield_now();
            }
            assert!(worker.join().expect("no panic").is_ok());
        });
        let panic = catch_unwind(AssertUnwindSafe(|| pool.split(2, |_| ()))).expect_err("no job");
        assert_eq!(message(&*panic), "a thread of the pool failed");
    });
}
