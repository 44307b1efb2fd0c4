//! Tests that the thread pool runs every item of a task once.

use siskin::backend::cpu::pool::Pool;
use std::sync::atomic::{AtomicU32, Ordering};

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
