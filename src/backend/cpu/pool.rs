//! Splits work over threads. One thread for now: the seam is here, and every kernel already works on a range of its own.

use std::{marker::PhantomData, ops::Range};

#[derive(Default)]
pub struct Pool;

impl Pool {
    pub fn threads(&self) -> usize {
        1
    }

    /// Runs `work` over `0..items`, in ranges that do not overlap.
    pub fn split(&self, items: usize, work: impl Fn(Range<usize>) + Sync) {
        work(0..items);
    }
}

/// A slice that several threads write, each its own part.
#[derive(Clone, Copy)]
pub struct SharedMut<'a, T> {
    data: *mut T,
    len: usize,
    life: PhantomData<&'a mut [T]>,
}

// SAFETY: `slice` hands out parts that its callers keep disjoint.
unsafe impl<T: Send> Sync for SharedMut<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for SharedMut<'_, T> {}

impl<'a, T> SharedMut<'a, T> {
    pub fn new(slice: &'a mut [T]) -> Self {
        Self { data: slice.as_mut_ptr(), len: slice.len(), life: PhantomData }
    }

    /// # Safety
    /// No two live slices overlap.
    ///
    /// # Panics
    /// If the range is not inside the slice.
    pub unsafe fn slice(&self, range: Range<usize>) -> &'a mut [T] {
        assert!(range.start <= range.end && range.end <= self.len);
        // SAFETY: in bounds as just checked; not aliased as promised.
        unsafe { std::slice::from_raw_parts_mut(self.data.add(range.start), range.len()) }
    }
}
