//! Pushed bytes in, model out: the same loader serves network streams, files and tests. Each group of rows goes to the backend as it
//! completes, so the file is never held: what is staged is less than one group.

use crate::{
    Code, Error, Result,
    backend::{Backend, GROUP_ROWS},
    format::{
        gguf::{Gguf, GgufReader, TensorInfo},
        metadata::Metadata,
    },
    model::{
        Model, arch,
        config::ModelConfig,
        weights::{ROPE_FREQS, Weights, select},
    },
    quant::DType,
    tensor::Weight,
    text::{template::ChatTemplate, tokenizer::Tokenizer},
};
use std::collections::HashMap;

/// The context that a model gets if none is asked for, unless it was trained on less.
pub const DEFAULT_CONTEXT_TOKENS: usize = 4096;

#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Tokens that the KV cache holds; at most what the model was trained on. None: [`DEFAULT_CONTEXT_TOKENS`].
    pub context_tokens: Option<usize>,
}

/// What a file gave.
pub struct Loaded<M> {
    pub model: M,
    pub tokenizer: Tokenizer,
    pub template: Option<ChatTemplate>,
    pub facts: Facts,
}

impl<M> Loaded<M> {
    pub fn map<N>(self, map: impl FnOnce(M) -> N) -> Loaded<N> {
        Loaded {
            model: map(self.model),
            tokenizer: self.tokenizer,
            template: self.template,
            facts: self.facts,
        }
    }
}

/// What a page or a command line shows of a model.
#[derive(Clone, Debug)]
pub struct Facts {
    pub name: String,
    pub architecture: String,
    /// The type that holds most of the weights: "Q5_0".
    pub file_type: &'static str,
    pub parameter_count: u64,
    pub trained_context_tokens: usize,
    pub size_bytes: u64,
}

pub struct Loader<B: Backend> {
    options: Options,
    state: State<B>,
    at: u64,
}

enum State<B: Backend> {
    Header { reader: GgufReader, backend: B },
    Tensors(Box<Tensors<B>>),
    Failed(Error),
}

struct Tensors<B: Backend> {
    backend: B,
    config: ModelConfig,
    tokenizer: Tokenizer,
    template: Option<ChatTemplate>,
    facts: Facts,
    context_tokens: usize,
    /// In the file's order; `next` is the one being read.
    plan: Vec<TensorInfo>,
    next: usize,
    current: Option<Current<B::Buf>>,
    loaded: HashMap<String, Weight<B::Buf>>,
    rope_freqs: Option<Vec<f32>>,
}

/// The tensor being read.
struct Current<Buf> {
    target: Target<Buf>,
    dtype: DType,
    rows: usize,
    rows_done: usize,
    row_bytes: usize,
    /// Less than one group of rows.
    staged: Vec<u8>,
}

enum Target<Buf> {
    Weight(Weight<Buf>),
    /// `rope_freqs`, which the model folds into its own frequencies.
    RopeFreqs(Vec<f32>),
}

impl<B: Backend> Loader<B> {
    pub fn new(backend: B, options: Options) -> Self {
        Loader {
            options,
            state: State::Header {
                reader: GgufReader::new(),
                backend,
            },
            at: 0,
        }
    }

    /// Takes the file's next bytes. After an error, gives the same one again.
    /// Errors: those of [`GgufReader::push`], `architecture`, `metadata`, `tensor_missing`, `tensor_shape`, `tensor_not_finite`, `tokenizer`,
    /// `template`, `invalid_argument` (the context), `out_of_memory`.
    pub fn push(&mut self, chunk: &[u8]) -> Result<()> {
        let outcome = self.take(chunk);
        self.at += chunk.len() as u64;
        if let Err(error) = &outcome {
            self.state = State::Failed(error.clone());
        }
        outcome
    }

    fn take(&mut self, chunk: &[u8]) -> Result<()> {
        if let State::Header { reader, .. } = &mut self.state {
            let Some(gguf) = reader.push(chunk)? else {
                return Ok(());
            };
            let placeholder = State::Failed(Error::new(
                Code::NotLoaded,
                "The model is not loaded. Make a new loader and push the file again.",
            ));
            if let State::Header { backend, .. } = std::mem::replace(&mut self.state, placeholder) {
                self.state = State::Tensors(Box::new(Tensors::new(backend, &gguf, self.options)?));
            }
        }
        match &mut self.state {
            State::Tensors(tensors) => tensors.take(self.at, chunk),
            State::Failed(error) => Err(error.clone()),
            State::Header { .. } => Ok(()),
        }
    }

