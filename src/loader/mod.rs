//! Loads a model from the pushed bytes of its file.
//!
//! The same loader serves network streams, files and tests. The files of a model that llama.cpp has
//! split are pushed as though they were one. Each group of rows goes to the backend as soon as it is
//! whole, so the loader never holds the file, only less than one group of rows.
//! A model that does not fit is refused when its header is read, before its weights are fetched: a
//! device with memory of its own allocates everything then, and the host's memory is tried
//! ([`MemoryEstimate`]).

mod adapters;
mod fingerprint;
mod headers;
mod loaded;
mod memory_estimate;
mod options;
mod plan;
mod tensor_writer;
mod tensors;

pub use loaded::{FileInfo, Loaded};
pub use memory_estimate::MemoryEstimate;
pub use options::{MAX_SLOTS, Options};
pub use plan::LoadPlan;
pub use tensors::DEFAULT_CONTEXT_TOKENS;

use crate::{
    Code, Error, Result,
    backend::Backend,
    format::gguf::{Gguf, TensorInfo},
    model::{Model, config::ModelConfig},
};
use adapters::{WaitingAdapter, adapters_bytes, of_load, read_header};
use fingerprint::Fingerprint;
use headers::Headers;
use tensors::{Tensors, truncated};

/// Loads a model for the backend `B`.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use siskin::{
///     backend::cpu::Cpu,
///     loader::{Loader, Options},
/// };
///
/// let file = std::fs::read("tests/fixtures/models/chat-tiny.gguf")?;
/// let mut loader = Loader::new(Cpu::default(), Options::default());
/// for chunk in file.chunks(1 << 16) {
///     loader.push(chunk)?;
/// }
/// let loaded = loader.finish()?;
/// assert_eq!(loaded.file.name, "chat-tiny");
/// assert_eq!(loaded.file.size_bytes, file.len() as u64);
/// # Ok(())
/// # }
/// ```
pub struct Loader<B: Backend> {
    options: Options,
    headers: Headers,
    state: State<B>,
    /// Counts the bytes pushed so far.
    at: u64,
    fingerprint: Fingerprint,
    /// Holds the adapters that came before the model.
    adapters: Vec<WaitingAdapter>,
}

enum State<B: Backend> {
    Header { backend: B },
    Tensors(Box<Tensors<B>>),
    Failed(Error),
}

impl<B: Backend> Loader<B> {
    /// Makes a loader that waits for the first bytes of a file. The files of a split model are
    /// pushed one after the other.
    pub fn new(backend: B, options: Options) -> Self {
        Loader {
            options,
            headers: Headers::new(),
            state: State::Header { backend },
            at: 0,
            fingerprint: Fingerprint::default(),
            adapters: Vec::new(),
        }
    }

    /// Takes the file's next bytes. After an error, every call returns the same error.
    ///
    /// # Errors
    ///
    /// Those of [`GgufReader::push`][push], `gguf_split`, `architecture`, `metadata`, `tensor_missing`,
    /// `tensor_shape`, `tensor_not_finite`, `tokenizer`, `template` for one in the options,
    /// `invalid_argument` for the context, `out_of_memory`, and those of the GPU.
    ///
    /// [push]: crate::format::gguf::GgufReader::push
    pub fn push(&mut self, chunk: &[u8]) -> Result<()> {
        let result = self.push_to_state(chunk);
        self.fingerprint.push(self.at, chunk);
        self.at += chunk.len() as u64;
        if let Err(error) = &result {
            self.state = State::Failed(error.clone());
        }
        result
    }

    fn push_to_state(&mut self, mut chunk: &[u8]) -> Result<()> {
        if let State::Failed(error) = &self.state {
            return Err(error.clone());
        }
        let mut at = self.at;
        loop {
            if let Some(known) = self.headers.push(at, chunk)? {
                self.take_header(known)?;
            }
            if let State::Tensors(tensors) = &mut self.state {
                tensors.push(at, chunk)?;
            }
            let Some(begin) = self.headers.next_file(at + chunk.len() as u64) else {
                return Ok(());
            };
            chunk = &chunk[begin.saturating_sub(at) as usize..];
            at = begin.max(at);
        }
    }

    /// Takes what the headers say, of whose tensors `known` were known before.
    fn take_header(&mut self, known: usize) -> Result<()> {
        let Some(gguf) = self.headers.gguf()? else {
            return Ok(());
        };
        if matches!(self.state, State::Header { .. }) {
            let placeholder = State::Failed(Error::new(
                Code::NotLoaded,
                "The model is not loaded. Make a new loader and push the file again.",
            ));
            if let State::Header { backend } = std::mem::replace(&mut self.state, placeholder) {
                let mut tensors = Tensors::new(backend, gguf, &self.options)?;
                tensors.adapters_bytes = adapters_bytes(&self.adapters);
                self.state = State::Tensors(Box::new(tensors));
            }
        }
        if let State::Tensors(tensors) = &mut self.state {
            tensors.add(gguf, &gguf.tensors[known..], self.headers.is_last())?;
            if self.headers.is_last() {
                tensors.check_adapters(&self.adapters, &gguf.tensors)?;
            }
        }
        self.headers.forget_metadata();
        Ok(())
    }

