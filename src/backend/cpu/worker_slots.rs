//! The table of worker slots is how a thread that begins in JavaScript finds its place in a pool: by
//! a number, for an address that crosses JavaScript could be any.

use super::pool::WorkerSlot;
use crate::{Code, Error, Result};
use std::sync::{Mutex, PoisonError};

/// Holds the slots that were given numbers, `[number]`. A number is never used again.
pub struct WorkerSlots(Mutex<Vec<Entry>>);

enum Entry {
    Free(WorkerSlot),
    Taken(WorkerSlot),
    Left,
}

impl Default for WorkerSlots {
    fn default() -> Self {
        Self::new()
    }
}

impl WorkerSlots {
    /// Returns a table without slots.
    pub const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Puts a slot into the table. Returns its number.
    pub fn add(&self, slot: WorkerSlot) -> usize {
        self.with(|entries| {
            entries.push(Entry::Free(slot));
            entries.len() - 1
        })
    }

    /// Takes the slot of this number and works in it, until its pool ends.
    ///
    /// # Errors
    ///
    /// `invalid_argument` where the number is unknown, or another thread took the slot.
    pub fn work(&self, number: usize) -> Result<()> {
        let slot = self.with(|entries| match entries.get_mut(number) {
            Some(entry) => match std::mem::replace(entry, Entry::Left) {
                Entry::Free(slot) => {
                    *entry = Entry::Taken(slot.clone());
                    Ok(slot)
                }
                other => {
                    *entry = other;
                    Err(refusal(number, "is taken"))
                }
            },
            None => Err(refusal(number, "does not exist")),
        })?;
        slot.work();
        self.with(|entries| entries[number] = Entry::Left);
        Ok(())
    }

    /// Says that the thread that works in the slot of this number failed: its pool ends with it.
    ///
    /// # Errors
    ///
    /// `invalid_argument` where no thread works there.
    pub fn fail(&self, number: usize) -> Result<()> {
        self.with(|entries| match entries.get(number) {
            Some(Entry::Taken(slot)) => {
                slot.fail();
                Ok(())
            }
            _ => Err(refusal(number, "has no thread")),
        })
    }

    fn with<T>(&self, call: impl FnOnce(&mut Vec<Entry>) -> T) -> T {
        call(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn refusal(number: usize, why: &str) -> Error {
    Error::new(
        Code::InvalidArgument,
        format!("The thread's seat {number} {why}. Take the seat of each thread by take_seat()."),
    )
}
