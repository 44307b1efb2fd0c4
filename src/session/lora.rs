//! Reads which LoRA adapters a request wants.

use super::fields::{Fields, invalid};
use crate::{Error, Result};
use serde::Deserialize;

/// Tells how strong an adapter is, in llama.cpp's form.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, expecting = "an object with id and scale")]
pub struct LoraScale {
    /// Holds the number of the adapter.
    pub id: usize,
    /// Multiplies what it changes.
    pub scale: f32,
}

/// Takes `lora`.
///
/// # Errors
///
/// `invalid_argument`.
pub(super) fn take_lora(fields: &mut Fields) -> Result<Option<Vec<LoraScale>>> {
    let lora: Option<Vec<LoraScale>> = fields.take("lora")?;
    let mut of_none = lora.iter().flatten().filter(|it| !it.scale.is_finite());
    match of_none.next() {
        None => Ok(lora),
        Some(LoraScale { scale, .. }) => Err(invalid(format!(
            "`lora` has the scale {scale}; give a finite number."
        ))),
    }
}

/// Returns the scale of each of `count` adapters. Those that are not listed have none.
///
/// # Errors
///
/// `invalid_argument` for an adapter that does not exist.
pub(super) fn scales(lora: &[LoraScale], count: usize) -> Result<Vec<f32>> {
    let mut scales = vec![0.0; count];
    for &LoraScale { id, scale } in lora {
        *scales.get_mut(id).ok_or_else(|| no_adapter(id, count))? = scale;
    }
    Ok(scales)
}

/// Returns the error for an adapter that does not exist.
fn no_adapter(id: usize, count: usize) -> Error {
    invalid(match count {
        0 => "`lora` chooses among adapters, and the model was loaded without any.".to_owned(),
        _ => format!(
            "`lora` has the id {id}; the model was loaded with {count} adapters, whose ids begin at \
             0."
        ),
    })
}
