//! Reads the options of the engine's methods.

use super::convert::from_js;
use crate::{
    Code, Error, Result,
    loader::Options,
    session::{
        engine::{CacheType, GpuOptions, MatmulStrategy, ShaderFeatures},
        fields::Fields,
    },
    text::{template::ChatTemplate, tokenizer::Special},
};
use wasm_bindgen::JsValue;

/// Limits the number of threads to more than any tab is given.
const MAX_THREADS: usize = 64;

/// Reads the options of the loader and `{threads?}`. Returns both.
///
/// # Errors
///
/// `invalid_argument`, `template`.
pub(super) fn cpu_options(options: &JsValue) -> Result<(Options, usize)> {
    let mut fields = Fields::from(from_js(options)?);
    let options = loader_options(&mut fields)?;
    let threads = fields.take("threads")?.unwrap_or(1);
    fields.finish()?;
    if !(1..=MAX_THREADS).contains(&threads)
        || (threads > 1 && cfg!(not(target_feature = "atomics")))
    {
        return Err(Error::new(
            Code::InvalidArgument,
            format!(
                "{threads} threads are not possible here. Ask for 1, or use the threads build."
            ),
        ));
    }
    Ok((options, threads))
}

/// Reads the options of the loader and `{cache_type?, features?, steps_in_flight?, int8_dot?,
/// f16_tiles?}`.
///
/// # Errors
///
/// `invalid_argument`, `template`.
pub(super) fn gpu_options(options: &JsValue) -> Result<(Options, GpuOptions)> {
    let mut fields = Fields::from(from_js(options)?);
    let options = loader_options(&mut fields)?;
    let cache_type = fields
        .take::<String>("cache_type")?
        .as_deref()
        .map(CacheType::named)
        .transpose()?
        .unwrap_or_default();
    let features = fields.take::<Vec<String>>("features")?;
    let switches: [Option<bool>; 2] = [fields.take("int8_dot")?, fields.take("f16_tiles")?];
    let [int8_dot, f16_tiles] = switches.map(Option::unwrap_or_default);
    let strategy = switches
        .iter()
        .any(Option::is_some)
        .then_some(MatmulStrategy {
            int8_dot,
            f16_tiles,
        });
    let gpu = GpuOptions {
        cache_type,
        features: features.map_or(ShaderFeatures::ALL, |names| ShaderFeatures::named(&names)),
        strategy,
        steps_in_flight: fields.take("steps_in_flight")?,
        ..GpuOptions::default()
    };
    fields.finish()?;
    Ok((options, gpu))
}

/// Takes `context_tokens`, `slots` and `chat_template`. The template is parsed here, before a file
/// is fetched.
///
/// # Errors
///
/// `invalid_argument`, `template`.
fn loader_options(fields: &mut Fields) -> Result<Options> {
    let options = Options {
        context_tokens: fields.take("context_tokens")?,
        slots: fields.take("slots")?,
        chat_template: fields.take("chat_template")?,
    };
    if let Some(source) = &options.chat_template {
        ChatTemplate::new(source, "", "")?;
    }
    Ok(options)
}

/// Reads `{special?}`, whether the control tokens in a text are parsed as such.
///
/// # Errors
///
/// `invalid_argument`.
pub(super) fn special(options: &JsValue) -> Result<Special> {
    let mut fields = Fields::from(from_js(options)?);
    let special = fields.take("special")?.unwrap_or(false);
    fields.finish()?;
    Ok(if special {
        Special::Parse
    } else {
        Special::Plain
    })
}
