//! What LoRA adapters add to products: `out += scale * left (right x)`

use crate::{
    Result,
    backend::{
        Dims,
        gpu::{
            context::Gpu,
            kernels::ops::logit_scale::{LogitScale, Op},
            recording::{Dispatch, Width},
            weights::{Buf, repack::BLOCK},
        },
    },
    tensor::{LowRank, Weight},
};
use wgpu::{Buffer, BufferUsages as Usage};

/// Returns whether products of a tensor are ones that changes are added to: those of layers, but
/// for what stands before a convolution.
pub(in crate::backend::gpu) fn takes_changes(tensor: &str) -> bool {
    tensor.starts_with("blk.") && !tensor.contains(".shortconv.in_proj")
}

impl Gpu {
    /// Allocates what steps of up to `max_tokens` tokens need for changes of a rank, and returns it
    /// as whole blocks, which products take.
    ///
    /// # Errors
    /// `gpu_out_of_memory`
    pub(in crate::backend::gpu) fn make_room_for_changes(
        &mut self,
        dims: &Dims,
        max_tokens: usize,
        rank: usize,
    ) -> Result<usize> {
        let rank = rank.next_multiple_of(BLOCK);
        if rank > self.adapters.rank {
            let mut make = |label, width: usize| {
                self.buffer(label, max_tokens * width * size_of::<f32>(), Usage::STORAGE)
            };
            let (inner, up) = (make("inner", rank)?, make("up", dims.feed_forward)?);
            self.adapters.rank = rank;
            (self.adapters.inner, self.adapters.up) = (Some(inner), Some(up));
        }
        Ok(rank)
    }

    /// Sets the scale of each adapter. Dispatches were made for those before.
    pub(in crate::backend::gpu) fn set_scales(&mut self, scales: &[f32]) {
        if self.adapters.scales != scales {
            self.adapters.scales = scales.to_vec();
            self.recordings.clear();
        }
    }

    /// Iterates over the changes of a weight that are in use, with their scales.
    fn changes<'a>(&self, w: &'a Weight<Buf>) -> impl Iterator<Item = (&'a LowRank<Buf>, f32)> {
        let scales = &self.adapters.scales;
        let scale = |it: &LowRank<Buf>| scales.get(it.adapter).copied().unwrap_or_default();
        w.changes
            .iter()
            .map(move |it| (it, scale(it)))
            .filter(|&(_, scale)| scale != 0.0)
    }

    /// Returns where the product of `ffn_up` goes before it meets the gate, if either of these
    /// weights changes.
    pub(super) fn changed_up(&self, weights: [&Weight<Buf>; 2]) -> Option<Buffer> {
        let is_changed = weights.iter().any(|w| self.is_changed(w));
        self.adapters.up.clone().filter(|_| is_changed)
    }

    /// Returns whether an adapter in use changes a weight.
    pub(super) fn is_changed(&self, w: &Weight<Buf>) -> bool {
        self.changes(w).next().is_some()
    }

    /// Makes the dispatches of `out += scale * left (right x)` for each change of `w` in use.
    pub(super) fn change_dispatches(
        &mut self,
        width: Width,
        w: &Weight<Buf>,
        [x, out]: [&Buffer; 2],
    ) -> Vec<Dispatch> {
        let (changes, mut dispatches) = (self.changes(w).collect::<Vec<_>>(), Vec::new());
        let Some(inner) = self.adapters.inner.clone() else {
            return dispatches;
        };
        for (LowRank { left, right, .. }, scale) in changes {
            dispatches.extend(self.store_dispatches(width, right, None, [x, &inner]));
            let op = Op {
                vocab: right.rows as u32,
                scale,
                softcap: 0.0,
            };
            // These are scaled as logits are.
            let kernel = LogitScale {
                is_bounded: false,
                of_all: true,
            };
            if scale != 1.0 {
                dispatches.push(self.dispatch(kernel, op, &[("logits", &inner)]));
            }
            dispatches.extend(self.add_dispatches(width, left, None, [&inner, out]));
        }
        dispatches
    }
}
