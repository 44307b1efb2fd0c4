//! A weight times the activations: of one token, and of many.

pub mod matvec;
pub mod tile;
