//! The activations of a step on the CPU, and their memory.

use super::{ops, quantize::QuantizedActivations};
use crate::{Code, Error, Result, backend::Dims};

/// Holds the activations of one step.
pub struct Step {
    pub(super) dims: Dims,
    pub(super) tokens: usize,
    pub(super) position: usize,
    /// Holds the residual stream `[tokens, embedding]`.
    pub(super) x: Vec<f32>,
    /// Holds the normed `x`, `[tokens, embedding]`.
    pub(super) h: Vec<f32>,
    /// Holds the queries `[tokens, heads, head_dim]`, or a DeltaNet's gates.
    pub(super) q: Vec<f32>,
    /// Holds the keys `[tokens, kv_heads, head_dim]`, or a DeltaNet's betas.
    pub(super) k: Vec<f32>,
    /// Holds the values `[tokens, kv_heads, head_dim]`, or a DeltaNet's alphas.
    pub(super) v: Vec<f32>,
    /// Holds the input of `project_add`: attention's `[tokens, heads * head_dim]`, a convolution's
    /// `[tokens, embedding]`, or the gated `[tokens, feed_forward]`.
    pub(super) a: Vec<f32>,
    /// Holds the output of the up projection `[tokens, feed_forward]`, or of that before a
    /// convolution, `[tokens, 3 * embedding]` or `[tokens, channels]`; and queries with gates,
    /// `[tokens, heads, q | gate, head_dim]`, where there are any.
    pub(super) up: Vec<f32>,
    /// Holds what layers take beside `x`, `[tokens, layers, input]`.
    pub(super) inputs: Vec<f32>,
    /// Tells whether `up` has the gates of the last queries.
    pub(super) is_gated: bool,
    /// Holds the logits `[wanted rows, vocab]`.
    pub(super) logits: Vec<f32>,
    /// Holds the input of the last product, quantized.
    pub(super) quantized: QuantizedActivations,
    /// Holds the rotations of the step's positions.
    pub(super) rope: ops::RopeTables,
}

impl Step {
    /// Returns the bytes of the activations of up to `max_tokens` tokens.
    pub(super) fn size_bytes(dims: &Dims, max_tokens: usize) -> u64 {
        let widths: u64 = step_widths(dims).iter().map(|&width| width as u64).sum();
        let floats = (max_tokens as u64).saturating_mul(widths);
        let floats = floats.saturating_add(dims.vocab as u64);
        let quantized = QuantizedActivations::size_bytes(max_tokens, widest_input(dims));
        floats
            .saturating_mul(size_of::<f32>() as u64)
            .saturating_add(quantized)
    }

    /// Allocates them.
    ///
    /// # Errors
    /// `out_of_memory`.
    pub(super) fn new(dims: &Dims, max_tokens: usize) -> Result<Self> {
        // A step of an encoder has as many tokens as the context.
        let room = |width: usize| match max_tokens.checked_mul(width) {
            Some(len) => zeros::<f32>(len, "activations"),
            None => Err(no_memory(u64::MAX, "activations")),
        };
        let [x, h, q, k, v, a, up, inputs] = step_widths(dims);
        let input = widest_input(dims);
        let quantized = QuantizedActivations::with_room(max_tokens, input).ok_or_else(|| {
            no_memory(
                QuantizedActivations::size_bytes(max_tokens, input),
                "activations",
            )
        })?;
        Ok(Self {
            tokens: 0,
            position: 0,
            is_gated: false,
            x: room(x)?,
            h: room(h)?,
            q: room(q)?,
            k: room(k)?,
            v: room(v)?,
            a: room(a)?,
            up: room(up)?,
            inputs: room(inputs)?,
            logits: zeros(dims.vocab, "logits")?,
            quantized,
            rope: ops::RopeTables::default(),
            dims: dims.clone(),
        })
    }
}

/// Returns that many zeros.
///
/// # Errors
/// `out_of_memory`, which says what they would have been.
pub(super) fn zeros<T: Clone + Default>(len: usize, what: &str) -> Result<Vec<T>> {
    let mut v = Vec::new();
    v.try_reserve_exact(len)
        .map_err(|_| no_memory(len as u64 * size_of::<T>() as u64, what))?;
    v.resize(len, T::default());
    Ok(v)
}

/// Returns the error for bytes that there is no memory for.
pub(super) fn no_memory(size_bytes: u64, what: &str) -> Error {
    Error::new(
        Code::OutOfMemory,
        format!(
            "There is no memory for {size_bytes} bytes of {what}. Close other tabs, or choose a \
             smaller model."
        ),
    )
}

/// Returns the columns of the widest input of a product: the normed stream, or what
/// `project_add` takes.
fn widest_input(dims: &Dims) -> usize {
    let [_, h, _, _, _, a, _, _] = step_widths(dims);
    h.max(a)
}

/// Returns the floats that a token takes in each of [`Step`]'s buffers from `x` to `inputs`.
fn step_widths(dims: &Dims) -> [usize; 8] {
    let (heads, kv_heads) = (dims.heads * dims.head_dim, dims.kv_heads * dims.head_dim);
    let (embedding, feed_forward) = (dims.embedding, dims.feed_forward);
    let (mixed, fused) = match dims.delta {
        Some(delta) => (delta.values(), delta.channels().max(2 * heads)),
        None if dims.conv_layers > 0 => (embedding, 3 * embedding),
        None => (0, 0),
    };
    let (gates, few) = match dims.delta {
        Some(delta) => (mixed, delta.value_heads),
        None => (0, 0),
    };
    [
        embedding,
        embedding,
        heads.max(gates),
        kv_heads.max(few),
        kv_heads.max(few),
        feed_forward.max(heads).max(mixed).max(dims.layer_input),
        feed_forward.max(fused).max(dims.layer_input),
        dims.layer_inputs(),
    ]
}
