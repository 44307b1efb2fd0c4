//! Keeps which tokens may be sampled: those that the options allow, and that fit the answer's form.

use crate::{Code, Error, Result, backend::sampling::Mask, grammar::Constraint};

/// Keeps which tokens may be sampled.
#[derive(Debug)]
pub(super) struct Masks {
    /// Holds the tokens that the options allow.
    allowed: Option<Mask>,
    /// Holds the form that the answer is held to.
    pub(super) constraint: Option<Constraint>,
    /// Holds the tokens that may come next by both, once a form says so.
    next: Mask,
    words: usize,
}

impl Masks {
    /// Makes the mask of the only tokens that are allowed, of a vocabulary of `vocab_size`.
    pub(super) fn new(allowed_tokens: Option<&[u32]>, vocab_size: usize) -> Self {
        let words = vocab_size.div_ceil(32);
        let allowed = allowed_tokens.map(|tokens| {
            let mut mask = vec![0; words];
            for &token in tokens {
                mask[token as usize / 32] |= 1 << (token % 32);
            }
            mask
        });
        Self {
            allowed,
            constraint: None,
            next: Mask::new(),
            words,
        }
    }

    /// Returns the tokens that may be sampled next; `None` for all.
    pub(super) fn get(&self) -> Option<&Mask> {
        match self.is_constrained() {
            true => Some(&self.next),
            false => self.allowed.as_ref(),
        }
    }

    /// Returns whether a form holds the next token.
    pub(super) fn is_constrained(&self) -> bool {
        self.constraint.as_ref().is_some_and(Constraint::is_active)
    }

    /// Computes the mask of the next token, where a form holds it.
    ///
    /// # Errors
    ///
    /// `invalid_argument` when no token may come next, or the form is too complex to say.
    pub(super) fn prepare(&mut self) -> Result<()> {
        let Some(constraint) = self.constraint.as_mut().filter(|it| it.is_active()) else {
            return Ok(());
        };
        self.next.resize(self.words, 0);
        constraint.mask(&mut self.next)?;
        for (next, allowed) in self.next.iter_mut().zip(self.allowed.iter().flatten()) {
            *next &= allowed;
        }
        match self.next.iter().any(|&word| word != 0) {
            true => Ok(()),
            false => Err(Error::new(
                Code::InvalidArgument,
                "`allowed_token_ids` holds no token that may come next by the form of the answer.",
            )),
        }
    }

    /// Takes the token that was sampled.
    pub(super) fn accept(&mut self, token: u32) {
        if let Some(constraint) = &mut self.constraint {
            constraint.accept(token);
        }
    }

    /// Returns the tokens that must come next by the form, and takes them as sampled.
    pub(super) fn take_forced(&mut self) -> Vec<u32> {
        let Some(constraint) = &mut self.constraint else {
            return Vec::new();
        };
        let tokens = constraint.forced();
        for &token in &tokens {
            constraint.accept(token);
        }
        tokens
    }

    /// Returns whether the form is complete, so that nothing may follow.
    pub(super) fn is_complete(&self) -> bool {
        self.constraint
            .as_ref()
            .is_some_and(Constraint::is_complete)
    }
}
