//! A device for each test, or why there is none.

use super::support::data::THOROUGH;
use siskin::backend::gpu::{
    Gpu,
    device::{Device, GpuOptions, MatmulStrategy, ShaderFeatures},
};
use std::{cell::RefCell, collections::HashMap};

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
/// In browsers the checks of a device share it with what was compiled for it: SwiftShader takes half
/// a second for a shader, and most checks ask for shaders that others ask for too.
pub async fn gpu(options: GpuOptions) -> Option<Gpu> {
    if THOROUGH {
        return open(options).await;
    }
    let key = device_key(options);
    let opened = OPENED.with_borrow(|opened| opened.get(&key).map(Gpu::beside));
    let gpu = match opened {
        Some(gpu) => gpu,
        None => {
            let gpu = open(options).await?;
            OPENED.with_borrow_mut(|opened| opened.insert(key, gpu.beside()));
            gpu
        }
    };
    let strategy = options.strategy.unwrap_or_default();
    gpu.device().strategy.set(strategy);
    Some(gpu)
}

thread_local! {
    static OPENED: RefCell<HashMap<String, Gpu>> = RefCell::default();
}

/// Returns the same for options that one device serves: how matrices are multiplied can be set.
pub fn device_key(options: GpuOptions) -> String {
    let strategy = None;
    format!(
        "{:?}",
        GpuOptions {
            strategy,
            ..options
        }
    )
}

async fn open(options: GpuOptions) -> Option<Gpu> {
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
