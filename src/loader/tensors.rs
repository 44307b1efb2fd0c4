//! Reads the tensors of a file whose header is known.

use super::{
    loaded::{FileInfo, Loaded},
    memory_estimate::{self, MemoryEstimate},
    options::{MAX_SLOTS, Options},
    tensor_writer::{LoadedTensor, TensorWriter},
};
use crate::{
    Code, Error, Result,
    backend::Backend,
    format::gguf::{Gguf, TensorInfo},
    model::{
        Model, StepMemory, arch,
        config::ModelConfig,
        layer_inputs::HostTable,
        layer_weights::value_norm,
        tensor_selection::{Selection, factor_of},
        weights::{OUTPUT_SCALE, Weights},
    },
    quant::DType,
    tensor::Weight,
    text::{template::ChatTemplate, tokenizer::Tokenizer},
};
use std::collections::{HashMap, VecDeque};

/// Sets the context that a model gets if none is asked for, unless it was trained on less. The KV
/// cache is allocated for all of it, so a longer default would cost memory that most chats do not
/// use.
pub const DEFAULT_CONTEXT_TOKENS: usize = 4096;

/// Holds the header's content, and the tensors read so far.
pub(super) struct Tensors<B: Backend> {
    pub(super) backend: B,
    pub(super) config: ModelConfig,
    /// Lists the tensors to read, in the file's order. Those of a split model's later files come
    /// with their headers.
    pub(super) tensors: Vec<TensorInfo>,
    selection: Selection,
    /// Tells whether all tensors are known.
    is_complete: bool,
    tokenizer: Tokenizer,
    template: Option<ChatTemplate>,
    pub(super) file: FileInfo,
    /// Holds the KV caches and the activations, where they are allocated before the weights come.
    memory: Option<StepMemory<B>>,
    pub(super) context_tokens: usize,
    pub(super) slots: usize,
    /// Points to the tensor in `tensors` that is read next.
    next: usize,
    /// Holds the tensor that is read next, and those behind it that are allocated already.
    writers: VecDeque<TensorWriter<B::Buf>>,
    pub(super) loaded: HashMap<String, Weight<B::Buf>>,
    on_host: HashMap<String, Vec<f32>>,
    /// Holds the scale of each adapter, which the model begins with.
    pub(super) adapter_scales: Vec<f32>,
    /// Counts the bytes that adapters will take which came before the model.
    pub(super) adapters_bytes: u64,
    table: Option<HostTable>,
}

impl<B: Backend> Tensors<B> {
    /// Checks the header and everything that it asks for. A device with memory of its own allocates
    /// all that the model will have, and of the host's memory as much is tried: what does not fit
    /// is told before a tensor was fetched. Of a split model that holds for each file.
    ///
    /// # Errors
    ///
    /// `architecture`, `metadata`, `tensor_shape`, `tokenizer`, `template`, `invalid_argument` for
    /// the context or the slots, `out_of_memory`, and those of the GPU.
    pub(super) fn new(mut backend: B, gguf: &Gguf, options: &Options) -> Result<Self> {
        let config = arch::config(gguf)?;
        if config.encoder.is_some() && !backend.runs_encoders() {
            return Err(Error::new(
                Code::GpuUnsupported,
                "The graphics card does not run encoders, and the processor does. Load the model \
                 without asking for the graphics card.",
            ));
        }
        check_vocabulary(gguf, config.dims.vocab)?;
        let tokenizer = Tokenizer::from_metadata(&gguf.metadata)?;
        let template = match &options.chat_template {
            Some(source) => Some(ChatTemplate::for_tokenizer(source, &tokenizer)?),
            None => ChatTemplate::from_metadata(&gguf.metadata, &tokenizer)?,
        };
        let trained = config.context_length;
        let context_tokens = options
            .context_tokens
            .unwrap_or(DEFAULT_CONTEXT_TOKENS.min(trained));
        if context_tokens == 0 || context_tokens > trained {
            let message = format!(
                "A context of {context_tokens} tokens is out of range. Ask for 1 to {trained} \
                 tokens with this model."
            );
            return Err(Error::new(Code::InvalidArgument, message));
        }
        let slots = options.slots.unwrap_or(1);
        if !(1..=MAX_SLOTS).contains(&slots) {
            return Err(Error::new(
                Code::InvalidArgument,
                format!("{slots} slots are out of range. Ask for 1 to {MAX_SLOTS}."),
            ));
        }
        check_cache(&config, context_tokens)?;
        let memory = match backend.has_own_memory() {
            true => Some(StepMemory::new(
                &mut backend,
                &config,
                context_tokens,
                slots,
            )?),
            false => None,
        };
        Ok(Self {
            file: FileInfo::new(gguf, trained)?,
            selection: Selection::new(&config),
            is_complete: false,
            backend,
            config,
            tensors: Vec::new(),
            tokenizer,
            template,
            memory,
            context_tokens,
            slots,
            next: 0,
            writers: VecDeque::new(),
            loaded: HashMap::new(),
            on_host: HashMap::new(),
            adapter_scales: Vec::new(),
            adapters_bytes: 0,
            table: None,
        })
    }

