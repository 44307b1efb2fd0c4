//! Messages are for people.

use siskin::Error;

/// That an error's message is a sentence or several: a capital letter, a quote or a name in backticks first, a full stop last, and nothing
/// as long as what a hostile file may hold.
pub fn assert_sentence(error: &Error) {
    let message = &error.message;
    assert!(
        message.starts_with(|c: char| c.is_uppercase() || c == '"' || c == '`'),
        "{message}"
    );
    assert!(
        message.ends_with('.') && message.split(' ').count() > 3,
        "{message}"
    );
    assert!(message.len() < 600, "{} bytes: {message}", message.len());
}
