//! The kernels: one module for each WGSL file of `shaders/`, which is the only place that knows it.
//!
//! A kernel says what specializes its text, which uniform and which buffers it binds, how far its
//! grid reaches, and which of its variants a model can ask for. Tests compare each variant with
//! naga's reflection of its text, and its results with plain arithmetic (`tests/gpu/`).

pub mod attention;
mod kernel;
pub mod matmul;
pub mod ops;
mod params;
pub mod sampling;

use self::kernel::describe;
pub use self::{
    kernel::{Description, Kernel, variant},
    params::StepParams,
};

/// Returns every variant of every kernel that a model can ask for.
pub fn every_variant() -> Vec<Description> {
    [
        describe::<attention::decode::Decode>(),
        describe::<attention::prefill::Prefill>(),
        describe::<attention::reduce::Reduce>(),
        describe::<matmul::matvec::Matvec>(),
        describe::<matmul::narrow_tile::NarrowTile>(),
        describe::<matmul::tile::Tile>(),
        describe::<ops::activate_mul::ActivateMul>(),
        describe::<ops::delta_conv::DeltaConv>(),
        describe::<ops::delta_rule::DeltaRule>(),
        describe::<ops::embed::Embed>(),
        describe::<ops::input_gate::InputGate>(),
        describe::<ops::kv_quantize::KvQuantize>(),
        describe::<ops::logit_scale::LogitScale>(),
        describe::<ops::qkv_rope::QkvRope>(),
        describe::<ops::query_gate::QueryGate>(),
        describe::<ops::rms_norm::RmsNorm>(),
        describe::<ops::short_conv::ShortConv>(),
        describe::<sampling::argmax::Argmax>(),
        describe::<sampling::filter_logits::FilterLogits>(),
        describe::<sampling::logprobs::Logprobs>(),
        describe::<sampling::penalties::Penalties>(),
        describe::<sampling::sample::Sample>(),
        describe::<sampling::top_logprobs::TopLogprobs>(),
    ]
    .concat()
}
