//! Checks that messages are for people.

use siskin::Error;

/// Asserts that an error's message is a sentence or several: it begins with a capital letter, a
/// quote or a name in backticks, ends with a full stop, and is not as long as what a hostile file
/// may hold.
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
