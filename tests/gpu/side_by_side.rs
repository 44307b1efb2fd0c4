//! Two conversations, with caches and ropes of their own, on one backend: a recording that was made
//! for one of them never serves the other.

use super::{
    device::gpu,
    harness::{Harness, NORM_EPS},
};
use siskin::{
    backend::{
        Attention, AttentionInput, Backend, CacheSize, Dims, Rope, RopePairs,
        gpu::{Activations, Cache, Gpu, device::GpuOptions, weights::Buf},
    },
    quant::DType,
    tensor::Weight,
};

pub const DIMS: Dims = Dims {
    embedding: 64,
    heads: 2,
    kv_heads: 1,
    head_dim: 64,
    head_dims: Vec::new(),
    feed_forward: 64,
    vocab: 64,
    layers: 1,
    conv_layers: 0,
    delta: None,
    layer_input: 0,
};
const CONTEXT_TOKENS: [usize; 2] = [64, 96];

struct Slot {
    step: Activations,
    cache: Cache,
    rope: Rope,
}

fn slot(gpu: &mut Gpu, number: usize) -> Slot {
    Slot {
        step: gpu.step(&DIMS, 16).expect("memory"),
        cache: gpu
            .cache(
                &DIMS,
                &CacheSize::whole(DIMS.layers, CONTEXT_TOKENS[number]),
            )
            .expect("memory"),
        rope: Rope {
            pairs: RopePairs::Halves,
            frequencies: [0.1 + number as f32; 32].into(),
            scale: 1.0,
        },
    }
}

struct Weights {
    table: Weight<Buf>,
    q: Weight<Buf>,
    k: Weight<Buf>,
    v: Weight<Buf>,
    norm: Weight<Buf>,
}

/// The same weights on every backend.
fn weights(gpu: Gpu) -> (Gpu, Weights) {
    let mut harness = Harness::on(gpu, &DIMS);
    let mut matrix = |rows| harness.matrix(DType::F32, rows, 64).weight;
    let (table, q, k, v) = (matrix(64), matrix(128), matrix(64), matrix(64));
    let Harness { gpu, norm, .. } = harness;
    let norm = norm.0;
    (
        gpu,
        Weights {
            table,
            q,
            k,
            v,
            norm,
        },
    )
}

/// Attention of some tokens behind those that the slot has, `[tokens, heads * head_dim]`.
async fn attend(
    gpu: &mut Gpu,
    w: &Weights,
    slot: &mut Slot,
    tokens: &[u32],
    position: usize,
) -> Vec<f32> {
    let Slot { step, cache, rope } = slot;
    let input = AttentionInput {
        norm: Some(&w.norm),
        q: &w.q,
        k: Some(&w.k),
        v: Some(&w.v),
        q_bias: None,
        k_bias: None,
        v_bias: None,
        q_norm: None,
        k_norm: None,
        v_norm: None,
        rope,
        eps: NORM_EPS,
    };
    gpu.embed(step, &w.table, 1.0, tokens, position);
    gpu.attention_input(step, cache, 0, &input);
    gpu.attend(step, cache, 0, &Attention::full(64));
    gpu.tap_buffer(step, "a", &step.a.clone());
    gpu.submit(step).await.expect("the device works");
    let taps = gpu.read_taps().await.expect("the device works");
    let values: Vec<f32> = bytemuck::pod_collect_to_vec(&taps[0].1);
    values[..tokens.len() * DIMS.heads * DIMS.head_dim].to_vec()
}

pub async fn slots_keep_to_their_own_buffers(options: GpuOptions) {
    // A prompt, which goes in tiles, and two tokens behind it.
    let steps: [(&[u32], usize); 3] = [(&[1, 2, 3, 4, 5, 6, 7, 8, 9], 0), (&[10], 9), (&[11], 10)];
    let mut alone = Vec::new();
    for number in 0..2 {
        let Some(gpu) = gpu(options).await else {
            return;
        };
        let (mut gpu, w) = weights(gpu);
        let mut slot = slot(&mut gpu, number);
        let mut results = Vec::new();
        for (tokens, position) in steps {
            results.push(attend(&mut gpu, &w, &mut slot, tokens, position).await);
        }
        alone.push(results);
    }
    assert!(alone[0] != alone[1], "the slots' ropes make no difference");

    let Some(gpu) = gpu(options).await else {
        return;
    };
    let (mut gpu, w) = weights(gpu);
    let mut slots = [0, 1].map(|number| slot(&mut gpu, number));
    for (i, (tokens, position)) in steps.into_iter().enumerate() {
        for (slot, alone) in slots.iter_mut().zip(&alone) {
            let together = attend(&mut gpu, &w, slot, tokens, position).await;
            assert!(
                together == alone[i],
                "step {i} takes another slot's buffers"
            );
        }
    }
}
