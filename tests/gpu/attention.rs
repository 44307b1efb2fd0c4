//! What goes into attention, and attention itself, against plain arithmetic in f64.

use super::{
    device::gpu,
    harness::{DIMS, EPS, FORMATS, Harness, NORM_EPS, TOKENS, normed},
    support::data::{Matrix, THOROUGH, near},
};
use half::f16;
use siskin::{
    Code,
    backend::{
        Attention, AttentionInput, Backend, CacheSize, Dims, Rope, RopePairs,
        gpu::{
            Cache, Gpu,
            device::{CacheType, GpuOptions},
            weights::Buf,
        },
    },
    quant::DType,
};

/// Tokens, and the position of the first.
const STEPS: [(usize, usize); 5] = [(1, 0), (1, 299), (3, 1), (31, 63), (64, 130)];

/// Columns of the activations; K formats are as wide as one of their blocks.
fn cols(dtype: DType) -> usize {
    96_usize.next_multiple_of(dtype.block_len())
}

struct Case {
    harness: Harness,
    dims: Dims,
    rope: Rope,
    /// How the layer of this number attends.
    attention: Attention,
    block: usize,
    cache: Cache,
}

impl Case {
    /// `rotated` elements of a head of `head` are; as many blocks as are asked for, each with a cache of its own.
    fn new(
        gpu: &Gpu,
        heads: [usize; 3],
        pairs: RopePairs,
        rotated: usize,
        context: usize,
        blocks: usize,
    ) -> Self {
        let size = CacheSize::whole(blocks, context);
        Self::with_size(gpu, heads, pairs, rotated, &size)
    }

    fn with_size(
        gpu: &Gpu,
        heads: [usize; 3],
        pairs: RopePairs,
        rotated: usize,
        size: &CacheSize,
    ) -> Self {
        let [head, heads, kv_heads] = heads;
        let dims = Dims {
            heads,
            kv_heads,
            head_dim: head,
            layers: size.layers.len(),
            ..DIMS
        };
        let mut harness = Harness::on(gpu.beside(), &dims);
        let cache = harness.gpu.cache(&dims, size).expect("memory");
        let frequencies = (0..rotated / 2)
            .map(|i| 10_000f32.powf(-2.0 * i as f32 / rotated as f32))
            .collect();
        Self {
            harness,
            dims,
            rope: Rope {
                pairs,
                frequencies,
                scale: 1.0,
            },
            attention: Attention::full(head),
            block: 0,
            cache,
        }
    }

    /// The weights of q, k and v.
    fn weights(&mut self, dtypes: [DType; 3], cols: usize) -> [Matrix<Buf>; 3] {
        let [q, kv] = [self.dims.heads, self.dims.kv_heads].map(|heads| heads * self.dims.head_dim);
        let rows = [q, kv, kv];
        std::array::from_fn(|i| self.harness.matrix(dtypes[i], rows[i], cols))
    }

    fn input(&mut self, [q, k, v]: &[Matrix<Buf>; 3], biased: bool, block: usize) {
        let Harness {
            gpu,
            step,
            norm,
            bias,
            ..
        } = &mut self.harness;
        let bias = biased.then_some(&bias.0);
        let input = AttentionInput {
            norm: Some(&norm.0),
            q: &q.weight,
            k: Some(&k.weight),
            v: Some(&v.weight),
            q_bias: bias,
            k_bias: bias,
            v_bias: bias,
            q_norm: None,
            k_norm: None,
            v_norm: None,
            rope: &self.rope,
            eps: NORM_EPS,
        };
        gpu.attention_input(step, &mut self.cache, block, &input);
    }

