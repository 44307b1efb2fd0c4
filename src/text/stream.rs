//! Bytes that come in pieces, to text without broken characters.

/// Holds back the beginning of a character until its other bytes come: a token may end within one.
#[derive(Default)]
pub struct Utf8Stream {
    /// At most three bytes between calls.
    held: Vec<u8>,
}

impl Utf8Stream {
    pub fn new() -> Utf8Stream {
        Utf8Stream::default()
    }

    /// The text that is certain after `bytes`. Bytes that can never become a character give U+FFFD, as `String::from_utf8_lossy` does.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        self.held.extend_from_slice(bytes);
        let begun_bytes = self
            .held
            .utf8_chunks()
            .last()
            .map_or(0, |chunk| begun_character(chunk.invalid()));
        let whole_bytes = self.held.len() - begun_bytes;
        let text = String::from_utf8_lossy(&self.held[..whole_bytes]).into_owned();
        self.held.drain(..whole_bytes);
        text
    }

    /// What is still held when no more bytes come: U+FFFD, or nothing. The stream is then as new.
    pub fn finish(&mut self) -> String {
        let text = String::from_utf8_lossy(&self.held).into_owned();
        self.held.clear();
        text
    }
}

/// Length of `bytes` where they are the beginning of a character, else 0.
fn begun_character(bytes: &[u8]) -> usize {
    let is_begun = std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none());
    if is_begun { bytes.len() } else { 0 }
}
