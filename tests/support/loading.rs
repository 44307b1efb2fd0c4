//! Loads model files, for tests of what is understood and what is refused.

use super::sentence::assert_sentence;
use siskin::{
    Code, Error,
    backend::cpu::Cpu,
    format::gguf::{Gguf, GgufReader},
    loader::{Loaded, Loader, Options},
    model::Model,
};

/// Loads a file that is pushed in chunks. An error stays.
pub fn load_with(
    file: &[u8],
    chunk_bytes: usize,
    options: Options,
) -> Result<Loaded<Model<Cpu>>, Error> {
    let mut loader = Loader::new(Cpu::default(), options);
    for chunk in file.chunks(chunk_bytes) {
        if let Err(error) = loader.push(chunk) {
            assert_eq!(loader.push(chunk).expect_err("errors stay"), error);
            assert_eq!(loader.finish().err().expect("errors stay"), error);
            return Err(error);
        }
    }
    loader.finish()
}

/// Loads a file in small chunks.
pub fn load(file: &[u8]) -> Result<Loaded<Model<Cpu>>, Error> {
    load_with(file, 1000, Options::default())
}

/// Asserts that loading fails with `code` and a sentence that holds `says`.
pub fn refused(file: &[u8], code: Code, says: &str) {
    let error = load(file).err().unwrap_or_else(|| panic!("{says}: loaded"));
    assert_eq!(error.code, code, "{says}: {error}");
    assert!(error.message.contains(says), "{says}: {error}");
    assert_sentence(&error);
}

/// Returns the logits after a few tokens.
pub fn logits(loaded: Loaded<Model<Cpu>>) -> Vec<f32> {
    let (mut model, mut logits) = (loaded.model, Vec::new());
    let tokens = [72, 105, 256, 0, 257].map(|token| token % model.vocab_size() as u32);
    pollster::block_on(model.forward(&tokens, Some(&mut logits))).expect("logits");
    logits
}

/// Reads a whole header.
pub fn header(file: &[u8]) -> Gguf {
    GgufReader::new()
        .push(file)
        .expect("a header")
        .expect("a whole header")
}
