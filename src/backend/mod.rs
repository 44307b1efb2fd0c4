//! Where the arithmetic happens. One trait, few and big steps.

pub mod cpu;

pub trait Backend {}
