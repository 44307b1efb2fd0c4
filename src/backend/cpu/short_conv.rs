//! Short convolutions over the positions of a sequence, each channel by itself, between two gates.

use super::{
    cache::{Cache, to_f16},
    pool::{Pool, SharedMut},
};
use half::f16;

/// Channels that a thread takes at once: two lines of a cache of the processor in each row of
/// inputs, so that threads do not share them.
const CHANNELS: usize = 64;

/// Computes `cache[layer, position ..] = b u` and `out = c conv(cache)` of tokens from `position`
/// on. `bcu` is `[tokens, b | c | u, embedding]`, `conv` is `[embedding, taps]`, and `out` is
/// `[tokens, embedding]`.
///
/// A token's own input comes out of the cache too, so that it does not matter which tokens come
/// together.
pub fn short_conv(
    pool: &Pool,
    cache: &mut Cache,
    layer: usize,
    position: usize,
    conv: &[f32],
    bcu: &[f32],
    out: &mut [f32],
) {
    let embedding = cache.width;
    let taps = conv.len() / embedding;
    let inputs = SharedMut::new(cache.conv_inputs_mut(layer));
    let out = SharedMut::new(out);
    pool.split(embedding.div_ceil(CHANNELS), |groups| {
        for group in groups {
            let first = group * CHANNELS;
            let width = CHANNELS.min(embedding - first);
            for (t, bcu) in bcu.chunks_exact(3 * embedding).enumerate() {
                let part = |of: usize| &bcu[of * embedding + first..][..width];
                let row = |row: usize| row * embedding + first..row * embedding + first + width;
                // SAFETY: these channels belong to one item, and no two slices live at once.
                let own = unsafe { inputs.slice(row(position + t)) };
                for ((to, b), u) in own.iter_mut().zip(part(0)).zip(part(2)) {
                    *to = to_f16(b * u);
                }
                // SAFETY: these channels belong to one item.
                let out = unsafe { out.slice(row(t)) };
                out.fill(0.0);
                for tap in (0..taps).filter(|tap| position + t + tap + 1 >= taps) {
                    // SAFETY: as above.
                    let x = unsafe { inputs.slice(row(position + t + tap + 1 - taps)) };
                    let factors = conv[first * taps + tap..].iter().step_by(taps);
                    for ((y, &x), factor) in out.iter_mut().zip(&*x).zip(factors) {
                        *y += factor * f16::from_bits(x).to_f32();
                    }
                }
                for (y, c) in out.iter_mut().zip(part(1)) {
                    *y *= c;
                }
            }
        }
    });
}
