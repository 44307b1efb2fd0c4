//! The gated delta rule as plain loops in f64.

use siskin::backend::DeltaDims;

/// Holds what a gated DeltaNet takes of all tokens, and its weights.
pub struct DeltaRule<'a> {
    pub dims: DeltaDims,
    pub qkv: &'a [f64],
    pub gate: &'a [f64],
    pub beta: &'a [f64],
    pub alpha: &'a [f64],
    pub dt: &'a [f32],
    pub a: &'a [f32],
    pub conv: &'a [f32],
    pub norm: &'a [f32],
    pub eps: f32,
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

impl DeltaRule<'_> {
    /// Returns a channel of a token after the convolution.
    fn convolved(&self, token: usize, channel: usize) -> f64 {
        let taps = self.dims.taps;
        let seen = (0..taps).filter(|tap| token + tap + 1 >= taps);
        let sum: f64 = seen
            .map(|tap| {
                let input = self.qkv[(token + tap + 1 - taps) * self.dims.channels() + channel];
                f64::from(self.conv[channel * taps + tap]) * input
            })
            .sum();
        sum * sigmoid(sum)
    }

    /// Returns what it makes of the tokens from position 0 on, `[tokens, value_heads, value_dim]`.
    pub fn out(&self) -> Vec<f64> {
        let DeltaDims {
            key_heads,
            value_heads,
            key_dim,
            value_dim,
            ..
        } = self.dims;
        let tokens = self.beta.len() / value_heads;
        let mut out = vec![0.0; tokens * value_heads * value_dim];
        let keys = key_heads * key_dim;
        for head in 0..value_heads {
            let mut state = vec![vec![0.0; value_dim]; key_dim];
            for token in 0..tokens {
                let part = |first: usize, len: usize| -> Vec<f64> {
                    (first..first + len)
                        .map(|channel| self.convolved(token, channel))
                        .collect()
                };
                let unit = |x: Vec<f64>| -> Vec<f64> {
                    let length = (x.iter().map(|x| x * x).sum::<f64>() + 1e-6).sqrt();
                    x.into_iter().map(|x| x / length).collect()
                };
                let of_key = head % key_heads * key_dim;
                let (q, k) = (
                    unit(part(of_key, key_dim)),
                    unit(part(keys + of_key, key_dim)),
                );
                let v = part(2 * keys + head * value_dim, value_dim);
                let at = token * value_heads + head;
                let time = (self.alpha[at] + f64::from(self.dt[head])).exp().ln_1p();
                let decay = (f64::from(self.a[head]) * time).exp();
                let mut y = vec![0.0; value_dim];
                for d in 0..value_dim {
                    let held: f64 = (0..key_dim).map(|i| decay * state[i][d] * k[i]).sum();
                    let written = (v[d] - held) * sigmoid(self.beta[at]);
                    for i in 0..key_dim {
                        state[i][d] = decay * state[i][d] + k[i] * written;
                        y[d] += state[i][d] * q[i] / (key_dim as f64).sqrt();
                    }
                }
                let mean = y.iter().map(|y| y * y).sum::<f64>() / value_dim as f64;
                for d in 0..value_dim {
                    let gate = self.gate[at * value_dim + d];
                    out[at * value_dim + d] = y[d] / (mean + f64::from(self.eps)).sqrt()
                        * f64::from(self.norm[d])
                        * gate
                        * sigmoid(gate);
                }
            }
        }
        out
    }
}
