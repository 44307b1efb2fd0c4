//! A device for each test, or why there is none.

use siskin::backend::gpu::{
    Gpu,
    device::{Device, GpuOptions, MatmulStrategy, ShaderFeatures},
};

/// What this machine has, what others have or lack, and weights in many parts.
pub fn tiers() -> Vec<GpuOptions> {
    let all = GpuOptions::default();
    let strategy = |int8_dot, f16_tiles| {
        Some(MatmulStrategy {
            int8_dot,
            f16_tiles,
        })
    };
    vec![
        GpuOptions {
            strategy: strategy(true, false),
            ..all
        },
        GpuOptions {
            strategy: strategy(false, false),
            ..all
        },
        GpuOptions {
            strategy: strategy(false, false),
            features: ShaderFeatures::NONE,
            default_limits: true,
            ..all
        },
        GpuOptions {
            strategy: strategy(true, false),
            max_part_bytes: Some(40_000),
            ..all
        },
        GpuOptions {
            strategy: strategy(false, true),
            ..all
        },
    ]
}

/// None, with a word about it, where there is no adapter; an error instead where one is required.
pub async fn gpu(options: GpuOptions) -> Option<Gpu> {
    match Device::open(options).await {
        Ok(device) => Some(Gpu::new(device)),
        Err(error) => {
            // In a browser, whoever opened it knows whether there is one.
            let required =
                cfg!(target_arch = "wasm32") || std::env::var_os("SISKIN_REQUIRE_MODELS").is_some();
            assert!(
                !required,
                "{error} On Debian: apt-get install mesa-vulkan-drivers"
            );
            eprintln!("SKIPPED: {error} On Debian: apt-get install mesa-vulkan-drivers");
            None
        }
    }
}
