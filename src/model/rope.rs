//! The frequencies of RoPE, with every kind of scaling that GGUF files ask for.

use super::{architecture::Architecture, keys::Keys};
use crate::{Code, Error, Result, format::quoted};

/// Names the tensor that divides the RoPE frequencies (llama 3's scaling). The host reads
/// this tensor, no backend does.
pub const ROPE_FREQS: &str = "rope_freqs.weight";
/// Names the tensors that divide the RoPE frequencies in a long context and in a short one
/// (LongRoPE). The host reads the one that it needs.
pub const ROPE_FACTORS: [&str; 2] = ["rope_factors_long.weight", "rope_factors_short.weight"];
/// Names the key that takes YaRN's magnitude away where it is 1. Where it is 0, or missing, there is
/// one, and other values stand for what no model here has.
const YARN_LOG_MULTIPLIER: &str = "rope.scaling.yarn_log_multiplier";

/// Returns the base of the rope of layers with a window, if they have one of their own, and how much
/// of their heads it rotates.
///
/// # Errors
///
/// `metadata`.
pub(super) fn local(
    keys: &Keys<'_>,
    arch: &Architecture,
    head_dim: usize,
    rope_dim: usize,
) -> Result<(Option<f32>, usize)> {
    let rope_dim = match arch.layers_differ {
        true => keys
            .opt_dim("rope.dimension_count_swa")?
            .unwrap_or(head_dim),
        false => rope_dim,
    };
    let name = "rope.freq_base_swa";
    let base = match arch.local_rope_base {
        Some(_) => (keys.metadata.opt_f32(&keys.key(name))?).or(arch.local_rope_base),
        None => None,
    };
    match base {
        Some(base) if !(base.is_finite() && base > 1.0) => Err(impossible(base, 1.0)),
        base => Ok((base, rope_dim)),
    }
}

/// Names the frequencies by which a layer rotates queries and keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerRope {
    /// Those that the metadata has, scaled.
    Global,
    /// Those of layers with a window, which are not scaled.
    Local,
    /// None: queries and keys stay as they are.
    None,
}

/// Holds what the metadata says of RoPE.
pub(super) struct RopeConfig {
    /// Holds the radians of each pair for one position.
    pub(super) frequencies: Vec<f32>,
    /// Multiplies what is rotated.
    pub(super) scale: f32,
    /// Holds the context from which on LongRoPE's long factors count.
    pub(super) long_from: Option<usize>,
}

/// Returns the frequencies of a base, `base^(-2 i / rope_dim)` for each pair `i`; none without one.
pub(super) fn plain(base: Option<f32>, rope_dim: usize) -> Vec<f32> {
    let pairs = base.map_or(0, |_| rope_dim / 2);
    let base = f64::from(base.unwrap_or(1.0));
    (0..pairs)
        .map(|i| base.powf(-2.0 * i as f64 / rope_dim as f64) as f32)
        .collect()
}