    /// What was tapped first, the step's q, and the cache of a block: keys and values `[2, kv_heads, context, head]`.
    async fn look(&mut self, block: usize) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
        let Harness { gpu, step, .. } = &mut self.harness;
        let q = step.q.clone();
        gpu.tap_buffer(step, "q", &q);
        gpu.tap_buffer(step, "cache", &self.cache.layers[block]);
        gpu.submit(step).await.expect("the device works");
        let taps = gpu.read_taps().await.expect("the device works");
        let [before @ .., (_, q), (_, cache)] = &taps[..] else {
            panic!("two taps and more")
        };
        let before = before
            .first()
            .map(|(_, bytes)| bytemuck::pod_collect_to_vec(bytes))
            .unwrap_or_default();
        let cache = match gpu.device().options.cache_type {
            CacheType::F16 => cache
                .chunks_exact(2)
                .map(|half| f16::from_le_bytes([half[0], half[1]]).to_f32())
                .collect(),
            CacheType::Q8_0 => cache.chunks_exact(36).flat_map(bytes).collect(),
        };
        (before, bytemuck::pod_collect_to_vec(q), cache)
    }

    /// What a head becomes at `position`, each element with how far off it may be.
    fn rotated(&self, head: &[(f64, f64)], position: usize) -> Vec<(f64, f64)> {
        let mut turned = head.to_vec();
        for (i, &frequency) in self.rope.frequencies.iter().enumerate() {
            let (a, b) = match self.rope.pairs {
                RopePairs::Adjacent => (2 * i, 2 * i + 1),
                RopePairs::Halves => (i, i + self.rope.frequencies.len()),
            };
            let (sin, cos) = (position as f64 * f64::from(frequency)).sin_cos();
            let ((x, x_bound), (y, y_bound)) = (head[a], head[b]);
            let bound = x_bound + y_bound + 6.0 * EPS * (x.abs() + y.abs());
            turned[a] = (x * cos - y * sin, bound);
            turned[b] = (x * sin + y * cos, bound);
        }
        turned
    }

    async fn check_input(
        &mut self,
        dtypes: [DType; 3],
        biased: bool,
        block: usize,
        steps: &[(usize, usize)],
    ) {
        let cols = dtypes.map(cols).into_iter().max().unwrap_or_default();
        let weights = self.weights(dtypes, cols);
        let Dims {
            head_dim: head,
            heads,
            kv_heads,
            ..
        } = self.dims;
        for &(tokens, position) in steps {
            let x = self.harness.begin(tokens, cols, position);
            self.input(&weights, biased, block);
            let (_, q, cache) = self.look(block).await;
            let h = normed(&x, cols, &self.harness.norm.1);
            let what = |name: &str, t: usize, i: usize| {
                format!(
                    "{name} of {dtypes:?}, heads of {head}, {:?}, {tokens} tokens at {position}: token {t}, {i}",
                    self.rope.pairs
                )
            };
            let results = weights.iter().map(|w| {
                let mut y = self.harness.product(w, &h);
                for (i, y) in y.iter_mut().enumerate() {
                    y.0 += if biased {
                        f64::from(self.harness.bias.1[i % w.weight.rows])
                    } else {
                        0.0
                    };
                }
                y
            });
            let results: Vec<_> = results.collect();
            for t in 0..tokens {
                for i in 0..heads {
                    let at = (t * heads + i) * head;
                    for (d, (expected, bound)) in self
                        .rotated(&results[0][at..at + head], position + t)
                        .into_iter()
                        .enumerate()
                    {
                        near(q[at + d], expected, bound, &|| what("q", t, i * head + d));
                    }
                }
                for i in 0..kv_heads {
                    let at = (t * kv_heads + i) * head;
                    let keys = self.rotated(&results[1][at..at + head], position + t);
                    for (plane, expected) in [&keys[..], &results[2][at..at + head]]
                        .into_iter()
                        .enumerate()
                    {
                        let room = self.cache.size.layers[block];
                        let row = (plane * kv_heads + i) * room + (position + t) % room;
                        for (d, &(value, bound)) in expected.iter().enumerate() {
                            let bound = bound
                                + match self.harness.gpu.device().options.cache_type {
                                    // As the nearest f16.
                                    CacheType::F16 => value.abs() / 2048.0 + 3e-8,
                                    // Half a step, and a little for how far off the largest may be.
                                    CacheType::Q8_0 => {
                                        let block =
                                            expected.chunks(32).nth(d / 32).unwrap_or_default();
                                        let largest =
                                            block.iter().fold(0f64, |largest, (x, bound)| {
                                                largest.max(x.abs() + bound)
                                            });
                                        0.501 * largest / 127.0 + bound
                                    }
                                };
                            near(cache[row * head + d], value, bound, &|| {
                                what(["k", "v"][plane], t, i * head + d)
                            });
                        }
                    }
                }
            }
        }
    }

    /// Fills the cache of the block.
    async fn fill(&mut self, weights: &[Matrix<Buf>; 3]) {
        let context = self.cache.size.context_tokens;
        for position in (0..context).step_by(TOKENS) {
            let tokens = TOKENS.min(context - position);
            self.harness.begin(tokens, 32, position);
            self.input(weights, false, self.block);
            let Harness { gpu, step, .. } = &mut self.harness;
            gpu.submit(step).await.expect("the device works");
        }
    }

    /// Attention of `tokens` at `position`, whose predecessors are cached already.
    async fn check_attention(
        &mut self,
        weights: &[Matrix<Buf>; 3],
        tokens: usize,
        position: usize,
    ) {
        self.harness.begin(tokens, weights[0].weight.cols, position);
        self.input(weights, false, self.block);
        let Harness { gpu, step, .. } = &mut self.harness;
        gpu.attend(step, &self.cache, self.block, &self.attention);
        let a = step.a.clone();
        gpu.tap_buffer(step, "a", &a);
        let (a, q, cache) = self.look(self.block).await;
        let cache: Vec<f64> = cache.into_iter().map(f64::from).collect();
        self.compare(&a, &q, &cache, tokens, position);
    }

    fn compare(&self, a: &[f32], q: &[f32], cache: &[f64], tokens: usize, position: usize) {
        let Dims {
            head_dim: head,
            heads,
            kv_heads,
            ..
        } = self.dims;
        let room = self.cache.size.layers[self.block];
        for t in [0, tokens / 2, tokens - 1] {
            for h in 0..heads {
                let at = (t * heads + h) * head;
                let plane = |plane: usize, p: usize| {
                    let row = (plane * kv_heads + h / (heads / kv_heads)) * room + p % room;
                    &cache[row * head..(row + 1) * head]
                };
                let dot = |k: &[f64]| {
                    q[at..at + head]
                        .iter()
                        .zip(k)
                        .map(|(&q, k)| f64::from(q) * k)
                        .sum::<f64>()
                };
                let size = |k: &[f64]| {
                    q[at..at + head]
                        .iter()
                        .zip(k)
                        .map(|(&q, k)| (f64::from(q) * k).abs())
                        .sum::<f64>()
                };
                let Attention {
                    scale,
                    window,
                    softcap,
                    ..
                } = self.attention;
                let (scale, softcap) = (f64::from(scale), f64::from(softcap));
                let first = (position + t + 1).saturating_sub(window as usize);
                let bounded = |score: f64| match softcap {
                    0.0 => score,
                    softcap => softcap * (score / softcap).tanh(),
                };
                let scores: Vec<f64> = (first..=position + t)
                    .map(|p| bounded(dot(plane(0, p)) * scale))
                    .collect();
                let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                // How far off scores may be, and so the weights, each by its share.
                let blur = (first..=position + t)
                    .map(|p| size(plane(0, p)) * scale)
                    .fold(0.0, f64::max)
                    * 16.0
                    * EPS
                    + 1e-5;
                let weights: Vec<f64> =
                    scores.iter().map(|score| (score - largest).exp()).collect();
                let total: f64 = weights.iter().sum();
                for d in 0..head {
                    let (mut expected, mut spread) = (0.0, 0.0);
                    for (p, weight) in weights.iter().enumerate() {
                        let v = plane(1, first + p)[d];
                        expected += weight / total * v;
                        spread += weight / total * v.abs();
                    }
                    let bound = 2.0 * blur * (spread + expected.abs()) + 1e-6;
                    near(a[at + d], expected, bound, &|| {
                        format!(
                            "{heads} heads of {head}, {tokens} tokens at {position}: token {t}, head {h}, {d}"
                        )
                    });
                }
            }
        }
    }
}

