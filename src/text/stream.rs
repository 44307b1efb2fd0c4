//! Bytes that come in pieces become text without broken characters.

/// Holds back the beginning of a character until its other bytes come, for a token may end within a
/// character.
///
/// ```
/// use siskin::text::stream::Utf8Stream;
///
/// let mut stream = Utf8Stream::new();
/// assert_eq!(stream.push(b"caf\xc3"), "caf");
/// assert_eq!(stream.push(b"\xa9"), "é");
/// assert_eq!(stream.finish(), "");
/// ```
#[derive(Default)]
pub struct Utf8Stream {
    /// Holds the bytes of the character that has begun: at most three between calls.
    held: Vec<u8>,
    has_begun: bool,
}

impl Utf8Stream {
    /// Makes a stream that holds nothing back.
    pub fn new() -> Utf8Stream {
        Utf8Stream::default()
    }

    /// Takes bytes and returns the text that is certain with them. Bytes that can never become a
    /// character become U+FFFD, as `String::from_utf8_lossy` has it.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        self.has_begun = true;
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

    /// Returns whether bytes were taken since the stream was new.
    pub fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Ends the text and returns what is still held back: U+FFFD, or nothing. The stream is then as
    /// new.
    pub fn finish(&mut self) -> String {
        let text = String::from_utf8_lossy(&self.held).into_owned();
        *self = Self::default();
        text
    }
}

/// Returns the length of `bytes` where they are the beginning of a character, else 0.
fn begun_character(bytes: &[u8]) -> usize {
    let is_begun = std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none());
    if is_begun { bytes.len() } else { 0 }
}