/// Reads base and scaling.
///
/// As in llama.cpp (`load_hparams`), a file that does not name the kind of scaling means the linear
/// kind, no factor, or 0, means 1, and `rope.scale_linear` is the factor's old key. LongRoPE's
/// factors are tensors, and so are Llama 3's.
///
/// # Errors
///
/// - `metadata` for a value that is impossible, and a kind of scaling that is not known.
/// - `architecture` for a magnitude where no kind of scaling has one.
pub(super) fn read(keys: &Keys<'_>, arch: &Architecture, rope_dim: usize) -> Result<RopeConfig> {
    let base = keys
        .metadata
        .opt_f32(&keys.key("rope.freq_base"))?
        .unwrap_or(10_000.0);
    let factor = match keys.has("rope.scaling.factor") {
        true => keys.metadata.f32(&keys.key("rope.scaling.factor"))?,
        false => keys
            .metadata
            .opt_f32(&keys.key("rope.scale_linear"))?
            .unwrap_or(1.0),
    };
    let factor = if factor == 0.0 { 1.0 } else { factor };
    let kind = keys.metadata.opt_str(&keys.key("rope.scaling.type"))?;
    if !(base.is_finite() && base > 1.0 && factor.is_finite() && factor > 0.0) {
        return Err(impossible(base, factor));
    }
    let magnitude = keys.scale("rope.scaling.attn_factor", 1.0)?;
    let divisors: Vec<f64> = match kind {
        None | Some("linear") => vec![f64::from(factor); rope_dim / 2],
        Some("yarn") => yarn(keys, f64::from(base), f64::from(factor), rope_dim)?,
        Some("none") => vec![1.0; rope_dim / 2],
        Some("longrope") if arch.has_long_rope => vec![1.0; rope_dim / 2],
        Some(other) => {
            return Err(Error::new(
                Code::Metadata,
                format!(
                    "Rope scaling of the kind {} is not supported. Choose another model.",
                    quoted(other)
                ),
            ));
        }
    };
    let scale = match kind {
        // The magnitude that YaRN gives to attention (Peng et al., arXiv 2309.00071, section 3.4),
        // of which queries and keys take a root each. A multiplier of 1 says that there is none.
        Some("yarn") if keys.scale(YARN_LOG_MULTIPLIER, 0.0)? == 1.0 => magnitude,
        Some("yarn") => magnitude * (1.0 + 0.1 * factor.max(1.0).ln()),
        _ if arch.has_long_rope => magnitude,
        _ if magnitude != 1.0 => {
            let key = keys.key("rope.scaling.attn_factor");
            return Err(Error::new(
                Code::Architecture,
                format!("What `{key}` asks for is not supported. Choose another model."),
            ));
        }
        _ => 1.0,
    };
    let original = "rope.scaling.original_context_length";
    let frequencies = (0..rope_dim / 2)
        .zip(divisors)
        .map(|(i, divisor)| {
            let plain = f64::from(base).powf(-2.0 * i as f64 / rope_dim as f64);
            (plain / divisor) as f32
        })
        .collect();
    Ok(RopeConfig {
        frequencies,
        scale,
        long_from: match arch.has_long_rope && keys.has(original) {
            true => Some(keys.count_up_to(original, 1 << 32)?),
            false => None,
        },
    })
}

fn impossible(base: f32, factor: f32) -> Error {
    Error::new(
        Code::Metadata,
        format!(
            "The rope base {base} or its factor {factor} is impossible. Choose another conversion \
             of the model."
        ),
    )
}

/// Returns what YaRN divides each frequency by: 1 for those that turn often within the original
/// context, `factor` for those that turn seldom, and what lies between for those between ("NTK by
/// parts", arXiv 2309.00071, section 3.2).
fn yarn(keys: &Keys<'_>, base: f64, factor: f64, rope_dim: usize) -> Result<Vec<f64>> {
    if !matches!(keys.scale(YARN_LOG_MULTIPLIER, 0.0)?, 0.0 | 1.0) {
        let key = keys.key(YARN_LOG_MULTIPLIER);
        return Err(Error::new(
            Code::Architecture,
            format!("What `{key}` asks for is not supported. Choose another model."),
        ));
    }
    let original = match keys.has("rope.scaling.original_context_length") {
        true => "rope.scaling.original_context_length",
        false => "context_length",
    };
    let original = keys.count_up_to(original, 1 << 32)? as f64;
    // The pair that turns so often within the original context.
    let pair = |turns: f32| {
        let wavelength = original / (f64::from(turns) * std::f64::consts::TAU);
        rope_dim as f64 * wavelength.ln() / (2.0 * base.ln())
    };
    let low = pair(keys.scale("rope.scaling.yarn_beta_fast", 32.0)?)
        .floor()
        .max(0.0);
    let high = pair(keys.scale("rope.scaling.yarn_beta_slow", 1.0)?).ceil();
    let high = high.min(rope_dim as f64 - 1.0);
    let divisor = |i: usize| {
        let ramp = ((i as f64 - low) / (high - low).max(0.001)).clamp(0.0, 1.0);
        1.0 / (ramp / factor + 1.0 - ramp)
    };
    Ok((0..rope_dim / 2).map(divisor).collect())
}
