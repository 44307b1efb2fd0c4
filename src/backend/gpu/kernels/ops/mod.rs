//! What stands between the products: the embedding, norms, rotation, and the cache.

pub mod activate_mul;
pub mod delta_conv;
pub mod delta_rule;
pub mod embed;
pub mod input_gate;
pub mod kv_quantize;
pub mod logit_scale;
pub mod qkv_rope;
pub mod query_gate;
pub mod rms_norm;
pub mod short_conv;
