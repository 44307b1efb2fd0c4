//! A device for each test, or why there is none.

use siskin::backend::gpu::{
    Gpu,
    device::{Device, GpuOptions},
};

/// What a machine may lack, in every combination.
pub fn tiers() -> impl Iterator<Item = GpuOptions> {
    (0..8).map(|bits| GpuOptions {
        without_f16: bits & 1 != 0,
        without_subgroups: bits & 2 != 0,
        alone: Some(bits & 4 != 0),
        default_limits: bits == 3,
        ..GpuOptions::default()
    })
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
