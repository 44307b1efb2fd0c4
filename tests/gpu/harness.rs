//! A backend with one step, whose activations are set and looked at from outside.

use super::{
    device::gpu,
    support::data::{Matrix, Random, activations},
};
use siskin::{
    backend::{
        Activation, Backend, Dims, FeedForward, LmHead, LogitScale, Rows,
        gpu::{
            Activations, Gpu,
            device::{GpuOptions, MatmulStrategy},
            weights::Buf,
        },
    },
    quant::DType,
    tensor::Weight,
};

/// Room for more than any test asks for.
pub const DIMS: Dims = Dims {
    embedding: 2112,
    heads: 8,
    kv_heads: 2,
    head_dim: 128,
    head_dims: Vec::new(),
    feed_forward: 2112,
    vocab: 2112,
    layers: 1,
    conv_layers: 0,
    delta: None,
    layer_input: 0,
};
pub const TOKENS: usize = 64;
/// A rounding of f32.
pub const EPS: f64 = f32::EPSILON as f64 / 2.0;
pub const NORM_EPS: f32 = 1e-5;

/// The formats that shaders read, but that those of a codebook are two layouts, of which each has
/// one here (`models::odd_models` has them all).
pub const FORMATS: &[DType] = &[
    DType::F32,
    DType::F16,
    DType::BF16,
    DType::Q4_0,
    DType::Q4_1,
    DType::Q5_0,
    DType::Q5_1,
    DType::Q8_0,
    DType::Q2K,
    DType::Q3K,
    DType::Q4K,
    DType::Q5K,
    DType::Q6K,
    DType::NVFP4,
    DType::IQ2S,
];

pub struct Harness {
    pub gpu: Gpu,
    pub step: Activations,
    pub random: Random,
    /// A norm of 1,024 columns, and its values.
    pub norm: (Weight<Buf>, Vec<f32>),
    /// A bias as long, and its values; it serves products of fewer rows too.
    pub bias: (Weight<Buf>, Vec<f32>),
}

fn vector(gpu: &mut Gpu, low: f32, high: f32, random: &mut Random) -> (Weight<Buf>, Vec<f32>) {
    let values: Vec<f32> = (0..DIMS.embedding)
        .map(|_| random.within(low, high))
        .collect();
    let mut weight = gpu.alloc(DType::F32, 1, values.len()).expect("memory");
    gpu.write(&mut weight, 0, bytemuck::cast_slice(&values));
    (weight, values)
}

impl Harness {
    /// None where there is no adapter.
    pub async fn new(options: GpuOptions, dims: &Dims) -> Option<Self> {
        Some(Self::on(gpu(options).await?, dims))
    }

    pub fn on(mut gpu: Gpu, dims: &Dims) -> Self {
        let mut random = Random::new(9);
        let (norm, bias) = (
            vector(&mut gpu, 0.5, 1.5, &mut random),
            vector(&mut gpu, -1.0, 1.0, &mut random),
        );
        let step = gpu.step(dims, TOKENS).expect("memory");
        Self {
            gpu,
            step,
            random,
            norm,
            bias,
        }
    }

    pub fn matrix(&mut self, dtype: DType, rows: usize, cols: usize) -> Matrix<Buf> {
        Matrix::random(&mut self.gpu, dtype, rows, cols, &mut self.random)
    }

    /// Begins a step with random activations `[tokens, cols]`, which it gives.
    pub fn begin(&mut self, tokens: usize, cols: usize, position: usize) -> Vec<f32> {
        let x = activations(tokens, cols, &mut self.random);
        self.begin_with(&x, cols, position);
        x
    }

    pub fn begin_with(&mut self, x: &[f32], cols: usize, position: usize) {
        let ids: Vec<u32> = (0..(x.len() / cols) as u32).collect();
        // A table of one row would be a vector.
        let mut table = self
            .gpu
            .alloc(DType::F32, ids.len().max(2), cols)
            .expect("memory");
        self.gpu.write(&mut table, 0, bytemuck::cast_slice(x));
        self.gpu.embed(&mut self.step, &table, 1.0, &ids, position);
    }

    /// Records norm, gate and up.
    pub fn feed_forward(&mut self, [gate, up]: [&Weight<Buf>; 2], [gate_bias, up_bias]: [bool; 2]) {
        let Self {
            gpu,
            step,
            norm,
            bias,
            ..
        } = self;
        let input = FeedForward {
            norm: Some(&norm.0),
            gate,
            up,
            gate_bias: gate_bias.then_some(&bias.0),
            up_bias: up_bias.then_some(&bias.0),
            activation: Activation::Silu,
            eps: NORM_EPS,
        };
        gpu.feed_forward(step, &input);
    }

