//! The card as a [`Backend`].

use super::{
    activations::Activations,
    cache::Cache,
    context::Gpu,
    device::{
        readback::{Fence, Readback},
        run_ahead::MAX_STEPS,
    },
    kernels::matmul::narrow_tile::TOKENS,
    operations::{no_room, takes_changes},
    weights::Buf,
};
use crate::{
    Result,
    backend::{
        Activation, Attention, AttentionInput, Backend, CacheSize, DeltaNet, Dims, FeedForward,
        LayerInputs, LmHead, PostNorm, Rows, ShortConv, StateEntries,
        sampling::{SampledToken, TokenSampler},
        tap_name,
    },
    quant::DType,
    tensor::Weight,
};
use std::ops::Range;
use wgpu::BufferUsages as Usage;

impl Backend for Gpu {
    type Buf = Buf;
    type Cache = Cache;
    type Step = Activations;

    fn alloc(&mut self, dtype: DType, rows: usize, cols: usize) -> Result<Weight<Buf>> {
        self.alloc_weight(dtype, rows, cols)
    }

    fn write(&mut self, weight: &mut Weight<Buf>, first_row: usize, bytes: &[u8]) {
        self.write_weight(weight, first_row, bytes);
    }

    fn takes_changes(&self, tensor: &str) -> bool {
        takes_changes(tensor)
    }

    fn adapter_rank(&mut self, dims: &Dims, max_tokens: usize, rank: usize) -> Result<usize> {
        self.make_room_for_changes(dims, max_tokens, rank)
    }

    fn set_adapters(&mut self, scales: &[f32]) {
        self.set_scales(scales);
    }

    fn cache(&mut self, dims: &Dims, size: &CacheSize) -> Result<Cache> {
        self.new_cache(dims, size)
    }

    fn has_own_memory(&self) -> bool {
        true
    }

    fn cache_bytes(&self, dims: &Dims, size: &CacheSize) -> usize {
        let rows = |layer| self.cache_rows(dims, layer);
        let layers = size.layers.iter().enumerate();
        layers
            .map(|(layer, &positions)| rows(layer).layer_bytes(positions))
            .sum()
    }

    fn copy_cache(&mut self, from: &Cache, to: &mut Cache, positions: &[Range<usize>]) {
        self.copy_positions(from, to, positions);
    }

    async fn export(
        &mut self,
        dims: &Dims,
        cache: &Cache,
        positions: &[Range<usize>],
    ) -> Result<Vec<u16>> {
        self.export_positions(dims, cache, positions).await
    }

    fn import(&mut self, dims: &Dims, cache: &mut Cache, positions: &[Range<usize>], kv: &[u16]) {
        self.import_positions(dims, cache, positions, kv);
    }

    fn step(&mut self, dims: &Dims, max_tokens: usize) -> Result<Activations> {
        self.new_activations(dims, max_tokens)
    }

    fn embed(
        &mut self,
        step: &mut Activations,
        table: &Weight<Buf>,
        scale: f32,
        tokens: &[u32],
        position: usize,
    ) {
        self.device
            .queue
            .write_buffer(&step.token_ids, 0, bytemuck::cast_slice(tokens));
        self.begin_step(step, tokens.len(), position, 0);
        self.record_embed(step, table, scale);
    }

    fn layer_inputs(&mut self, step: &mut Activations, w: &LayerInputs<Buf>, tokens: &[f32]) {
        self.record_layer_inputs(step, w, tokens);
    }

    fn gate_layer_input(
        &mut self,
        step: &mut Activations,
        layer: usize,
        gate: &Weight<Buf>,
        activation: Activation,
    ) {
        self.record_gate_layer_input(step, layer, gate, activation);
    }

    fn attention_input(
        &mut self,
        step: &mut Activations,
        cache: &mut Cache,
        layer: usize,
        w: &AttentionInput<Buf>,
    ) {
        self.record_attention_input(step, cache, layer, w);
    }

    fn attend(
        &mut self,
        step: &mut Activations,
        cache: &Cache,
        layer: usize,
        attention: &Attention,
    ) {
        self.record_attend(step, cache, layer, attention);
    }

    fn short_conv(
        &mut self,
        step: &mut Activations,
        cache: &mut Cache,
        layer: usize,
        w: &ShortConv<Buf>,
    ) {
        self.record_short_conv(step, cache, layer, w);
    }

    fn delta_net(
        &mut self,
        step: &mut Activations,
        cache: &mut Cache,
        layer: usize,
        entries: StateEntries,
        w: &DeltaNet<Buf>,
    ) {
        self.record_delta_net(step, cache, layer, entries, w);
    }

