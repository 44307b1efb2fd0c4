//! Makes a matrix product to be timed, which `siskin bench --kernels` and its wasm twin
//! (scripts/bench/kernels.rs) share.

use siskin::{
    Result,
    backend::{Backend, Dims, LmHead, LogitScale, Rows, cpu::Cpu},
    quant::DType,
    tensor::Weight,
};

/// Sets the number of rows of the matrix. It has 67 M weights, 38 MB with 4 bits: more than caches
/// hold.
pub const ROWS: usize = 16384;
/// Sets the number of columns of the matrix.
pub const COLS: usize = 4096;
/// Lists the numbers of tokens that are timed: one as in decode, the tile of a few tokens, and a
/// whole step as in prefill.
pub const TOKENS: [usize; 3] = [1, 4, 64];

/// Limits the number of tokens in a product.
const MAX_TOKENS: usize = 64;
/// Sets how many rows are filled at a time.
const FILL_ROWS: usize = 64;
/// Sets the epsilon of the RMSNorm before the product.
const EPS: f32 = 1e-6;

type Matrix = Weight<<Cpu as Backend>::Buf>;

/// Holds a matrix and the activations that it is multiplied with.
pub struct Product {
    cpu: Cpu,
    step: <Cpu as Backend>::Step,
    table: Matrix,
    norm: Matrix,
    matrix: Matrix,
}

impl Product {
    /// Makes the matrix in the format `dtype`.
    ///
    /// # Errors
    ///
    /// `out_of_memory`.
    pub fn new(dtype: DType) -> Result<Self> {
        let mut cpu = Cpu::default();
        let dims = Dims {
            embedding: COLS,
            heads: 1,
            kv_heads: 1,
            head_dim: 64,
            head_dims: Vec::new(),
            feed_forward: 64,
            vocab: ROWS,
            layers: 1,
            conv_layers: 0,
            delta: None,
            layer_input: 0,
        };
        let step = cpu.step(&dims, MAX_TOKENS)?;
        let (table, norm) = (
            filled(&mut cpu, DType::F32, MAX_TOKENS, COLS)?,
            filled(&mut cpu, DType::F32, 1, COLS)?,
        );
        let matrix = filled(&mut cpu, dtype, ROWS, COLS)?;
        Ok(Self {
            cpu,
            step,
            table,
            norm,
            matrix,
        })
    }

    /// Computes the product with up to [`MAX_TOKENS`] tokens, whose quantization is included. It is
    /// the step of the LM head, the only one that is just a norm and a product.
    pub fn run(&mut self, tokens: usize) {
        let ids: Vec<u32> = (0..tokens.min(MAX_TOKENS) as u32).collect();
        self.cpu.embed(&mut self.step, &self.table, 1.0, &ids, 0);
        let lm_head = LmHead {
            norm: &self.norm,
            output: &self.matrix,
            bias: None,
            eps: EPS,
            scale: LogitScale::NONE,
        };
        self.cpu.lm_head(&mut self.step, &lm_head, Rows::All);
    }

    /// Returns the bytes that the matrix takes in memory.
    pub fn size_bytes(&self) -> usize {
        self.matrix.buf.size_bytes()
    }
}

/// Makes a matrix of values from -1 to 1, evenly spread like those of a layer.
///
/// Siskin cannot write the K formats. Their blocks get pseudo-random bytes below 0x40, so that no
/// scale is infinite, NaN or subnormal.
fn filled(cpu: &mut Cpu, dtype: DType, rows: usize, cols: usize) -> Result<Matrix> {
    let mut weight = cpu.alloc(dtype, rows, cols)?;
    let mut state = 1_u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let count = FILL_ROWS.min(rows) * cols;
    let values: Vec<f32> = (0..count)
        .map(|_| (f32::from(random()) - 127.5) / 127.5)
        .collect();
    let mut bytes = Vec::new();
    if dtype.quantize(&values, &mut bytes).is_none() {
        bytes = (0..count / dtype.block_len() * dtype.block_bytes())
            .map(|_| random() & 0x2f | 0x10)
            .collect();
    }
    for first in (0..rows).step_by(FILL_ROWS) {
        cpu.write(&mut weight, first, &bytes);
    }
    Ok(weight)
}

/// Sums the words, as fast as memory is read.
pub fn sum(words: &[u64]) -> u64 {
    words.iter().fold(0, |sum, word| sum.wrapping_add(*word))
}