/// A block of a cache of bytes.
fn bytes(block: &[u8]) -> impl Iterator<Item = f32> {
    let (levels, largest) = block.split_at(32);
    let largest = f32::from_le_bytes(largest.try_into().expect("four bytes"));
    levels
        .iter()
        .map(move |&level| f32::from(level as i8) / 127.0 * largest)
}

/// Both ways to keep keys and values.
fn with_either_cache(options: GpuOptions) -> [GpuOptions; 2] {
    [CacheType::F16, CacheType::Q8_0].map(|cache_type| GpuOptions {
        cache_type,
        ..options
    })
}

pub async fn queries_keys_and_values(options: GpuOptions) {
    let Some(device) = gpu(options).await else {
        return;
    };
    let mut case = Case::new(
        &device,
        [64, 9, 3],
        RopePairs::Halves,
        64,
        300,
        FORMATS.len(),
    );
    // What many tokens go through is the product that has tests of its own in every format: once more only where compiling is quick.
    let steps = if THOROUGH { &STEPS[..] } else { &STEPS[..2] };
    for (block, &dtype) in FORMATS.iter().enumerate() {
        // Keys and values may be of other formats.
        let other = FORMATS[(block + 3) % FORMATS.len()];
        case.check_input([dtype, dtype, other], block % 2 == 0, block, steps)
            .await;
    }
    // Dots of bytes are of one token alone.
    let steps = if options.strategy.is_some_and(|strategy| strategy.int8_dot) {
        &STEPS[..2]
    } else {
        &STEPS[..]
    };
    for options in with_either_cache(options) {
        let device = gpu(options).await.expect("there was a device");
        for (heads, pairs, rotated) in [
            ([64, 3, 1], RopePairs::Adjacent, 64),
            ([128, 4, 4], RopePairs::Halves, 64),
            ([96, 2, 1], RopePairs::Halves, 96),
            ([80, 2, 2], RopePairs::Halves, 20),
            ([8, 5, 1], RopePairs::Adjacent, 4),
        ] {
            if options.cache_type == CacheType::F16 || heads[0] % 32 == 0 {
                let mut case = Case::new(&device, heads, pairs, rotated, 300, 1);
                case.check_input([DType::Q8_0, DType::Q8_0, DType::Q5_0], true, 0, steps)
                    .await;
            }
        }
    }
}

