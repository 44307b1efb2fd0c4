//! The backends that exist. Nothing to the left of the session knows that there is more than one.

#[cfg(not(target_feature = "atomics"))]
use super::probe::probe;
#[cfg(not(target_feature = "atomics"))]
use crate::backend::gpu::{Gpu, Timing, device::Device};
use crate::{
    Result,
    backend::{Backend, cpu::Cpu},
    generate::{Decoder, StepOutcome, sampler::Sampler},
    loader::{Loaded, Loader, Options},
    model::Model,
};
#[cfg(not(target_feature = "atomics"))]
use std::collections::BTreeMap;

pub use crate::backend::cpu::pool::{Pool, WorkerSlot};
#[cfg(not(target_feature = "atomics"))]
pub use crate::backend::gpu::device::{CacheType, GpuOptions, MatmulStrategy};

/// Loads a model for the backend that was picked for it. What it gives becomes a session: `loader.finish()?.into()`.
pub enum AnyLoader {
    Cpu(Loader<Cpu>),
    #[cfg(not(target_feature = "atomics"))]
    Gpu(Box<Loader<Gpu>>),
}

impl AnyLoader {
    /// On the processor; `pool` shares its work.
    pub fn cpu(options: Options, pool: Pool) -> Self {
        Self::Cpu(Loader::new(Cpu::new(pool), options))
    }

    /// On the graphics card. Errors: `gpu_unavailable`.
    #[cfg(not(target_feature = "atomics"))]
    pub async fn on_gpu(options: Options, gpu: GpuOptions) -> Result<Self> {
        let device = Device::open(gpu).await?;
        Ok(Self::Gpu(Box::new(Loader::new(Gpu::new(device), options))))
    }

    /// Whether enough of the file is there for [`AnyLoader::probe`].
    pub fn has_header(&self) -> bool {
        match self {
            Self::Cpu(loader) => loader.header().is_some(),
            #[cfg(not(target_feature = "atomics"))]
            Self::Gpu(loader) => loader.header().is_some(),
        }
    }

    /// Tries the graphics card on the kernels that the model needs. With `threads` above 0 it must also be faster than so many of the
    /// processor's. Errors: `gpu_refused`, and those of the device.
    #[cfg_attr(
        target_feature = "atomics",
        expect(unused_variables, reason = "there is no GPU to compare with")
    )]
    pub async fn probe(&self, threads: usize) -> Result<()> {
        match self {
            Self::Cpu(_) => Ok(()),
            #[cfg(not(target_feature = "atomics"))]
            Self::Gpu(loader) => probe(loader, threads).await,
        }
    }

    /// As [`Loader::push`].
    pub fn push(&mut self, chunk: &[u8]) -> Result<()> {
        match self {
            Self::Cpu(loader) => loader.push(chunk),
            #[cfg(not(target_feature = "atomics"))]
            Self::Gpu(loader) => loader.push(chunk),
        }
    }

    /// As [`Loader::finish`].
    pub fn finish(self) -> Result<Loaded<AnyModel>> {
        Ok(match self {
            Self::Cpu(loader) => loader.finish()?.map(|model| AnyModel::Cpu(Box::new(model))),
            #[cfg(not(target_feature = "atomics"))]
            Self::Gpu(loader) => loader.finish()?.map(|model| AnyModel::Gpu(Box::new(model))),
        })
    }
}

/// A model on the backend that was picked for it.
pub enum AnyModel {
    Cpu(Box<Model<Cpu>>),
    #[cfg(not(target_feature = "atomics"))]
    Gpu(Box<Model<Gpu>>),
}

/// Does the same with whichever model it is.
macro_rules! with_model {
    ($engine:expr, $model:ident => $call:expr) => {
        match $engine {
            AnyModel::Cpu($model) => $call,
            #[cfg(not(target_feature = "atomics"))]
            AnyModel::Gpu($model) => $call,
        }
    };
}

impl AnyModel {
    /// As [`Model::forward_all`].
    pub async fn forward_all(&mut self, tokens: &[u32], logits: &mut Vec<f32>) -> Result<()> {
        with_model!(self, model => model.forward_all(tokens, logits).await)
    }

    /// Waits until the device has taken all that it was given. Errors: those of the device, which come late.
    pub async fn settle(&mut self) -> Result<()> {
        match self {
            AnyModel::Cpu(_) => Ok(()),
            #[cfg(not(target_feature = "atomics"))]
            AnyModel::Gpu(model) => model.backend.settle().await,
        }
    }

    /// Lets go of a device that failed, and of its memory; the model is of no use afterwards.
    pub fn abandon(&mut self) {
        match self {
            AnyModel::Cpu(_) => {}
            #[cfg(not(target_feature = "atomics"))]
            AnyModel::Gpu(model) => model.backend.device().device.destroy(),
        }
    }

    /// "cpu" or "gpu"
    pub fn backend(&self) -> &'static str {
        match self {
            AnyModel::Cpu(_) => "cpu",
            #[cfg(not(target_feature = "atomics"))]
            AnyModel::Gpu(_) => "gpu",
        }
    }

    /// The GPU's name.
    pub fn adapter(&self) -> Option<&str> {
        match self {
            AnyModel::Cpu(_) => None,
            #[cfg(not(target_feature = "atomics"))]
            AnyModel::Gpu(model) => Some(&model.backend.device().name),
        }
    }

    /// As [`Gpu::timings`].
    #[cfg(not(target_feature = "atomics"))]
    pub async fn timings(&mut self) -> Result<BTreeMap<String, Timing>> {
        match self {
            AnyModel::Cpu(_) => Ok(BTreeMap::new()),
            AnyModel::Gpu(model) => model.backend.timings().await,
        }
    }

    /// As [`Gpu::shaders`].
    #[cfg(not(target_feature = "atomics"))]
    pub fn shaders(&self) -> Vec<(String, String)> {
        match self {
            AnyModel::Cpu(_) => Vec::new(),
            AnyModel::Gpu(model) => model.backend.shaders(),
        }
    }

    /// Threads of the processor that compute.
    pub fn threads(&self) -> usize {
        match self {
            AnyModel::Cpu(model) => model.backend.pool.threads(),
            #[cfg(not(target_feature = "atomics"))]
            AnyModel::Gpu(_) => 1,
        }
    }

    pub fn block_count(&self) -> usize {
        with_model!(self, model => model.config.dims.layers)
    }
}

impl Decoder for AnyModel {
    fn vocab_size(&self) -> usize {
        with_model!(self, model => model.vocab_size())
    }
    fn context_tokens(&self) -> usize {
        with_model!(self, model => model.context_tokens())
    }
    fn cached_tokens(&self) -> usize {
        with_model!(self, model => model.cached_tokens())
    }
    fn min_batch(&self) -> usize {
        with_model!(self, model => model.backend.min_batch())
    }
    fn truncate(&mut self, tokens: usize) {
        with_model!(self, model => model.truncate(tokens));
    }
    async fn step(
        &mut self,
        tokens: &[u32],
        sampler: Option<&mut Sampler>,
        pause: &mut impl FnMut() -> bool,
    ) -> Result<StepOutcome> {
        with_model!(self, model => model.step(tokens, sampler, pause).await)
    }
}
