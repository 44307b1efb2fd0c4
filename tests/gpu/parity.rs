//! What every device must compute as plain loops do. Natively each check is a test; in browsers
//! tests/e2e/gpu_parity.test.mjs runs the same checks through tests/gpu/web.rs.

use super::{
    architectures, argmax, attention, delta_net, device::tiers, matmul, models, sampling,
    side_by_side,
};
use siskin::backend::gpu::device::GpuOptions;
use std::pin::Pin;

pub struct Check {
    pub name: &'static str,
    /// The devices that make a difference to it.
    pub options: fn() -> Vec<GpuOptions>,
    /// Panics where the device is wrong.
    pub run: fn(GpuOptions) -> Pin<Box<dyn Future<Output = ()>>>,
}

/// `module::check: devices`
macro_rules! checks {
    ($($module:ident :: $name:ident: $options:path),* $(,)?) => {
        pub const CHECKS: &[Check] = &[$(Check {
            name: stringify!($name),
            options: $options,
            run: |options| Box::pin($module::$name(options)),
        }),*];

        $(
            #[cfg(not(target_arch = "wasm32"))]
            #[test]
            fn $name() {
                run(stringify!($name));
            }
        )*
    };
}

checks! {
    matmul::products_and_rows: tiers,
    matmul::biases_are_added: tiers,
    attention::queries_keys_and_values: tiers,
    attention::attention_is_the_plain_softmax: attention::either_cache,
    attention::windows_bounds_and_scales: attention::either_cache,
    attention::windows_that_are_kept_alone: attention::either_cache,
    attention::what_no_kernel_takes_is_told: plain,
    architectures::embeddings_are_scaled: plain,
    architectures::feed_forward_networks_differ: tiers,
    architectures::norms_behind_products: plain,
    architectures::norms_of_queries_and_keys: plain,
    architectures::short_convolutions: plain,
    architectures::inputs_of_layers: plain,
    architectures::logits_are_scaled_and_bounded: plain,
    delta_net::states_go_on: plain,
    argmax::the_likeliest_of_each_row: plain,
    argmax::rows_without_numbers_are_noticed: plain,
    sampling::filters: plain,
    sampling::penalties_and_biases: plain,
    sampling::only_allowed_tokens: plain,
    sampling::logprobs_of_the_sampled_and_the_likeliest: plain,
    sampling::the_first_of_equals_is_the_likeliest: plain,
    sampling::what_is_no_number_is_noticed: plain,
    sampling::tokens_come_as_often_as_they_are_likely: plain,
    models::tiny_models: models::f32_and_f16,
    models::tiny_caches: plain,
    models::adapters: models::f32_and_f16,
    models::tokens_that_the_host_reads: plain,
    models::encoders_are_refused: plain,
    models::odd_models: models::f32_and_f16,
    side_by_side::slots_keep_to_their_own_buffers: plain,
}

#[cfg(not(target_arch = "wasm32"))]
fn run(name: &str) {
    let check = CHECKS
        .iter()
        .find(|check| check.name == name)
        .expect("it is listed");
    for options in (check.options)() {
        pollster::block_on((check.run)(options));
    }
}

/// All that the adapter has.
fn plain() -> Vec<GpuOptions> {
    vec![GpuOptions::default()]
}
