//! The command line: run a model file natively, look into it, convert it, measure it.

mod compare;
mod convert;
mod kernels;
mod product;
mod shard;

use serde_json::json;
use siskin::{
    Code, Error, Result,
    format::{gguf::GgufReader, metadata::Value},
    generate::{
        Decoder, Outcome, STEP_TOKENS,
        event::Usage,
        sampler::{Sampler, SamplingOptions},
    },
    loader::{Loaded, Options},
    session::{
        Session,
        engine::{AnyLoader, AnyModel, CacheType, GpuOptions, Pool},
        request::ChatRequest,
    },
    text::tokenizer::Special,
};
use std::{
    fmt::Write as _,
    fs::File,
    io::{Read, Write},
    num::NonZero,
    path::Path,
    process::ExitCode,
    str::FromStr,
    time::Instant,
};

/// More threads than this gain little: decoding is bound by memory.
const MOST_THREADS: usize = 8;

const HELP: &str = "siskin: small language models, from GGUF files

  siskin run MODEL PROMPT [--system TEXT] [--max-tokens N] [--temperature T] [--seed N] [--context N]
  siskin inspect MODEL [--tensors]
  siskin eval MODEL TEXTFILE [--tokens N]      perplexity and speed over the text's first N tokens (512)
  siskin compare MODEL [--prompt N]            every tensor of a step on the graphics card beside the processor's
  siskin convert IN OUT [--type TYPE]          the same model with its matrices in another type (Q4_0)
  siskin shard MODEL --out DIR [--max SIZE]    pieces of at most SIZE (24MiB) with a manifest, for any static host
  siskin bench MODEL [--prompt N] [--generate N] [--rounds N] [--profile] [--shaders FOLDER]
  siskin bench --kernels                       the matrix products alone, in every format

  run, eval and bench compute on the processor, with --threads N of it, or with --gpu on the graphics card.
  --gpu --cache-type q8_0 keeps keys and values in bytes there.
  bench --gpu --profile tells how long each shader took; --shaders writes the WGSL of those that ran.
";

