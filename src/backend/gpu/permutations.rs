//! Every kind of shader that a model can ask for.

use super::{
    device::Products,
    kernels::{add_key, attend_key, combine_key, embed_key, gate_up_key, head_key, qkv_key},
    pipeline::Key,
    prefill::{HEAD_PART, Then, attend_many_key, matmul_key, rotate_key},
    segment::Layout,
};
use crate::{backend::RopePairs, quant::DType};

/// Elements of a head, and query heads that share a key-value head: what models have, and the least.
const HEADS: [(usize, usize); 8] = [(8, 1), (64, 1), (64, 3), (64, 7), (80, 4), (96, 1), (128, 8), (256, 4)];

pub fn every_key() -> Vec<Key> {
    let layouts: Vec<Layout> = DType::ALL.iter().filter_map(|&dtype| Layout::of(dtype)).collect();
    let mut keys = ["rank", "adjust", "gather", "choose", "likelihoods", "norm"].map(Key::new).to_vec();
    for (head, group) in HEADS {
        keys.extend([attend_key(head, group, false), attend_key(head, group, true), combine_key(head)]);
        if head.is_multiple_of(HEAD_PART) {
            keys.push(attend_many_key(head, group));
        }
    }
    keys.extend([RopePairs::Adjacent, RopePairs::Halves].map(rotate_key));
    keys.extend(layouts.iter().map(|&table| embed_key(table)));
    for alone in [false, true] {
        for &a in &layouts {
            keys.extend([Then::Store, Then::Add, Then::Gated].map(|then| matmul_key(a, then, alone)));
        }
        for dots in [false, true] {
            let products = Products { alone, dots };
            for (i, &a) in layouts.iter().enumerate() {
                keys.extend([add_key(a, products), head_key(a, products)]);
                for (j, &b) in layouts.iter().enumerate() {
                    keys.push(gate_up_key(a, b, products));
                    // Every two of the three formats meet; the three share no name, so no third one matters to them.
                    let c = layouts[(i + j) % layouts.len()];
                    keys.extend([RopePairs::Adjacent, RopePairs::Halves].map(|pairs| qkv_key([a, b, c], pairs, products)));
                }
            }
        }
    }
    keys
}
