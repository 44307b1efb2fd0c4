//! The backends that exist. Nothing to the left of the session knows that there is more than one.

use super::probe::probe;
use crate::{
    Result,
    backend::{
        Backend,
        cpu::Cpu,
        gpu::{Gpu, Timing},
    },
    generate::{Decoder, StepOutcome, checked::Checked, sampler::Sampler},
    loader::{LoadPlan, Loaded, Loader, Options},
    model::{Model, SlotState, pooling::Pooling},
};
use std::collections::BTreeMap;

pub use crate::backend::{
    cpu::{
        pool::{Pool, WorkerSlot},
        worker_slots::WorkerSlots,
    },
    gpu::device::{CacheType, GpuOptions, MatmulStrategy, ShaderFeatures},
};

/// Loads a model for the backend that was picked for it. What it gives becomes a session:
/// `loader.finish()?.into()`.
pub enum AnyLoader {
    /// A loader for the processor.
    Cpu(Box<Loader<Cpu>>),
    /// A loader for the graphics card.
    Gpu(Box<Loader<Gpu>>),
}

/// Does the same with whichever loader or model it is.
macro_rules! with_any {
    ($any:expr, $inner:ident => $call:expr) => {
        match $any {
            Self::Cpu($inner) => $call,
            Self::Gpu($inner) => $call,
        }
    };
}

impl AnyLoader {
    /// Begins to load for the processor; `pool` shares its work.
    pub fn cpu(options: Options, pool: Pool) -> Self {
        Self::Cpu(Box::new(Loader::new(Cpu::new(pool), options)))
    }

    /// Opens the graphics card, and begins to load for it.
    ///
    /// # Errors
    /// `gpu_unavailable`, and those of a device that fails at once.
    pub async fn on_gpu(options: Options, gpu: GpuOptions) -> Result<Self> {
        let gpu = Gpu::open(gpu).await?;
        Ok(Self::Gpu(Box::new(Loader::new(gpu, options))))
    }

    /// Returns whether enough of the file is there for [`AnyLoader::probe`].
    pub fn has_header(&self) -> bool {
        with_any!(self, loader => loader.header().is_some())
    }

    /// Returns what the header says of the model, and what memory it will take, once enough of the
    /// file is there.
    pub fn plan(&self) -> Option<LoadPlan> {
        with_any!(self, loader => loader.plan())
    }

    /// Tries the graphics card on the kernels that the model needs. With `threads` above 0 it must
    /// also be faster than that many threads of the processor.
    ///
    /// # Errors
    /// `gpu_refused`, `gpu_slower`, and those of the device.
    pub async fn probe(&self, threads: usize) -> Result<()> {
        match self {
            Self::Cpu(_) => Ok(()),
            Self::Gpu(loader) => probe(loader, threads).await,
        }
    }

    /// Takes the next bytes of the file, as [`Loader::push`].
    ///
    /// # Errors
    /// As [`Loader::push`].
    pub fn push(&mut self, chunk: &[u8]) -> Result<()> {
        with_any!(self, loader => loader.push(chunk))
    }

    /// Adds an adapter to the model, as [`Loader::add_adapter`].
    ///
    /// # Errors
    /// As [`Loader::add_adapter`].
    pub fn add_adapter(&mut self, file: &[u8], scale: f32) -> Result<()> {
        with_any!(self, loader => loader.add_adapter(file, scale))
    }

    /// Waits until the device has taken all that was pushed. Bytes that it has not taken pile up in
    /// a browser, which has no other way to say that a device is slower than the disk.
    ///
    /// # Errors
    /// Those of the device, which come late.
    pub async fn settle(&mut self) -> Result<()> {
        match self {
            Self::Cpu(_) => Ok(()),
            Self::Gpu(loader) => match loader.backend_mut() {
                Some(gpu) => gpu.settle().await,
                None => Ok(()),
            },
        }
    }