    /// Adds the tensors of a file to those that will be read: of the model's only file, or of a
    /// split model's next. `gguf` holds what all headers so far say, and `is_last` tells whether no
    /// other will come.
    ///
    /// # Errors
    ///
    /// `architecture`, `tensor_missing`, `tensor_shape`, `out_of_memory`, and those of the GPU.
    pub(super) fn add(&mut self, gguf: &Gguf, tensors: &[TensorInfo], is_last: bool) -> Result<()> {
        let added = self.selection.take(&self.config, tensors)?;
        self.is_complete = is_last;
        if is_last {
            self.selection.finish()?;
        }
        check_sizes(&self.backend, &added)?;
        self.file.count(gguf);
        let before = self.tensors.len();
        self.tensors.extend(added);
        if self.backend.has_own_memory() {
            for info in &self.tensors[before..] {
                let writer = TensorWriter::new(&mut self.backend, info)?;
                self.writers.push_back(writer);
            }
            return Ok(());
        }
        let mut memory = self.estimate(&self.tensors[before..]);
        let unknown = self.whole_per_known() - 1.0;
        memory.weights_bytes +=
            (unknown * self.estimate(&self.tensors).weights_bytes as f64) as u64;
        memory.check()
    }

    /// Estimates the memory of a model that has these of the tensors.
    pub(super) fn estimate(&self, tensors: &[TensorInfo]) -> MemoryEstimate {
        let (context_tokens, slots) = (self.context_tokens, self.slots);
        MemoryEstimate {
            adapters_bytes: self.adapters_bytes,
            ..MemoryEstimate::new(&self.backend, &self.config, tensors, context_tokens, slots)
        }
    }

    /// Returns how many weights the whole model has for each that is known: more than 1 for a split
    /// model, until its last header has come.
    pub(super) fn whole_per_known(&self) -> f64 {
        if self.is_complete {
            return 1.0;
        }
        let known: u64 = self.tensors.iter().map(TensorInfo::elements).sum();
        1.0 + self.selection.missing_weights() as f64 / known.max(1) as f64
    }

    /// Takes the bytes of `chunk`, which begins at byte `at` of the file.
    ///
    /// # Errors
    ///
    /// `tensor_not_finite`, `out_of_memory`.
    pub(super) fn push(&mut self, at: u64, chunk: &[u8]) -> Result<()> {
        let end = at + chunk.len() as u64;
        while let Some(info) = self.tensors.get(self.next) {
            let tensor_end = info.offset + info.size_bytes;
            let (from, to) = (info.offset.max(at), tensor_end.min(end));
            if from < to && self.writers.is_empty() {
                let writer = TensorWriter::new(&mut self.backend, info)?;
                self.writers.push_back(writer);
            }
            if from < to
                && let Some(writer) = self.writers.front_mut()
            {
                let bytes = &chunk[(from - at) as usize..(to - at) as usize];
                writer.push(&mut self.backend, &info.name, bytes)?;
            }
            if tensor_end > end {
                return Ok(());
            }
            match self.writers.pop_front().map(TensorWriter::finish) {
                Some(LoadedTensor::Weight(weight)) => {
                    self.backend.warm_up(&weight);
                    self.loaded.insert(info.name.clone(), weight);
                }
                Some(LoadedTensor::OnHost(values)) => {
                    self.on_host.insert(info.name.clone(), values);
                }
                Some(LoadedTensor::Table(table)) => self.table = Some(table),
                None => {}
            }
            self.next += 1;
        }
        Ok(())
    }

    /// Ends the last tensor, once all `at` bytes of the file were pushed.
    ///
    /// # Errors
    ///
    /// `gguf_truncated`.
    pub(super) fn settle(&mut self, at: u64) -> Result<()> {
        self.push(at, &[])?;
        match self.next < self.tensors.len() {
            true => Err(truncated(at, Some(self.file.size_bytes))),
            false => Ok(()),
        }
    }

