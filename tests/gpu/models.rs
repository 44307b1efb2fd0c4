//! Whole tiny models against what Hugging Face transformers computes.

use super::{
    device::{gpu, tiers},
    support::{
        data::THOROUGH,
        tiny::{MODELS, ROUNDED, check, check_cache},
    },
};
use siskin::backend::gpu::device::GpuOptions;

/// In a browser, where compiling takes long, those alone whose logits differ: products have checks of their own.
pub fn f32_and_f16() -> Vec<GpuOptions> {
    let tiers = tiers();
    if THOROUGH {
        tiers
    } else {
        tiers
            .into_iter()
            .filter(|options| {
                !options.strategy.unwrap_or_default().int8_dot && options.max_part_bytes.is_none()
            })
            .collect()
    }
}

pub async fn tiny_models(options: GpuOptions) {
    let bar = if options.strategy.is_some_and(|strategy| strategy.f16_tiles) {
        1e-2
    } else {
        1e-3
    };
    // What differs between the other tiers are products, which have checks of their own.
    let is_first =
        options.max_part_bytes.is_none() && !options.strategy.unwrap_or_default().int8_dot;
    for &model in MODELS {
        if !is_first && !ROUNDED.contains(&model.0) {
            continue;
        }
        let Some(backend) = gpu(options).await else {
            return;
        };
        check(backend, model, bar).await;
    }
}

/// Steps of one token, of few and of many take ways of their own to the cache.
pub async fn tiny_caches(options: GpuOptions) {
    for &model in MODELS {
        let Some(backend) = gpu(options).await else {
            return;
        };
        check_cache(backend, model, 1e-2).await;
    }
}