    /// The backend, and what the header says of the decoder, once it is there.
    pub fn header(&self) -> Option<(&B, &ModelConfig, &[TensorInfo])> {
        match &self.state {
            State::Tensors(tensors) => Some((&tensors.backend, &tensors.config, &tensors.plan)),
            State::Header { .. } | State::Failed(_) => None,
        }
    }

    /// To be called after the last byte. Errors: `gguf_truncated`, `tensor_missing`, `out_of_memory`, or `push`'s own.
    pub fn finish(self) -> Result<Loaded<Model<B>>> {
        match self.state {
            State::Header { reader, .. } => {
                reader.finish()?;
                Err(truncated(self.at, None))
            }
            State::Tensors(tensors) => tensors.finish(self.at),
            State::Failed(error) => Err(error),
        }
    }
}

fn truncated(at: u64, wanted: Option<u64>) -> Error {
    let wanted = wanted.map(|w| format!(" of {w}")).unwrap_or_default();
    Error::new(
        Code::GgufTruncated,
        format!("The file ended after {at}{wanted} bytes. Download it again."),
    )
}

impl<B: Backend> Tensors<B> {
    fn new(backend: B, gguf: &Gguf, options: Options) -> Result<Self> {
        let config = arch::config(gguf)?;
        let plan = select(&config, gguf)?;
        let tokenizer = Tokenizer::from_metadata(&gguf.metadata)?;
        let template = ChatTemplate::from_metadata(&gguf.metadata, &tokenizer)?;
        let trained = config.context_length;
        let context_tokens = options
            .context_tokens
            .unwrap_or(DEFAULT_CONTEXT_TOKENS.min(trained));
        if context_tokens == 0 || context_tokens > trained {
            let message = format!(
                "A context of {context_tokens} tokens is out of range. Ask for 1 to {trained} tokens with this model."
            );
            return Err(Error::new(Code::InvalidArgument, message));
        }
        if tokenizer.vocab_size() > config.dims.vocab {
            let message = format!(
                "The vocabulary has {} tokens but the model knows only {} of them. TokenSampler another conversion of the model.",
                tokenizer.vocab_size(),
                config.dims.vocab
            );
            return Err(Error::new(Code::Tokenizer, message));
        }
        check_sizes(&config, &plan, context_tokens)?;
        let facts = facts(&gguf.metadata, &config, gguf)?;
        Ok(Tensors {
            backend,
            config,
            tokenizer,
            template,
            facts,
            context_tokens,
            plan,
            next: 0,
            current: None,
            loaded: HashMap::new(),
            rope_freqs: None,
        })
    }

    /// Takes the bytes of `chunk`, which begins at byte `at` of the file.
    fn take(&mut self, at: u64, chunk: &[u8]) -> Result<()> {
        let end = at + chunk.len() as u64;
        while let Some(info) = self.plan.get(self.next) {
            let tensor_end = info.offset + info.size_bytes;
            let (from, to) = (info.offset.max(at), tensor_end.min(end));
            if from < to {
                if self.current.is_none() {
                    self.current = Some(Current::new(&mut self.backend, info)?);
                }
                if let Some(current) = &mut self.current {
                    current.take(
                        &mut self.backend,
                        &info.name,
                        &chunk[(from - at) as usize..(to - at) as usize],
                    )?;
                }
            }
            if tensor_end > end {
                return Ok(());
            }
            if let Some(current) = self.current.take() {
                self.keep(current.target);
            }
            self.next += 1;
        }
        Ok(())
    }

    fn keep(&mut self, target: Target<B::Buf>) {
        match target {
            Target::Weight(weight) => {
                self.loaded
                    .insert(self.plan[self.next].name.clone(), weight);
            }
            Target::RopeFreqs(values) => self.rope_freqs = Some(values),
        }
    }

    fn finish(mut self, at: u64) -> Result<Loaded<Model<B>>> {
        self.take(at, &[])?;
        if self.next < self.plan.len() {
            return Err(truncated(at, Some(self.facts.size_bytes)));
        }
        let weights = Weights::new(&self.config, self.loaded)?;
        let model = Model::new(
            self.config,
            self.backend,
            weights,
            self.rope_freqs.as_deref(),
            self.context_tokens,
        )?;
        Ok(Loaded {
            model,
            tokenizer: self.tokenizer,
            template: self.template,
            facts: self.facts,
        })
    }
}

