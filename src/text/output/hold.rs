//! Tells how much of a text may be the beginning of a marker.

/// Returns the length of the text that certainly stands before any `marker`: what follows may begin
/// one, or is white space, which belongs to a marker behind it.
pub(super) fn certain_len(text: &str, marker: &str) -> usize {
    let begins = (1..marker.len().min(text.len() + 1))
        .rev()
        .find(|&len| marker.is_char_boundary(len) && text.ends_with(&marker[..len]))
        .unwrap_or(0);
    text[..text.len() - begins].trim_end().len()
}
