//! Loads a model onto the backend that the arguments name.

use crate::{
    arguments::Arguments,
    files::{read_model, unreadable},
};
use siskin::{
    Result,
    loader::{Loaded, Options},
    session::engine::{AnyLoader, AnyModel, CacheType, GpuOptions, Pool},
};
use std::{num::NonZero, path::Path, time::Instant};

/// Limits the number of threads without `--threads`: decoding is bound by memory, so more threads
/// gain little.
const MAX_DEFAULT_THREADS: usize = 8;

/// Loads the model at `path` and reports it on standard error.
///
/// # Errors
///
/// `io`, `invalid_argument`, and those of [`AnyLoader`].
pub fn load(
    path: &str,
    arguments: &Arguments,
    context_tokens: Option<usize>,
) -> Result<Loaded<AnyModel>> {
    let start = Instant::now();
    let template = arguments.option("chat-template-file").map(Path::new);
    let chat_template = template
        .map(|path| std::fs::read_to_string(path).map_err(unreadable(path)))
        .transpose()?;
    let options = Options {
        context_tokens,
        chat_template,
        ..Options::default()
    };
    let mut loader = if arguments.option("gpu").is_some() {
        let cache_type = arguments
            .option("cache-type")
            .map(CacheType::named)
            .transpose()?
            .unwrap_or_default();
        let gpu = GpuOptions {
            profile: arguments.option("profile").is_some(),
            cache_type,
            ..GpuOptions::default()
        };
        pollster::block_on(AnyLoader::on_gpu(options, gpu))?
    } else {
        let threads = arguments
            .number("threads")?
            .map_or_else(default_threads, NonZero::get);
        AnyLoader::cpu(options, Pool::new(threads))
    };
    let mut tested = false;
    read_model(Path::new(path), |chunk| {
        loader.push(chunk)?;
        if !tested && loader.has_header() {
            tested = true;
            pollster::block_on(loader.probe(0))?;
        }
        Ok(())
    })?;
    if let Some(path) = arguments.option("adapter").map(Path::new) {
        let scale = arguments.number("scale")?.unwrap_or(1.0);
        loader.add_adapter(&std::fs::read(path).map_err(unreadable(path))?, scale)?;
    }
    let loaded = loader.finish()?;
    eprintln!(
        "{}: {} {}, loaded in {:.2} s, {}",
        loaded.file.name,
        loaded.file.architecture,
        loaded.file.file_type,
        start.elapsed().as_secs_f64(),
        loaded.model.adapter().map_or_else(
            || format!("{} thread(s)", loaded.model.threads()),
            str::to_owned
        )
    );
    Ok(loaded)
}

/// Returns the number of threads without `--threads`.
fn default_threads() -> usize {
    std::thread::available_parallelism()
        .map_or(1, NonZero::get)
        .min(MAX_DEFAULT_THREADS)
}