    /// Records `x += w a`.
    pub fn project_add(&mut self, w: &Weight<Buf>, is_biased: bool) {
        let bias = is_biased.then_some(&self.bias.0);
        self.gpu.project_add(&mut self.step, w, bias, None);
    }

    /// Records the logits, and reads them.
    pub async fn logits(&mut self, output: &Weight<Buf>, is_biased: bool, rows: Rows) -> Vec<f32> {
        let input = LmHead {
            norm: &self.norm.0,
            output,
            bias: is_biased.then_some(&self.bias.0),
            eps: NORM_EPS,
            scale: LogitScale::NONE,
        };
        self.gpu.lm_head(&mut self.step, &input, rows);
        let mut logits = Vec::new();
        let read = self.gpu.read(&mut self.step, &mut logits).await;
        read.expect("the device works");
        logits
    }

    pub fn tap(&mut self, buffer: impl Fn(&Activations) -> &wgpu::Buffer) {
        let buffer = buffer(&self.step).clone();
        self.gpu.tap_buffer(&mut self.step, "", &buffer);
    }

    /// The values that a bias adds to each of the rows.
    pub fn biases(&self, is_biased: bool, rows: usize) -> Vec<f64> {
        let value = |&bias| if is_biased { f64::from(bias) } else { 0.0 };
        self.bias.1[..rows].iter().map(value).collect()
    }

    /// `w x` as products take it here.
    pub fn product(&self, w: &Matrix<Buf>, x: &[f64]) -> Vec<(f64, f64)> {
        product(w, x, self.gpu.device().strategy.get())
    }

    /// What was tapped, in order.
    pub async fn taps(&mut self) -> Vec<Vec<f32>> {
        self.gpu
            .submit(&mut self.step)
            .await
            .expect("the device works");
        let taps = self.gpu.read_taps().await.expect("the device works");
        taps.iter()
            .map(|(_, bytes)| bytemuck::pod_collect_to_vec(bytes))
            .collect()
    }
}

/// `rms_norm(x) * norm`, a row for each token.
pub fn normed(x: &[f32], cols: usize, norm: &[f32]) -> Vec<f64> {
    let rows = x.chunks_exact(cols).flat_map(|x| {
        let mean = x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / cols as f64;
        let scale = 1.0 / (mean + f64::from(NORM_EPS)).sqrt();
        x.iter()
            .zip(norm)
            .map(move |(&x, &norm)| f64::from(x) * f64::from(norm) * scale)
    });
    rows.collect()
}

/// Returns `w x`, `[tokens, rows]`, each with how far off a sum in f32 may be. With `int8_dot` the
/// activations are steps of 15 bits; with `f16_tiles` they, the weights and sums of four are f16.
pub fn product(w: &Matrix<Buf>, x: &[f64], strategy: MatmulStrategy) -> Vec<(f64, f64)> {
    let cols = w.weight.cols;
    let half_step = if strategy.int8_dot {
        0.5 / (127.0 * 128.0)
    } else {
        0.0
    };
    // Of f16: a rounding, and half of the least number.
    let (rounding, least) = if strategy.f16_tiles {
        (1.0 / 2048.0, 3e-8)
    } else {
        (0.0, 0.0)
    };
    let mut results = Vec::new();
    for x in x.chunks_exact(cols) {
        for (values, sizes) in w.values.chunks_exact(cols).zip(w.sizes.chunks_exact(cols)) {
            let (mut sum, mut bound) = (0.0, 0.0);
            for ((&x, &value), &size) in x.iter().zip(values).zip(sizes) {
                sum += x * f64::from(value);
                // The second part is for offsets that cancel out: 32 scales of 0.06 and less.
                bound += x.abs() * (f64::from(size) * (64.0 * EPS + 7.0 * rounding) + 1e-6 + least);
            }
            for (x, sizes) in x.chunks(32).zip(sizes.chunks(32)) {
                let largest = x.iter().fold(0f64, |largest, x| largest.max(x.abs()));
                bound += (half_step + least)
                    * largest
                    * sizes.iter().map(|&size| f64::from(size)).sum::<f64>();
            }
            results.push((sum, bound));
        }
    }
    results
}
