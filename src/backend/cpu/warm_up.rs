//! Runs the kernels of quantized matrices while a model is loaded, where code is slow at first.
//!
//! A browser compiles wasm twice: quickly when it is first run, and well, in the background, once
//! it has run for a while. The quick code of these kernels is ten times as slow, and a call that
//! has begun in it ends in it. While a model is loaded there is time for both compilations, so the
//! first prompt meets the good code. What is computed is thrown away.

use super::{
    matmul::{Input, first_rows},
    pool::Pool,
    quantize::{QuantizedActivations, TILE},
    repack::Layout,
    weight::Buf,
};
use crate::{backend::GROUP_ROWS, tensor::Weight};
use std::hint::black_box;

/// Says whether code is slow before it has run for a while.
pub(super) const IS_NEEDED: bool = cfg!(target_family = "wasm");

/// Limits the weights of each layout that are multiplied. V8 compiles a function anew when some
/// 13 MB of its code have run, which is a million weights by one token; half as many tokens more
/// are for other engines. In quick code it takes 10 to 20 ms.
const MAX_WEIGHTS: usize = 2 << 20;

/// Runs the kernels of each layout until they have run for a while.
#[derive(Default)]
pub struct WarmUp {
    /// Counts the weights of each layout that were multiplied.
    done: Vec<(Layout, usize)>,
    quantized: QuantizedActivations,
}

impl WarmUp {
    /// Multiplies the beginning of a matrix, unless its layout has run for long enough.
    pub(super) fn take(&mut self, pool: &Pool, weight: &Weight<Buf>) {
        let Buf::Repacked(matrix) = &weight.buf else {
            return;
        };
        let at = self
            .done
            .iter()
            .position(|(layout, _)| *layout == matrix.layout)
            .unwrap_or_else(|| {
                self.done.push((matrix.layout, 0));
                self.done.len() - 1
            });
        let done = &mut self.done[at].1;
        let rows = weight
            .rows
            .min(MAX_WEIGHTS.saturating_sub(*done) / weight.cols);
        if rows < GROUP_ROWS {
            return;
        }
        for tokens in [1, TILE] {
            let x = vec![1.0; tokens * weight.cols];
            self.quantized.set(pool, &x, weight.cols);
            let input = Input {
                tokens,
                x: &x,
                quantized: &self.quantized,
            };
            black_box(first_rows(weight, rows, &input));
        }
        *done += rows * weight.cols;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        backend::{Backend, cpu::Cpu},
        quant::DType,
    };

    fn matrix(cpu: &mut Cpu, dtype: DType, rows: usize, cols: usize) -> Weight<Buf> {
        let mut weight = cpu.alloc(dtype, rows, cols).expect("it is small");
        let bytes = rows * cols / dtype.block_len() * dtype.block_bytes();
        cpu.write(&mut weight, 0, &vec![0; bytes]);
        weight
    }

    #[test]
    fn each_layout_is_run_up_to_the_limit() {
        let mut cpu = Cpu::default();
        let large = matrix(&mut cpu, DType::Q8_0, 3 << 10, 1 << 10);
        let small = matrix(&mut cpu, DType::Q4_0, 17, 64);
        let vector = matrix(&mut cpu, DType::F32, 1, 64);
        let mut warm_up = WarmUp::default();
        for weight in [&small, &large, &vector, &small, &large] {
            warm_up.take(&cpu.pool, weight);
        }
        let done: Vec<usize> = warm_up.done.iter().map(|(_, weights)| *weights).collect();
        assert_eq!(done, [2 * 17 * 64, MAX_WEIGHTS]);
    }
}
