//! The operations of a step: which kernels, on which buffers. Of one token, a product does what
//! comes before and after it too (`matmul/matvec`). Of several, norms, products and the rest are
//! kernels of their own, so that a product takes each weight once for all or many of them.

mod adapters;
mod argmax;
mod attention;
mod delta_net;
mod embed;
mod feed_forward;
mod hidden;
mod layer_inputs;
mod lm_head;
mod matmul;
mod qkv;
mod sampling;
mod short_conv;

pub(super) use adapters::takes_changes;
pub(super) use argmax::no_room;
