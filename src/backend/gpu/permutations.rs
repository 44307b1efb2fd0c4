//! Every kind of shader that a model can ask for.

use super::{
    device::{CacheType, MatmulStrategy},
    kernels::{
        add_key, append_key, attend_key, combine_key, embed_key, gate_up_key, head_key, qkv_key,
    },
    pipeline::Key,
    prefill::{HEAD_PART, Then, attend_many_key, matmul_key, rotate_key},
    segment::Layout,
};
use crate::{backend::RopePairs, quant::DType};

/// Elements of a head, and query heads that share a key-value head: what models have, and the least.
const HEADS: [(usize, usize); 8] = [
    (8, 1),
    (64, 1),
    (64, 3),
    (64, 7),
    (80, 4),
    (96, 1),
    (128, 8),
    (256, 4),
];

pub fn every_key() -> Vec<Key> {
    let layouts: Vec<Layout> = DType::ALL
        .iter()
        .filter_map(|&dtype| Layout::of(dtype))
        .collect();
    let mut keys = ["rank", "adjust", "gather", "choose", "logprobs", "norm"]
        .map(Key::new)
        .to_vec();
    keys.extend(HEADS.map(|(head, _)| combine_key(head)));
    keys.extend(
        HEADS
            .into_iter()
            .filter(|(head, _)| head.is_multiple_of(32))
            .map(|(head, _)| append_key(head)),
    );
    for (cache_type, multiple) in [(CacheType::F16, 8), (CacheType::Q8_0, 32)] {
        for (head, group) in HEADS
            .into_iter()
            .filter(|(head, _)| head.is_multiple_of(multiple))
        {
            keys.push(attend_key(head, group, cache_type));
            if head.is_multiple_of(HEAD_PART) {
                keys.push(attend_many_key(head, group, cache_type));
            }
        }
        keys.extend(
            [RopePairs::Adjacent, RopePairs::Halves].map(|pairs| rotate_key(pairs, cache_type)),
        );
    }
    keys.extend(layouts.iter().map(|&table| embed_key(table)));
    for f16_tiles in [false, true] {
        let products = MatmulStrategy {
            f16_tiles,
            ..MatmulStrategy::default()
        };
        for &a in &layouts {
            keys.extend(
                [Then::Store, Then::Add, Then::Gated].map(|then| matmul_key(a, then, products)),
            );
        }
    }
    let every_pairs = [RopePairs::Adjacent, RopePairs::Halves];
    for int8_dot in [false, true] {
        let products = MatmulStrategy {
            int8_dot,
            ..MatmulStrategy::default()
        };
        for (i, &a) in layouts.iter().enumerate() {
            keys.extend([add_key(a, products), head_key(a, products)]);
            // How keys and values are kept has nothing to do with which formats meet.
            keys.extend(every_pairs.map(|pairs| qkv_key([a; 3], pairs, products, CacheType::Q8_0)));
            for (j, &b) in layouts.iter().enumerate() {
                keys.push(gate_up_key(a, b, products));
                // Every two of the three formats meet; the three share no name, so no third one matters to them.
                let c = layouts[(i + j) % layouts.len()];
                keys.extend(
                    every_pairs.map(|pairs| qkv_key([a, b, c], pairs, products, CacheType::F16)),
                );
            }
        }
    }
    keys
}