    /// Adds an adapter, whose whole file is given, before the model's first byte is pushed or once
    /// the last one was. One that came before is checked and counted as soon as the model's header
    /// is known, and what is wrong with it is `invalid_argument` then.
    ///
    /// Adapters have numbers, from 0 on in the order of the calls. The model begins with each of
    /// them as strong as its `scale`, until it is told otherwise ([`Model::use_adapters`]). After
    /// an error, every call returns the same error.
    ///
    /// # Errors
    ///
    /// Those of [`GgufReader::push`][reader], of [`Adapter::new`][new] and of [`Change::read`][read];
    /// `gguf_truncated` for a file that is not whole, `architecture` for a tensor that is no factor
    /// of a product, `gpu_unsupported` where the backend takes no adapters, `out_of_memory`.
    ///
    /// [reader]: crate::format::gguf::GgufReader::push
    /// [new]: crate::format::lora::Adapter::new
    /// [read]: crate::format::lora::Change::read
    pub fn add_adapter(&mut self, file: &[u8], scale: f32) -> Result<()> {
        let added = self.try_add_adapter(file, scale);
        if let Err(error) = &added {
            // Some weights may have changes of it already.
            self.state = State::Failed(error.clone());
        }
        added
    }

    fn try_add_adapter(&mut self, file: &[u8], scale: f32) -> Result<()> {
        let header = read_header(file)?;
        self.fingerprint.push(0, file);
        self.fingerprint.push(0, &scale.to_le_bytes());
        match &self.state {
            State::Failed(error) => Err(error.clone()),
            State::Header { .. } if self.at == 0 => {
                let file = file.to_vec();
                self.adapters.push(WaitingAdapter {
                    header,
                    file,
                    scale,
                });
                Ok(())
            }
            _ => self.change_weights(&header, file, scale),
        }
    }

    /// Gives the weights the changes of the adapters that came before them.
    fn add_waiting_adapters(&mut self) -> Result<()> {
        let waiting = std::mem::take(&mut self.adapters);
        let mut waiting = waiting.into_iter();
        let added = waiting.try_for_each(|it| self.change_weights(&it.header, &it.file, it.scale));
        added.map_err(of_load)
    }

    fn change_weights(&mut self, header: &Gguf, file: &[u8], scale: f32) -> Result<()> {
        match (&mut self.state, self.headers.gguf()?) {
            (State::Tensors(tensors), Some(base)) => {
                tensors.settle(self.at)?;
                let adapter = tensors.check_adapter(header, &base.tensors)?;
                tensors.add_adapter(&adapter, &base.tensors, file, scale)
            }
            _ => Err(truncated(self.at, None)),
        }
    }

    /// Returns the backend, the model's config and the tensors that will be read, or `None` until
    /// the whole header was pushed.
    pub fn header(&self) -> Option<(&B, &ModelConfig, &[TensorInfo])> {
        let tensors = self.tensors()?;
        Some((&tensors.backend, &tensors.config, &tensors.tensors))
    }

    fn tensors(&self) -> Option<&Tensors<B>> {
        match &self.state {
            State::Tensors(tensors) => Some(tensors),
            State::Header { .. } | State::Failed(_) => None,
        }
    }

    /// Returns the backend, or `None` until the whole header was pushed.
    pub fn backend_mut(&mut self) -> Option<&mut B> {
        match &mut self.state {
            State::Tensors(tensors) => Some(&mut tensors.backend),
            State::Header { .. } | State::Failed(_) => None,
        }
    }

    /// Returns the loaded model. Must be called after the file's last byte was pushed.
    ///
    /// # Errors
    ///
    /// `gguf_truncated`, `gguf_split`, `tensor_missing`, those of [`Loader::add_adapter`], or the
    /// error of [`Loader::push`].
    pub fn finish(mut self) -> Result<Loaded<Model<B>>> {
        if let State::Tensors(tensors) = &mut self.state {
            // What is wrong with the model keeps its own code.
            self.headers.finish()?;
            tensors.settle(self.at)?;
            self.add_waiting_adapters()?;
        }
        match self.state {
            State::Header { .. } => {
                self.headers.finish()?;
                Err(truncated(self.at, None))
            }
            State::Tensors(tensors) => {
                let mut loaded = tensors.finish(self.at)?;
                // Keys are rotated by this tensor, of which a file may have one for long contexts.
                let model = &loaded.model;
                let divisors = model.config.rope_divisors(model.context_tokens());
                loaded.file.fingerprint = self.fingerprint.finish(divisors);
                Ok(loaded)
            }
            State::Failed(error) => Err(error),
        }
    }
}