/// Of all options, only how keys and values are kept makes a difference to attention.
pub fn either_cache() -> Vec<GpuOptions> {
    with_either_cache(GpuOptions::default()).to_vec()
}

pub async fn attention_is_the_plain_softmax(options: GpuOptions) {
    let Some(device) = gpu(options).await else {
        return;
    };
    const CASES: [([usize; 3], usize); 7] = [
        ([64, 14, 2], 4000),
        ([64, 9, 3], 1200),
        ([128, 4, 4], 300),
        ([96, 6, 2], 300),
        ([8, 2, 1], 300),
        ([256, 4, 1], 300),
        ([512, 4, 1], 300),
    ];
    for (i, (heads, context)) in CASES.into_iter().enumerate() {
        let with_bytes = options.cache_type == CacheType::Q8_0;
        if with_bytes && heads[0] % 32 != 0 {
            continue;
        }
        // Scores far apart, and close together: in a browser, whose kernels are the same for both,
        // in turns.
        let dtypes = &[DType::F32, DType::Q8_0];
        let turn = i % 2;
        for dtype in match (context < 4000, THOROUGH) {
            (true, true) => &dtypes[..],
            (true, false) => &dtypes[turn..=turn],
            (false, _) => &dtypes[1..],
        } {
            let mut case = Case::new(&device, heads, RopePairs::Halves, heads[0], context, 1);
            let weights = case.weights([*dtype; 3], 32);
            case.fill(&weights).await;
            let steps = [
                (1, 0),
                (1, 62),
                (1, 63),
                (1, 64),
                (3, 0),
                (31, 0),
                (64, 0),
                (31, 61),
                (64, 65),
                (1, 1199),
                (64, 1136),
                (1, 3999),
                (5, 3995),
            ];
            for (tokens, position) in steps
                .into_iter()
                .filter(|(tokens, position)| tokens + position <= context)
            {
                case.check_attention(&weights, tokens, position).await;
            }
        }
    }
}

