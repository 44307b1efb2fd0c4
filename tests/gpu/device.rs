//! A device for each test, or why there is none.

use siskin::backend::gpu::{
    Gpu,
    device::{Device, GpuOptions, Products},
};

/// What this machine has, what others have or lack, and weights in many parts.
pub fn tiers() -> [GpuOptions; 5] {
    let all = GpuOptions::default();
    let products = |alone, dots| Some(Products { alone, dots });
    [
        GpuOptions { products: products(false, true), ..all },
        GpuOptions { products: products(false, false), ..all },
        GpuOptions { products: products(false, false), without_subgroups: true, without_packed: true, default_limits: true, ..all },
        GpuOptions { products: products(true, false), max_part_bytes: Some(40_000), ..all },
        GpuOptions { products: products(true, true), ..all },
    ]
}

/// None, with a word about it, where there is no adapter; an error instead where one is required.
pub fn gpu(options: GpuOptions) -> Option<Gpu> {
    match pollster::block_on(Device::open(options)) {
        Ok(device) => Some(Gpu::new(device)),
        Err(error) => {
            assert!(std::env::var_os("SISKIN_REQUIRE_MODELS").is_none(), "{error} On Debian: apt-get install mesa-vulkan-drivers");
            eprintln!("SKIPPED: {error} On Debian: apt-get install mesa-vulkan-drivers");
            None
        }
    }
}
