//! The gated delta rule, token by token: a state of each head, which decays, forgets what it holds
//! under a key, and takes another value in its place.

use super::{
    cache::Cache,
    matmul::Store,
    pool::{Pool, SharedMut},
    projection::{Adapters, normed},
    step::Step,
    weight::Buf,
};
use crate::backend::{DeltaDims, DeltaNet, StateEntries};

/// Is added to the squared length of a query or key, as in the reference implementation.
const LENGTH_EPS: f32 = 1e-6;

/// Holds what a gated DeltaNet takes beside its state.
pub struct DeltaInput<'a> {
    /// Holds the dimensions.
    pub dims: DeltaDims,
    /// Holds what is convolved, `[tokens, q | k | v]`.
    pub qkv: &'a [f32],
    /// Holds the gates of the results, `[tokens, value_heads, value_dim]`.
    pub gate: &'a [f32],
    /// Tells how much of each value is written, before the sigmoid, `[tokens, value_heads]`.
    pub beta: &'a [f32],
    /// Tells how much of the state stays, `[tokens, value_heads]`.
    pub alpha: &'a [f32],
    /// Is added to `alpha`, `[value_heads]`.
    pub dt: &'a [f32],
    /// Holds the rates of decay, `[value_heads]`.
    pub a: &'a [f32],
    /// Holds the convolution, `[channels, taps]`.
    pub conv: &'a [f32],
    /// Scales the norm of each head's result, `[value_dim]`.
    pub out_norm: &'a [f32],
    /// Holds the epsilon of that norm.
    pub eps: f32,
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

fn softplus(x: f32) -> f32 {
    // Above this, what is added to `x` is lost in rounding.
    if x > 20.0 { x } else { (1.0 + x.exp()).ln() }
}

/// Scales a vector to length 1.
fn normalize(x: &mut [f32]) {
    let squared: f32 = x.iter().map(|x| x * x).sum();
    let scale = 1.0 / (squared + LENGTH_EPS).sqrt();
    x.iter_mut().for_each(|x| *x *= scale);
}

impl DeltaInput<'_> {
    /// Returns the raw input of the convolution's channels from `first` on, at so many positions
    /// behind the step's first one, or before it where that is negative.
    fn input<'a>(&'a self, before: &'a [f32], token: isize, first: usize) -> &'a [f32] {
        let channels = self.dims.channels();
        match usize::try_from(token) {
            Ok(token) => &self.qkv[token * channels + first..],
            Err(_) => {
                let row = (self.dims.taps as isize - 1 + token) as usize;
                &before[row * channels + first..]
            }
        }
    }

    /// Computes `out = silu(conv(..))` of neighbouring channels.
    fn convolve(&self, before: &[f32], token: usize, first: usize, out: &mut [f32]) {
        let taps = self.dims.taps;
        out.fill(0.0);
        for tap in 0..taps {
            let at = token as isize + tap as isize + 1 - taps as isize;
            let factors = self.conv[first * taps + tap..].iter().step_by(taps);
            let input = self.input(before, at, first);
            for ((y, x), factor) in out.iter_mut().zip(input).zip(factors) {
                *y += factor * x;
            }
        }
        out.iter_mut().for_each(|y| *y *= sigmoid(*y));
    }

    /// Takes the tokens through the state of one head, `[key_dim, value_dim]`.
    fn head(&self, head: usize, before: &[f32], state: &mut [f32], out: &SharedMut<'_, f32>) {
        let d = &self.dims;
        let (key_dim, value_dim) = (d.key_dim, d.value_dim);
        let keys = d.key_heads * key_dim;
        let key_at = head % d.key_heads * key_dim;
        let mut scratch = vec![0.0; 2 * (key_dim + value_dim)];
        let (q, rest) = scratch.split_at_mut(key_dim);
        let (k, rest) = rest.split_at_mut(key_dim);
        let (v, held) = rest.split_at_mut(value_dim);
        let scale = 1.0 / (key_dim as f32).sqrt();
        for token in 0..self.gate.len() / d.values() {
            self.convolve(before, token, key_at, q);
            self.convolve(before, token, keys + key_at, k);
            self.convolve(before, token, 2 * keys + head * value_dim, v);
            normalize(q);
            normalize(k);
            let at = token * d.value_heads + head;
            let decay = (self.a[head] * softplus(self.alpha[at] + self.dt[head])).exp();
            let beta = sigmoid(self.beta[at]);
            held.fill(0.0);
            for (row, k) in state.chunks_exact_mut(value_dim).zip(&*k) {
                for (s, held) in row.iter_mut().zip(&mut *held) {
                    *s *= decay;
                    *held += *s * k;
                }
            }
            for (v, held) in v.iter_mut().zip(&*held) {
                *v = (*v - held) * beta;
            }
            // SAFETY: these values of the token belong to this head.
            let out = unsafe { out.slice(at * value_dim..(at + 1) * value_dim) };
            out.fill(0.0);
            for ((row, k), q) in state.chunks_exact_mut(value_dim).zip(&*k).zip(&*q) {
                for ((s, v), y) in row.iter_mut().zip(&*v).zip(&mut *out) {
                    *s += k * v;
                    *y += *s * q;
                }
            }
            let squared: f32 = out.iter().map(|y| y * y * scale * scale).sum();
            let inverse = scale / (squared / value_dim as f32 + self.eps).sqrt();
            let gates = &self.gate[at * value_dim..];
            for ((y, weight), gate) in out.iter_mut().zip(self.out_norm).zip(gates) {
                *y *= inverse * weight * gate * sigmoid(*gate);
            }
        }
    }
}

