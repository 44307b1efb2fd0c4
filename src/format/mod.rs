//! Model files: [`gguf`] reads them, [`mod@write`] makes them, and [`metadata`] holds the key-value
//! pairs that describe a model. [`lora`] reads what changes a model.

pub mod gguf;
pub mod lora;
pub mod metadata;
pub mod write;

use crate::{Code, Error};

fn malformed(what: String) -> Error {
    Error::new(
        Code::GgufMalformed,
        format!("{what}; the file is damaged: download it again."),
    )
}

/// Returns a name from the file in a form fit for a message: printable, and not a page long.
pub(crate) fn quoted(name: &str) -> String {
    let mut rest = name.escape_debug();
    let mut shown: String = rest.by_ref().take(80).collect();
    if rest.next().is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}