    /// Returns the model, as [`Loader::finish`].
    ///
    /// # Errors
    /// As [`Loader::finish`].
    pub fn finish(self) -> Result<Loaded<AnyModel>> {
        Ok(match self {
            Self::Cpu(loader) => loader.finish()?.map(|model| AnyModel::Cpu(Box::new(model))),
            Self::Gpu(loader) => loader.finish()?.map(|model| AnyModel::Gpu(Box::new(model))),
        })
    }
}

/// A model on the backend that was picked for it.
pub enum AnyModel {
    /// A model on the processor.
    Cpu(Box<Model<Cpu>>),
    /// A model on the graphics card.
    Gpu(Box<Model<Gpu>>),
}

impl AnyModel {
    /// Checks tokens that are to be evaluated from position 0 on, as [`Model::check_tokens`].
    ///
    /// # Errors
    /// As [`Model::check_tokens`].
    pub fn check_tokens(&self, tokens: &[u32]) -> Result<()> {
        with_any!(self, model => model.check_tokens(tokens, 0))
    }

    /// Puts the oldest slot to use and returns what it holds, as [`Model::export_oldest_slot`].
    ///
    /// # Errors
    /// As [`Model::export_oldest_slot`].
    pub async fn export_oldest_slot(&mut self) -> Result<SlotState> {
        with_any!(self, model => model.export_oldest_slot().await)
    }

    /// Returns what the slot in use holds, as [`Model::export_slot`].
    ///
    /// # Errors
    /// As [`Model::export_slot`].
    pub async fn export_slot(&mut self) -> Result<SlotState> {
        with_any!(self, model => model.export_slot().await)
    }

    /// Checks what is to be put into a slot, as [`Model::check_state`].
    ///
    /// # Errors
    /// As [`Model::check_state`].
    pub fn check_state(&self, state: &SlotState) -> Result<()> {
        with_any!(self, model => model.check_state(state))
    }

    /// Returns the number of slots.
    pub fn slot_count(&self) -> usize {
        with_any!(self, model => model.slot_count())
    }

    /// Returns the memory of the KV caches, as [`Model::kv_cache_bytes`].
    pub fn kv_cache_bytes(&self) -> usize {
        with_any!(self, model => model.kv_cache_bytes())
    }

    /// Waits until the device has taken all that it was given.
    ///
    /// # Errors
    /// Those of the device, which come late.
    pub async fn settle(&mut self) -> Result<()> {
        match self {
            Self::Cpu(_) => Ok(()),
            Self::Gpu(model) => model.backend.settle().await,
        }
    }

    /// Lets go of a device that failed, and of its memory. The model is of no use afterwards.
    pub fn abandon(&mut self) {
        match self {
            Self::Cpu(_) => {}
            Self::Gpu(model) => model.backend.destroy(),
        }
    }