fn main() -> ExitCode {
    let outcome = match Arguments::parse() {
        Ok(arguments) => command(&arguments),
        Err(error) => Err(Error::new(
            Code::InvalidArgument,
            format!("These arguments do not fit: {error}. See siskin help."),
        )),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("siskin: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What was given on the command line: plain words, then `--name value` options.
struct Arguments {
    words: Vec<String>,
    options: Vec<(String, String)>,
}

impl Arguments {
    fn parse() -> std::result::Result<Self, lexopt::Error> {
        use lexopt::prelude::*;
        let mut parser = lexopt::Parser::from_env();
        let (mut words, mut options) = (Vec::new(), Vec::new());
        while let Some(argument) = parser.next()? {
            match argument {
                Value(word) => words.push(word.string()?),
                Long("help") | Short('h') => words.insert(0, "help".into()),
                Long(name @ ("tensors" | "kernels" | "gpu" | "profile")) => {
                    options.push((name.into(), String::new()))
                }
                Long(
                    name @ ("system" | "max-tokens" | "temperature" | "seed" | "context" | "tokens"
                    | "prompt" | "generate" | "rounds" | "threads" | "type" | "cache-type"
                    | "max" | "out" | "shaders"),
                ) => {
                    let name = name.to_owned();
                    options.push((name, parser.value()?.string()?));
                }
                other => return Err(other.unexpected()),
            }
        }
        Ok(Self { words, options })
    }

    fn word(&self, index: usize, what: &str) -> Result<&str> {
        let missing = || {
            Error::new(
                Code::InvalidArgument,
                format!("{what} is missing. See siskin help."),
            )
        };
        self.words
            .get(index)
            .map(String::as_str)
            .ok_or_else(missing)
    }

    fn option(&self, name: &str) -> Option<&str> {
        self.options
            .iter()
            .rev()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>> {
        let bad = |text| {
            Error::new(
                Code::InvalidArgument,
                format!("\"{text}\" is no number that --{name} takes. See siskin help."),
            )
        };
        self.option(name)
            .map(|text| text.parse().map_err(|_| bad(text)))
            .transpose()
    }
}

fn command(arguments: &Arguments) -> Result<()> {
    match arguments.words.first().map(String::as_str) {
        Some("run") => run(arguments),
        Some("inspect") => inspect(arguments),
        Some("eval") => eval(arguments),
        Some("compare") => compare::compare(arguments),
        Some("convert") => convert::convert(arguments),
        Some("shard") => shard::shard(arguments),
        Some("bench") if arguments.option("kernels").is_some() => kernels::kernels(),
        Some("bench") => bench(arguments),
        Some("help") | None => show(HELP),
        Some(other) => Err(Error::new(
            Code::InvalidArgument,
            format!("There is no command \"{other}\". See siskin help."),
        )),
    }
}

/// Writes to standard output now.
fn show(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let outcome = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    outcome.map_err(|error| {
        Error::new(
            Code::Io,
            format!("The output cannot be written: {error}. Look where it goes."),
        )
    })
}

fn io(path: &Path) -> impl Fn(std::io::Error) -> Error {
    move |error| {
        Error::new(
            Code::Io,
            format!(
                "`{}` cannot be read: {error}. Check its name.",
                path.display()
            ),
        )
    }
}

/// Pushes the file through `take` until that says that it has enough.
fn read(path: &Path, mut take: impl FnMut(&[u8]) -> Result<bool>) -> Result<()> {
    let mut file = File::open(path).map_err(io(path))?;
    let mut chunk = vec![0; 1 << 20];
    loop {
        let len = file.read(&mut chunk).map_err(io(path))?;
        if len == 0 || take(&chunk[..len])? {
            return Ok(());
        }
    }
}

fn load(
    path: &str,
    arguments: &Arguments,
    context_tokens: Option<usize>,
) -> Result<Loaded<AnyModel>> {
    let start = Instant::now();
    let cores = || {
        std::thread::available_parallelism()
            .map_or(1, NonZero::get)
            .min(MOST_THREADS)
    };
    let options = Options { context_tokens };
    let mut loader = if arguments.option("gpu").is_some() {
        let cache_type = arguments
            .option("cache-type")
            .map(CacheType::named)
            .transpose()?
            .unwrap_or_default();
        let wanted = GpuOptions {
            profile: arguments.option("profile").is_some(),
            cache_type,
            ..GpuOptions::default()
        };
        pollster::block_on(AnyLoader::on_gpu(options, wanted))?
    } else {
        AnyLoader::cpu(
            options,
            Pool::new(
                arguments
                    .number("threads")?
                    .map_or_else(cores, NonZero::get),
            ),
        )
    };
    let mut tested = false;
    read(Path::new(path), |chunk| {
        loader.push(chunk)?;
        if !tested && loader.has_header() {
            tested = true;
            pollster::block_on(loader.probe(0))?;
        }
        Ok(false)
    })?;
    let loaded = loader.finish()?;
    eprintln!(
        "{}: {} {}, loaded in {:.2} s, {}",
        loaded.facts.name,
        loaded.facts.architecture,
        loaded.facts.file_type,
        start.elapsed().as_secs_f64(),
        loaded.model.adapter().map_or_else(
            || format!("{} thread(s)", loaded.model.threads()),
            str::to_owned
        )
    );
    Ok(loaded)
}

/// Answers one prompt as a chat: the text streams to standard output, the figures go to standard error.
fn run(arguments: &Arguments) -> Result<()> {
    let prompt = arguments.word(2, "PROMPT")?;
    let default = SamplingOptions::default();
    let mut request = ChatRequest {
        max_tokens: arguments.number("max-tokens")?,
        sampling: SamplingOptions {
            temperature: arguments
                .number("temperature")?
                .unwrap_or(default.temperature),
            seed: arguments.number("seed")?,
            ..default
        },
        ..ChatRequest::user(prompt)
    };
    if let Some(system) = arguments.option("system") {
        request
            .messages
            .insert(0, json!({"role": "system", "content": system}));
    }
    let mut session = Session::from(load(
        arguments.word(1, "MODEL")?,
        arguments,
        arguments.number("context")?,
    )?);

    let start = Instant::now();
    session.start(request)?;
    let (mut prefill_seconds, mut usage) = (None, Usage::default());
    while let Some(event) = pollster::block_on(session.next())? {
        show(&event.text)?;
        if event.prefill.is_none() {
            prefill_seconds.get_or_insert_with(|| start.elapsed().as_secs_f64());
        }
        usage = event.usage.unwrap_or(usage);
    }
    show("\n")?;
    let prefill_seconds = prefill_seconds.unwrap_or_default();
    let decode_seconds = start.elapsed().as_secs_f64() - prefill_seconds;
    // The first token comes with the end of the prefill.
    let decoded_tokens = usage.completion_tokens.saturating_sub(1);
    eprintln!(
        "prefill {:.1} t/s ({} tokens), decode {:.1} t/s ({} tokens)",
        usage.prompt_tokens as f64 / prefill_seconds,
        usage.prompt_tokens,
        if decoded_tokens > 0 {
            decoded_tokens as f64 / decode_seconds
        } else {
            0.0
        },
        usage.completion_tokens
    );
    Ok(())
}

fn inspect(arguments: &Arguments) -> Result<()> {
    let mut reader = GgufReader::new();
    let mut header = None;
    read(Path::new(arguments.word(1, "MODEL")?), |chunk| {
        header = reader.push(chunk)?;
        Ok(header.is_some())
    })?;
    let Some(gguf) = header else {
        return reader.finish();
    };
    // Writing to a String cannot fail.
    let mut out = String::new();
    let _ = writeln!(
        out,
        "GGUF version {}, {} tensors, {} bytes",
        gguf.version,
        gguf.tensors.len(),
        gguf.size_bytes
    );
    for (key, value) in gguf.metadata.iter() {
        let text = match value {
            Value::String(text) if text.len() > 100 => {
                format!(
                    "\"{}...\" ({} bytes)",
                    text.chars().take(60).collect::<String>().escape_debug(),
                    text.len()
                )
            }
            Value::Array(array) => format!("{} x {}", array.len(), array.item_type()),
            other => format!("{other:?}"),
        };
        let _ = writeln!(out, "{key} = {text}");
    }
    let mut by_type: Vec<(&str, usize, u64)> = Vec::new();
    for tensor in &gguf.tensors {
        match by_type
            .iter_mut()
            .find(|(name, ..)| *name == tensor.dtype.name())
        {
            Some((_, count, bytes)) => (*count, *bytes) = (*count + 1, *bytes + tensor.size_bytes),
            None => by_type.push((tensor.dtype.name(), 1, tensor.size_bytes)),
        }
    }
    for (name, count, bytes) in by_type {
        let _ = writeln!(out, "{count} tensors of {name}: {bytes} bytes");
    }
    if arguments.option("tensors").is_some() {
        for tensor in &gguf.tensors {
            let _ = writeln!(
                out,
                "{:>12}  {:5}  {:?}  {}",
                tensor.offset,
                tensor.dtype.name(),
                tensor.dims,
                tensor.name
            );
        }
    }
    show(&out)
}

fn eval(arguments: &Arguments) -> Result<()> {
    let path = Path::new(arguments.word(2, "TEXTFILE")?);
    let text = std::fs::read_to_string(path).map_err(io(path))?;
    let wanted = arguments.number("tokens")?.unwrap_or(512);
    let Loaded {
        mut model,
        tokenizer,
        ..
    } = load(arguments.word(1, "MODEL")?, arguments, None)?;
    let mut tokens: Vec<u32> = tokenizer
        .bos()
        .filter(|_| tokenizer.add_bos())
        .into_iter()
        .collect();
    let first = tokens.len();
    tokens.extend(
        tokenizer
            .encode(&text, Special::Plain)
            .into_iter()
            .take(wanted.min(model.context_tokens() - first)),
    );
    if tokens.len() < 2 {
        return Err(Error::new(
            Code::InvalidArgument,
            "The text has fewer than two tokens to predict. Give a longer one, or more --tokens.",
        ));
    }
    let (mut logits, mut total, start) = (Vec::new(), 0.0, Instant::now());
    for (chunk_index, chunk) in tokens.chunks(STEP_TOKENS).enumerate() {
        pollster::block_on(model.forward_all(chunk, &mut logits))?;
        for (i, row) in logits.chunks_exact(model.vocab_size()).enumerate() {
            if let Some(&next) = tokens.get(chunk_index * STEP_TOKENS + i + 1) {
                total -= log_probability(row, next);
            }
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let perplexity = (total / (tokens.len() - 1) as f64).exp();
    show(&format!(
        "perplexity {perplexity:.4} over {} tokens, {:.1} tokens/s with the output matrix for each\n",
        tokens.len(),
        tokens.len() as f64 / seconds
    ))
}

fn log_probability(logits: &[f32], token: u32) -> f64 {
    let max = logits.iter().fold(f32::NEG_INFINITY, |m, &x| m.max(x)) as f64;
    let sum: f64 = logits.iter().map(|&x| (x as f64 - max).exp()).sum();
    logits[token as usize] as f64 - max - sum.ln()
}

fn bench(arguments: &Arguments) -> Result<()> {
    let prompt: u32 = arguments.number("prompt")?.unwrap_or(128);
    let generate = arguments.number("generate")?.unwrap_or(48);
    let Loaded { mut model, .. } = load(arguments.word(1, "MODEL")?, arguments, None)?;
    let tokens = made_up_tokens(prompt, model.vocab_size());
    for _ in 0..arguments.number("rounds")?.unwrap_or(3) {
        model.truncate(0);
        let mut sampler = Sampler::new(SamplingOptions::greedy(), model.vocab_size())?;
        sampler.expect_more(generate);
        let start = Instant::now();
        let mut next = chosen(&mut model, &tokens, &mut sampler)?;
        let prefill = start.elapsed().as_secs_f64();
        let start = Instant::now();
        for left in (0..generate).rev() {
            sampler.expect_more(left);
            next = chosen(&mut model, &[next], &mut sampler)?;
        }
        let decode = start.elapsed().as_secs_f64();
        show(&format!(
            "prefill {:.1} t/s, decode {:.1} t/s\n",
            f64::from(prompt) / prefill,
            generate as f64 / decode
        ))?;
    }
    for (name, timing) in pollster::block_on(model.timings())? {
        show(&format!(
            "{:8.1} ms, {:5} times {name}\n",
            1e3 * timing.seconds,
            timing.dispatches
        ))?;
    }
    if let Some(folder) = arguments.option("shaders") {
        for (name, source) in model.shaders() {
            let path = Path::new(folder).join(name.replace(' ', "-") + ".wgsl");
            std::fs::write(&path, source).map_err(|error| {
                Error::new(
                    Code::Io,
                    format!(
                        "`{}` cannot be written: {error}. Give a folder that exists.",
                        path.display()
                    ),
                )
            })?;
        }
    }
    Ok(())
}

fn made_up_tokens(count: u32, vocab_size: usize) -> Vec<u32> {
    (0..count)
        .map(|i| (i * 7919 + 100) % vocab_size as u32)
        .collect()
}

/// The token that follows.
fn chosen(model: &mut AnyModel, tokens: &[u32], sampler: &mut Sampler) -> Result<u32> {
    let mut steps = tokens.chunks(STEP_TOKENS).peekable();
    while let Some(step) = steps.next() {
        let sampler = steps.peek().is_none().then_some(&mut *sampler);
        if let Outcome::Done(Some(token)) =
            pollster::block_on(model.step(step, sampler, &mut || false))?
        {
            return Ok(token);
        }
    }
    Err(Error::new(
        Code::InvalidArgument,
        "There are no tokens to run; give --prompt at least 1.",
    ))
}