    fn project_add(
        &mut self,
        step: &mut Activations,
        w: &Weight<Buf>,
        bias: Option<&Weight<Buf>>,
        post: Option<&PostNorm<Buf>>,
    ) {
        self.record_project_add(step, w, bias, post);
    }

    fn feed_forward(&mut self, step: &mut Activations, w: &FeedForward<Buf>) {
        self.record_feed_forward(step, w);
    }

    fn lm_head(&mut self, step: &mut Activations, w: &LmHead<Buf>, rows: Rows) {
        step.rows = Some(rows);
        match rows {
            Rows::Last => self.record_lm_head(step, w),
            Rows::All | Rows::Part { .. } => {
                let vocab = step.dims.vocab;
                let (all_logits, tokens) = step.all_logits_mut();
                if all_logits.is_none() {
                    let usage = Usage::STORAGE | Usage::COPY_SRC;
                    let size_bytes = tokens * vocab * size_of::<f32>();
                    // Where there is no room for them, `read` says so.
                    *all_logits = self.buffer("all logits", size_bytes, usage).ok();
                }
                self.record_lm_head_all(step, w);
            }
        }
    }

    fn tap(&mut self, step: &mut Activations, layer: Option<usize>, name: &str) {
        if self.keeps_taps {
            let tensor = match name {
                "attn_q" => &step.q,
                "attn" | "conv" | "delta" | "ffn_up" => &step.a,
                _ => &step.x,
            };
            self.tap_buffer(step, &tap_name(layer, name), &tensor.clone());
        }
    }

    async fn submit(&mut self, step: &mut Activations) -> Result<()> {
        let submission = self.submit_with(step, |_| ());
        let before = step
            .submitted
            .replace(Fence::after(&self.device, submission));
        match before {
            Some(fence) => fence.wait(&self.device).await,
            None => self.device.check(),
        }
    }

    async fn read(&mut self, step: &mut Activations, logits: &mut Vec<f32>) -> Result<()> {
        let vocab = step.dims.vocab;
        let (rows, source) = match step.rows {
            None | Some(Rows::Last) => (0..1, Some(step.logits.clone())),
            Some(rows) => (
                rows.range(step.params.tokens as usize),
                step.all_logits().clone(),
            ),
        };
        let row_bytes = (vocab * size_of::<f32>()) as u64;
        let (begin, size_bytes) = (rows.start as u64 * row_bytes, rows.len() as u64 * row_bytes);
        if step
            .readback
            .as_ref()
            .is_none_or(|buffer| buffer.size() < size_bytes)
        {
            let usage = Usage::MAP_READ | Usage::COPY_DST;
            step.readback = Some(self.buffer("readback", size_bytes as usize, usage)?);
        }
        let (Some(source), Some(buffer)) = (source, step.readback.clone()) else {
            return Err(no_room());
        };
        let submission = self.submit_with(step, |encoder| {
            encoder.copy_buffer_to_buffer(&source, begin, &buffer, 0, size_bytes);
        });
        self.counters.read_bytes += size_bytes;
        logits.resize(rows.len() * vocab, 0.0);
        let readback = Readback::after(&self.device, submission, buffer, size_bytes);
        let take = |bytes: &[u8]| bytemuck::cast_slice_mut(logits).copy_from_slice(bytes);
        readback.finish(&self.device, take).await.map(drop)
    }

    async fn read_hidden(
        &mut self,
        step: &mut Activations,
        norm: Option<&Weight<Buf>>,
        eps: f32,
        hidden: &mut Vec<f32>,
    ) -> Result<()> {
        self.read_normed(step, norm, eps, hidden).await
    }

    /// Returns the tokens of the wide tile; and a step that is recorded cannot be interrupted.
    fn min_batch(&self) -> usize {
        32
    }

    fn max_steps_ahead(&self) -> usize {
        let steps = self
            .device
            .options
            .steps_in_flight
            .unwrap_or(self.run_ahead.steps());
        steps.min(MAX_STEPS)
    }

    fn max_checked(&self) -> usize {
        TOKENS
    }

    async fn read_argmax(&mut self, step: &mut Activations) -> Result<Vec<u32>> {
        self.read_likeliest(step).await
    }

    fn begin_sampling(&mut self, step: &mut Activations, sampler: &impl TokenSampler) {
        self.prepare_sampling(step, sampler);
    }

    fn embed_sampled(
        &mut self,
        step: &mut Activations,
        table: &Weight<Buf>,
        scale: f32,
        position: usize,
    ) {
        self.begin_step(step, 1, position, step.sampler.last_slot(step.max_tokens));
        self.record_embed(step, table, scale);
    }

    fn sample(&mut self, step: &mut Activations, draw: f32) {
        self.record_sample(step, draw);
    }

    async fn read_sampled(&mut self, step: &mut Activations) -> Result<SampledToken> {
        self.read_token(step).await
    }
}