    /// Makes the model, once all `at` bytes of the file were pushed.
    ///
    /// # Errors
    ///
    /// `gguf_truncated`, `tensor_missing`, `out_of_memory`, `invalid_argument` for the scale of an
    /// adapter.
    pub(super) fn finish(mut self, at: u64) -> Result<Loaded<Model<B>>> {
        self.settle(at)?;
        let divisors = self.config.rope_divisors(self.context_tokens);
        let rope_freqs = self.on_host.remove(divisors);
        for (i, layer) in self.config.layers.iter_mut().enumerate() {
            if let Some([scale]) =
                (self.on_host.remove(&format!("blk.{i}.{OUTPUT_SCALE}"))).as_deref()
            {
                layer.output_scale = *scale;
            }
            if self.config.norms_values && !layer.shares_cache {
                let mut ones = self.backend.alloc(DType::F32, 1, layer.head_dim)?;
                let bytes = 1_f32.to_le_bytes().repeat(layer.head_dim);
                self.backend.write(&mut ones, 0, &bytes);
                self.loaded.insert(value_norm(i), ones);
            }
        }
        for (name, values) in self.on_host {
            if let Some(weight) = factor_of(&name)
                && let Some(weight) = self.loaded.get_mut(&weight)
                && let [factor] = values[..]
            {
                weight.factor = factor;
            }
        }
        let weights = Weights::new(&self.config, self.loaded, self.table)?;
        let memory = match self.memory {
            Some(memory) => memory,
            None => StepMemory::new(
                &mut self.backend,
                &self.config,
                self.context_tokens,
                self.slots,
            )?,
        };
        let mut model = Model::with_memory(
            self.config,
            self.backend,
            weights,
            rope_freqs.as_deref(),
            memory,
        );
        model.begin_with_adapters(&self.adapter_scales)?;
        Ok(Loaded {
            model,
            tokenizer: self.tokenizer,
            template: self.template,
            file: self.file,
        })
    }
}

/// Returns the error for a file that ended after `at` bytes, of `wanted` if that is known.
pub(super) fn truncated(at: u64, wanted: Option<u64>) -> Error {
    let wanted = wanted.map(|w| format!(" of {w}")).unwrap_or_default();
    Error::new(
        Code::GgufTruncated,
        format!("The file ended after {at}{wanted} bytes. Download it again."),
    )
}

/// Checks that the embeddings have a row for every token, before the vocabulary takes memory.
///
/// # Errors
///
/// `metadata`, `tokenizer`.
fn check_vocabulary(gguf: &Gguf, rows: usize) -> Result<()> {
    let tokens = gguf.metadata.string_array("tokenizer.ggml.tokens")?.len();
    if tokens <= rows {
        return Ok(());
    }
    Err(Error::new(
        Code::Tokenizer,
        format!(
            "The vocabulary has {tokens} tokens but the model knows only {rows} of them. Choose \
             another conversion of the model."
        ),
    ))
}

/// Checks that the bytes of a KV cache can be counted here: on wasm a usize has 32 bits, and a
/// header may claim anything.
///
/// # Errors
///
/// `out_of_memory`.
fn check_cache(config: &ModelConfig, context_tokens: usize) -> Result<()> {
    let dims = &config.dims;
    // A key or a value is an f16 of 2 bytes at most. A backend may round the context up to whole
    // tiles, which is less than 64 more positions, and a head to whole vectors.
    let head_dims = 2 * (dims.head_dim as u64 + 16);
    let size = config.cache_size(context_tokens);
    let positions = size.layers.iter().map(|&positions| positions as u64 + 64);
    // A layer that has a convolution keeps no more than one number of each channel.
    let layer = (dims.kv_heads as u64 * head_dims).max(dims.embedding as u64);
    let cached = [layer, 2]
        .iter()
        .try_fold(positions.sum::<u64>(), |n, &m| n.checked_mul(m));
    if cached.is_none_or(|bytes| bytes > usize::MAX as u64) {
        let message = format!(
            "There is no memory for a context of {context_tokens} tokens. Ask for a shorter one."
        );
        return Err(Error::new(Code::OutOfMemory, message));
    }
    Ok(())
}

/// Checks that the sizes of tensors can be counted here. A tensor's values in a file take no more
/// bytes than in the backend's layout, so that both can be counted.
///
/// # Errors
///
/// `out_of_memory`.
fn check_sizes<B: Backend>(backend: &B, tensors: &[TensorInfo]) -> Result<()> {
    const MAX_BYTES: u64 = isize::MAX as u64;
    let is_too_large =
        |tensor: &&TensorInfo| memory_estimate::tensor_bytes(backend, tensor) > MAX_BYTES;
    match tensors.iter().find(is_too_large) {
        Some(tensor) => {
            let message = format!(
                "There is no memory for the tensor `{}`. Choose a smaller model.",
                tensor.name
            );
            Err(Error::new(Code::OutOfMemory, message))
        }
        None => Ok(()),
    }
}
