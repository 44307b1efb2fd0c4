//! Whole tiny models against what Hugging Face transformers computes.

use super::{
    device::{gpu, tiers},
    support::{
        data::THOROUGH,
        tiny::{MODELS, check},
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
    for &model in MODELS {
        let Some(backend) = gpu(options).await else {
            return;
        };
        check(backend, model, bar).await;
    }
}
