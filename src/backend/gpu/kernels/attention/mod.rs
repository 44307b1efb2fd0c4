//! Attention: one token over splits of the context, many tokens at once, and what joins the splits.

pub mod decode;
pub mod prefill;
pub mod reduce;
mod sizes;

pub use self::sizes::{HEADS, MAX_SPLITS, Op, splits};
