//! The operations of a step: which kernels, on which buffers. Of few tokens, a product does what
//! comes before and after it too (`matmul/matvec`). Of many, norms, products and the rest are
//! kernels of their own, so that a product takes each weight once for many tokens.

mod attention;
mod embed;
mod feed_forward;
mod lm_head;
mod matmul;
mod qkv;
mod sampling;