    /// Returns the backend's name, "cpu" or "gpu".
    pub fn backend(&self) -> &'static str {
        match self {
            Self::Cpu(_) => "cpu",
            Self::Gpu(_) => "gpu",
        }
    }

    /// Returns the graphics card's name.
    pub fn adapter(&self) -> Option<&str> {
        match self {
            Self::Cpu(_) => None,
            Self::Gpu(model) => Some(model.backend.adapter()),
        }
    }

    /// Returns the features that shaders use on the graphics card, by WebGPU's names.
    pub fn gpu_features(&self) -> Option<Vec<&'static str>> {
        match self {
            Self::Cpu(_) => None,
            Self::Gpu(model) => Some(model.backend.features()),
        }
    }

    /// Returns the time that each shader took since the last call, as [`Gpu::timings`].
    ///
    /// # Errors
    /// Those of the device.
    pub async fn timings(&mut self) -> Result<BTreeMap<String, Timing>> {
        match self {
            Self::Cpu(_) => Ok(BTreeMap::new()),
            Self::Gpu(model) => model.backend.timings().await,
        }
    }

    /// Returns label and text of every shader that was asked for, as [`Gpu::shaders`].
    pub fn shaders(&self) -> Vec<(String, String)> {
        match self {
            Self::Cpu(_) => Vec::new(),
            Self::Gpu(model) => model.backend.shaders(),
        }
    }

    /// Returns the number of the processor's threads that compute.
    pub fn threads(&self) -> usize {
        match self {
            Self::Cpu(model) => model.backend.pool.threads(),
            Self::Gpu(_) => 1,
        }
    }

    /// Appends tokens to the KV cache and writes their hidden states, as [`Model::step_hidden`].
    ///
    /// # Errors
    /// As [`Model::step_hidden`].
    pub async fn step_hidden(
        &mut self,
        tokens: &[u32],
        hidden: &mut Vec<f32>,
        pause: &mut impl FnMut() -> bool,
    ) -> Result<StepOutcome> {
        with_any!(self, model => model.step_hidden(tokens, hidden, pause).await)
    }

    /// Returns which states of its tokens the embedding of a text is made of.
    pub fn pooling(&self) -> Pooling {
        with_any!(self, model => model.config.pooling)
    }

    /// Returns the length of a hidden state.
    pub fn embedding_len(&self) -> usize {
        with_any!(self, model => model.config.dims.embedding)
    }

    /// Returns what an encoder's dense layers make of a pooled state; itself where there are none.
    pub fn dense(&mut self, pooled: Vec<f32>) -> Vec<f32> {
        with_any!(self, model => model.dense(pooled))
    }

    /// Returns the number of the model's layers.
    pub fn layer_count(&self) -> usize {
        with_any!(self, model => model.config.dims.layers)
    }
}

impl Decoder for AnyModel {
    fn vocab_size(&self) -> usize {
        with_any!(self, model => model.vocab_size())
    }

    fn context_tokens(&self) -> usize {
        with_any!(self, model => model.context_tokens())
    }

    fn cached_tokens(&self) -> usize {
        with_any!(self, model => model.cached_tokens())
    }

    fn min_batch(&self) -> usize {
        with_any!(self, model => model.backend.min_batch())
    }

    fn is_encoder(&self) -> bool {
        with_any!(self, model => model.is_encoder())
    }

    fn select_slot(&mut self, tokens: &[u32]) -> usize {
        with_any!(self, model => model.select_slot(tokens))
    }

    fn rewind(&mut self, tokens: usize) -> usize {
        with_any!(self, model => model.rewind(tokens))
    }

    async fn step(
        &mut self,
        tokens: &[u32],
        sampler: Option<&mut Sampler>,
        pause: &mut impl FnMut() -> bool,
    ) -> Result<StepOutcome> {
        with_any!(self, model => model.step(tokens, sampler, pause).await)
    }

    fn adapter_scales(&self) -> Vec<f32> {
        with_any!(self, model => model.adapter_scales())
    }

    fn use_adapters(&mut self, scales: &[f32]) -> Result<()> {
        with_any!(self, model => model.use_adapters(scales))
    }

    fn suits(&self, state: &SlotState) -> bool {
        with_any!(self, model => model.suits(state))
    }

    fn import_slot(&mut self, state: &SlotState) -> Result<()> {
        with_any!(self, model => model.import_slot(state))
    }

    fn runs_ahead(&self) -> bool {
        with_any!(self, model => model.runs_ahead())
    }

    fn max_draft(&self, sampler: &Sampler) -> usize {
        with_any!(self, model => model.max_draft(sampler))
    }

    async fn check_draft(
        &mut self,
        tokens: &[u32],
        check: &mut impl FnMut(Checked<'_>) -> Result<bool>,
    ) -> Result<()> {
        with_any!(self, model => model.check_draft(tokens, check).await)
    }

    async fn step_all(
        &mut self,
        tokens: &[u32],
        logits: &mut Vec<f32>,
        pause: &mut impl FnMut() -> bool,
    ) -> Result<StepOutcome> {
        with_any!(self, model => model.step_all(tokens, logits, pause).await)
    }
}
