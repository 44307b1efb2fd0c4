//! Shapes and weights, wherever their bytes live.

use crate::quant::DType;

/// A matrix `[rows, cols]` as a backend keeps it; a vector has one row.
/// `y = W x` takes `cols` inputs to `rows` outputs. `dtype` is the type in the file; `buf` may be laid out otherwise.
#[derive(Debug)]
pub struct Weight<Buf> {
    pub dtype: DType,
    pub rows: usize,
    pub cols: usize,
    pub buf: Buf,
}

/// The root of the mean square of what differs, as a share of that of what is expected.
pub fn difference(found: &[f32], expected: &[f32]) -> f64 {
    let square = |x: f64| x * x;
    let differing: f64 = found
        .iter()
        .zip(expected)
        .map(|(&a, &b)| square(f64::from(a) - f64::from(b)))
        .sum();
    let all: f64 = expected.iter().map(|&x| square(f64::from(x))).sum();
    (differing / all).sqrt()
}