impl<Buf> Current<Buf> {
    fn new<B: Backend<Buf = Buf>>(backend: &mut B, info: &TensorInfo) -> Result<Self> {
        // Both were compared with the config's dims, which are usize.
        let (rows, cols) = (info.rows() as usize, info.cols() as usize);
        let row_bytes = cols / info.dtype.block_len() * info.dtype.block_bytes();
        let target = match info.name.as_str() {
            ROPE_FREQS => Target::RopeFreqs(vec![0.0; cols]),
            _ => Target::Weight(backend.alloc(info.dtype, rows, cols)?),
        };
        Ok(Current {
            target,
            rows,
            dtype: info.dtype,
            rows_done: 0,
            row_bytes,
            staged: Vec::new(),
        })
    }

    fn take<B: Backend<Buf = Buf>>(
        &mut self,
        backend: &mut B,
        name: &str,
        mut bytes: &[u8],
    ) -> Result<()> {
        let group = GROUP_ROWS * self.row_bytes;
        if !self.staged.is_empty() {
            let missing = (self.needed(group) - self.staged.len()).min(bytes.len());
            let (head, rest) = bytes.split_at(missing);
            self.staged.extend_from_slice(head);
            bytes = rest;
            if self.staged.len() < self.needed(group) {
                return Ok(());
            }
            let staged = std::mem::take(&mut self.staged);
            self.write(backend, name, &staged)?;
        }
        let rows_left = self.rows - self.rows_done;
        let whole = if bytes.len() == rows_left * self.row_bytes {
            bytes.len()
        } else {
            bytes.len() / group * group
        };
        let (whole, rest) = bytes.split_at(whole);
        self.write(backend, name, whole)?;
        self.staged.extend_from_slice(rest);
        Ok(())
    }

    /// Bytes of the group being staged; the tensor's last one may be short.
    fn needed(&self, group: usize) -> usize {
        group.min((self.rows - self.rows_done) * self.row_bytes)
    }

    fn write<B: Backend<Buf = Buf>>(
        &mut self,
        backend: &mut B,
        name: &str,
        rows: &[u8],
    ) -> Result<()> {
        if !self.dtype.scales_are_finite(rows) {
            return Err(Error::new(
                Code::TensorNotFinite,
                format!(
                    "The tensor `{name}` holds a number that is not finite. The file is broken: download it again."
                ),
            ));
        }
        match &mut self.target {
            Target::Weight(weight) => backend.write(weight, self.rows_done, rows),
            Target::RopeFreqs(values) if !rows.is_empty() => self.dtype.dequantize(rows, values),
            Target::RopeFreqs(_) => {}
        }
        self.rows_done += rows.len() / self.row_bytes;
        Ok(())
    }
}

/// That what will be allocated can be counted here: on wasm a usize has 32 bits, and a header may claim anything. Errors: `out_of_memory`.
fn check_sizes(config: &ModelConfig, plan: &[TensorInfo], context_tokens: usize) -> Result<()> {
    const MAX_BYTES: u64 = isize::MAX as u64;
    let w = &config.dims;
    let cached = [w.layers, w.kv_heads, w.head_dim, 2]
        .iter()
        .try_fold(context_tokens as u64 + 64, |n, &m| n.checked_mul(m as u64));
    if cached.is_none_or(|bytes| bytes > MAX_BYTES) {
        let message = format!(
            "There is no memory for a context of {context_tokens} tokens. Ask for a shorter one."
        );
        return Err(Error::new(Code::OutOfMemory, message));
    }
    // No layout takes more than four bytes a weight.
    match plan.iter().find(|tensor| tensor.elements() > MAX_BYTES / 4) {
        Some(tensor) => {
            let message = format!(
                "There is no memory for the tensor `{}`. TokenSampler a smaller model.",
                tensor.name
            );
            Err(Error::new(Code::OutOfMemory, message))
        }
        None => Ok(()),
    }
}

fn facts(metadata: &Metadata, config: &ModelConfig, gguf: &Gguf) -> Result<Facts> {
    Ok(Facts {
        name: metadata
            .opt_str("general.name")?
            .unwrap_or("unnamed")
            .to_owned(),
        architecture: metadata.str("general.architecture")?.to_owned(),
        file_type: gguf.file_type(),
        parameter_count: gguf.parameter_count(),
        trained_context_tokens: config.context_length,
        size_bytes: gguf.size_bytes,
    })
}
