//! A weight times the activations: of one token, of a few, and of many.

pub mod matvec;
pub mod narrow_tile;
pub mod tile;