/// Takes tokens through the state of a layer: from `from`, zeros without it, to `to`. `out` is
/// `[tokens, value_heads, value_dim]`.
///
/// Each token is taken alone, so that it does not matter which tokens come together.
pub fn delta_rule(
    pool: &Pool,
    input: &DeltaInput<'_>,
    from: Option<&[f32]>,
    to: &mut [f32],
    out: &mut [f32],
) {
    let d = &input.dims;
    match from {
        Some(from) => to.copy_from_slice(from),
        None => to.fill(0.0),
    }
    let (inputs, states) = to.split_at_mut(d.inputs());
    let (before, len) = (&*inputs, d.key_dim * d.value_dim);
    let (states, out) = (SharedMut::new(states), SharedMut::new(out));
    pool.split(d.value_heads, |heads| {
        for head in heads {
            // SAFETY: the state of a head belongs to one item.
            let state = unsafe { states.slice(head * len..(head + 1) * len) };
            input.head(head, before, state, &out);
        }
    });
    // The last inputs are kept: those of the step, and of before it where it is short.
    let (channels, tokens) = (d.channels(), input.gate.len() / d.values());
    let kept = inputs.len() / channels;
    inputs.copy_within(tokens.min(kept) * channels.., 0);
    let new = tokens.min(kept) * channels;
    let at = inputs.len() - new;
    inputs[at..].copy_from_slice(&input.qkv[tokens * channels - new..tokens * channels]);
}

/// Does what [`Backend::delta_net`](crate::backend::Backend::delta_net) says.
pub(super) fn delta_net(
    pool: &Pool,
    adapters: &Adapters,
    step: &mut Step,
    cache: &mut Cache,
    layer: usize,
    entries: StateEntries,
    w: &DeltaNet<Buf>,
) {
    let Step {
        dims,
        tokens,
        x,
        h,
        q,
        k,
        v,
        a,
        up,
        quantized,
        ..
    } = step;
    let Some(dims) = dims.delta else { return };
    let h = normed(pool, w.norm, w.eps, x, h);
    let products = [
        (w.qkv, &mut *up, Store::Set),
        (w.gate, &mut *q, Store::Set),
        (w.beta, &mut *k, Store::Set),
        (w.alpha, &mut *v, Store::Set),
    ];
    adapters.project(pool, h, *tokens, quantized, products);
    a.resize(*tokens * dims.values(), 0.0);
    let input = DeltaInput {
        dims,
        qkv: up,
        gate: q,
        beta: k,
        alpha: v,
        dt: w.dt.vector(),
        a: w.a.vector(),
        conv: w.conv.vector(),
        out_norm: w.out_norm.vector(),
        eps: w.eps,
    };
    let (from, to) = cache.states(layer, entries);
    delta_rule(pool, &input, from, to, a);
}
