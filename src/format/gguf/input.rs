//! Bytes that come in pieces are read as though they were all there.
//!
//! A parser is an `async fn` that awaits bytes: the compiler turns it into the state machine that
//! would else be written by hand. Nothing runs in the background and no runtime is needed; whoever
//! has bytes calls [`Input::refill`] and polls the parser.

use crate::{Result, format::malformed};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::Poll;

pub(super) struct Input {
    /// Holds the bytes that came last.
    piece: RefCell<Vec<u8>>,
    /// The index in `piece` of the next byte to read.
    at: Cell<usize>,
    taken_bytes: Cell<u64>,
    limit_bytes: u64,
}

impl Input {
    /// Makes an input of which at most `limit_bytes` are read, whatever the bytes say.
    pub(super) fn new(limit_bytes: u64) -> Self {
        Self {
            piece: RefCell::default(),
            at: Cell::default(),
            taken_bytes: Cell::default(),
            limit_bytes,
        }
    }

    /// Takes the next bytes. Those before must have been read: a parser that waits has read them
    /// all.
    pub(super) fn refill(&self, piece: &[u8]) {
        let mut held = self.piece.borrow_mut();
        held.clear();
        held.extend_from_slice(piece);
        self.at.set(0);
    }

    /// Returns the number of bytes read so far.
    pub(super) fn taken_bytes(&self) -> u64 {
        self.taken_bytes.get()
    }

    /// Reads the next N bytes.
    pub(super) async fn array<const N: usize>(&self) -> Result<[u8; N]> {
        self.afford(1, N as u64)?;
        let mut out = [0; N];
        let mut filled = 0;
        while filled < N {
            self.ready().await;
            filled += self.take(N - filled, |bytes| {
                out[filled..filled + bytes.len()].copy_from_slice(bytes)
            });
        }
        Ok(out)
    }

    /// Reads the next `len` bytes to the end of `out`, which grows as they come and not before.
    pub(super) async fn append(&self, len: usize, out: &mut Vec<u8>) -> Result<()> {
        self.afford(1, len as u64)?;
        let mut left = len;
        while left > 0 {
            self.ready().await;
            left -= self.take(left, |bytes| out.extend_from_slice(bytes));
        }
        Ok(())
    }

    pub(super) async fn u32(&self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array().await?))
    }

    pub(super) async fn u64(&self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array().await?))
    }

    /// Returns `count` as an index type if so many items of at least `item_bytes` can still come.
    ///
    /// # Errors
    /// `gguf_malformed` when they would pass the limit.
    pub(super) fn afford(&self, count: u64, item_bytes: u64) -> Result<usize> {
        let left = self.limit_bytes - self.taken_bytes.get();
        match count.checked_mul(item_bytes) {
            Some(bytes) if bytes <= left => Ok(count as usize),
            _ => Err(malformed(format!(
                "The header claims to be longer than {} MiB",
                self.limit_bytes >> 20
            ))),
        }
    }

    async fn ready(&self) {
        poll_fn(|_| {
            if self.at.get() < self.piece.borrow().len() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    /// Hands up to `max` of the bytes at hand to `sink`; returns their number.
    fn take(&self, max: usize, sink: impl FnOnce(&[u8])) -> usize {
        let piece = self.piece.borrow();
        let rest = &piece[self.at.get()..];
        let bytes = &rest[..rest.len().min(max)];
        sink(bytes);
        self.at.set(self.at.get() + bytes.len());
        self.taken_bytes
            .set(self.taken_bytes.get() + bytes.len() as u64);
        bytes.len()
    }
}