/// Windows end within tiles and at their ends, and leave out whole splits.
pub async fn windows_bounds_and_scales(options: GpuOptions) {
    let Some(device) = gpu(options).await else {
        return;
    };
    const CASES: [(u32, f32); 5] = [(1, 0.0), (33, 0.0), (64, 0.0), (200, 3.0), (u32::MAX, 3.0)];
    for (heads, context) in [([64, 4, 2], 700), ([256, 2, 1], 300), ([48, 2, 1], 300)] {
        if options.cache_type == CacheType::Q8_0 && heads[0] % 32 != 0 {
            continue;
        }
        let mut case = Case::new(
            &device,
            heads,
            RopePairs::Halves,
            heads[0],
            context,
            CASES.len(),
        );
        let weights = case.weights([DType::Q8_0; 3], 32);
        for (block, (window, softcap)) in CASES.into_iter().enumerate() {
            // A recording knows a layer by its number.
            (case.block, case.attention) = (
                block,
                Attention {
                    scale: 0.3,
                    window,
                    is_causal: true,
                    softcap,
                },
            );
            case.fill(&weights).await;
            for (tokens, position) in [(1, 0), (1, 130), (64, 0), (64, 150), (5, 290), (1, 699)] {
                if tokens + position <= context {
                    case.check_attention(&weights, tokens, position).await;
                }
            }
        }
    }
}

/// Keys and values lie at their positions modulo what the layer has room for.
pub async fn windows_that_are_kept_alone(options: GpuOptions) {
    let Some(device) = gpu(options).await else {
        return;
    };
    for (heads, rooms) in [([64, 4, 2], [128, 256]), ([256, 2, 1], [128, 192])] {
        let size = CacheSize {
            context_tokens: 400,
            layers: rooms.to_vec(),
        };
        let mut case = Case::with_size(&device, heads, RopePairs::Halves, heads[0], &size);
        let weights = case.weights([DType::Q8_0; 3], 32);
        for (block, room) in rooms.into_iter().enumerate() {
            case.block = block;
            case.attention = Attention {
                // The second window is as long as its room allows beside a step of 64 tokens.
                window: [33, room as u32 - 64][block],
                ..Attention::full(heads[0])
            };
            let mut position = 0;
            for tokens in [1, 64, 5, 50, 31, 64, 3, 64, 40, 1, 1, 64].into_iter() {
                case.check_attention(&weights, tokens, position).await;
                position += tokens;
            }
        }
    }
}

pub async fn what_no_kernel_takes_is_told(options: GpuOptions) {
    let Some(mut gpu) = gpu(GpuOptions {
        cache_type: CacheType::Q8_0,
        ..options
    })
    .await
    else {
        return;
    };
    let error = gpu
        .step(
            &Dims {
                heads: 2,
                kv_heads: 2,
                head_dim: 80,
                ..DIMS
            },
            1,
        )
        .expect_err("80 is no multiple of 32");
    assert_eq!(error.code, Code::GpuUnsupported);
    assert!(error.message.contains("q8_0"), "{error}");
    assert!(
        gpu.step(
            &Dims {
                heads: 2,
                kv_heads: 2,
                head_dim: 96,
                ..DIMS
            },
            1
        )
        .is_ok()
    );
    assert_eq!(
        CacheType::named("q4_0").expect_err("no such type").code,
        Code::InvalidArgument
    );
}
