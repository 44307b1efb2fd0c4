//! Every kind of shader that a model can ask for.

use super::{
    device::{CacheType, Products},
    kernels::{add_key, append_key, attend_key, combine_key, embed_key, gate_up_key, head_key, qkv_key},
    pipeline::Key,
    prefill::{HEAD_PART, Then, attend_many_key, matmul_key, rotate_key},
    segment::Layout,
};
use crate::{backend::RopePairs, quant::DType};

/// Groups of four rows of a weight: a few, more, many.
const GROUPS: [usize; 3] = [1, 200, 1000];

/// Elements of a head, and query heads that share a key-value head: what models have, and the least.
const HEADS: [(usize, usize); 8] = [(8, 1), (64, 1), (64, 3), (64, 7), (80, 4), (96, 1), (128, 8), (256, 4)];

pub fn every_key() -> Vec<Key> {
    let layouts: Vec<Layout> = DType::ALL.iter().filter_map(|&dtype| Layout::of(dtype)).collect();
    let mut keys = ["rank", "adjust", "gather", "choose", "likelihoods", "norm"].map(Key::new).to_vec();
    keys.extend(HEADS.map(|(head, _)| combine_key(head)));
    keys.extend(HEADS.into_iter().filter(|(head, _)| head.is_multiple_of(32)).map(|(head, _)| append_key(head)));
    for (cache_type, multiple) in [(CacheType::F16, 8), (CacheType::Q8_0, 32)] {
        for (head, group) in HEADS.into_iter().filter(|(head, _)| head.is_multiple_of(multiple)) {
            keys.extend([false, true].map(|alone| attend_key(head, group, alone, cache_type)));
            if head.is_multiple_of(HEAD_PART) {
                keys.push(attend_many_key(head, group, cache_type));
            }
        }
        keys.extend([RopePairs::Adjacent, RopePairs::Halves].map(|pairs| rotate_key(pairs, cache_type)));
    }
    let plain = Products::default();
    let alone = Products { alone: true, ..plain };
    let textures = Products { textures: true, ..alone };
    keys.extend(layouts.iter().flat_map(|&table| [embed_key(table, plain), embed_key(table, textures)]));
    for products in [plain, Products { half_tiles: true, ..plain }, alone, textures] {
        for &a in &layouts {
            keys.extend([Then::Store, Then::Add, Then::Gated].map(|then| matmul_key(a, then, products)));
        }
    }
    for products in [plain, alone, textures] {
        for dots in [false, true] {
            let products = Products { dots, ..products };
            for (i, &a) in layouts.iter().enumerate() {
                keys.extend(GROUPS.into_iter().flat_map(|count| {
                    [add_key(a, products, count), head_key(a, products, count, false), head_key(a, products, count, true)]
                }));
                // How keys and values are kept has nothing to do with which formats meet.
                keys.extend(
                    [RopePairs::Adjacent, RopePairs::Halves].map(|pairs| qkv_key([a; 3], pairs, products, GROUPS[0], CacheType::Q8_0)),
                );
                for (j, &b) in layouts.iter().enumerate() {
                    let count = GROUPS[(i + j) % GROUPS.len()];
                    keys.push(gate_up_key(a, b, products, count));
                    // Every two of the three formats meet; the three share no name, so no third one matters to them.
                    let c = layouts[(i + j) % layouts.len()];
                    keys.extend(
                        [RopePairs::Adjacent, RopePairs::Halves].map(|pairs| qkv_key([a, b, c], pairs, products, count, CacheType::F16)),
                    );
                }
            }
        }
    }
    keys
}
