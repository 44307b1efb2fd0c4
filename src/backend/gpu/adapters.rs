//! What LoRA adapters take on the device, beside their weights.

use wgpu::Buffer;

/// The scales of adapters, and what their products go through.
#[derive(Debug, Default)]
pub(super) struct Adapters {
    /// The scale of each adapter by its number; those beyond the end have none.
    pub scales: Vec<f32>,
    /// The largest rank that there is room for.
    pub rank: usize,
    /// The products of right matrices, `[max_tokens, rank]`.
    pub inner: Option<Buffer>,
    /// What `ffn_up` returns where it or the gate changes, `[max_tokens, feed_forward]`.
    pub up: Option<Buffer>,
}
