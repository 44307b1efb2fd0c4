//! The host is the machine that Siskin runs on, which it asks for the time, a pause, a little
//! randomness, and what a browser knows of Unicode.

use std::borrow::Cow;

/// Returns the milliseconds since some fixed moment; the time never goes back.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn now_ms() -> f64 {
    use std::{sync::OnceLock, time::Instant};
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_secs_f64() * 1e3
}

/// Returns the milliseconds since some fixed moment, by `performance.now()` of a page, a worker or
/// Node; 0 where there is none.
#[cfg(target_arch = "wasm32")]
pub(crate) fn now_ms() -> f64 {
    use wasm_bindgen::JsCast;
    // Unchecked, for a page is no worker: it has the same property.
    let scope: web_sys::WorkerGlobalScope = js_sys::global().unchecked_into();
    scope
        .performance()
        .map_or(0.0, |performance| performance.now())
}

/// Lets the page's other tasks run for `ms` milliseconds; natively it only waits.
pub(crate) async fn pause(ms: u32) {
    #[cfg(target_arch = "wasm32")]
    gloo_timers::future::TimeoutFuture::new(ms).await;
    #[cfg(not(target_arch = "wasm32"))]
    std::thread::sleep(std::time::Duration::from_millis(ms.into()));
}

/// Returns a number that differs from run to run. It is not random enough for secrets.
pub(crate) fn entropy() -> u64 {
    #[cfg(target_arch = "wasm32")]
    return js_sys::Math::random().to_bits();
    #[cfg(not(target_arch = "wasm32"))]
    {
        use std::hash::{BuildHasher, RandomState};
        RandomState::new().hash_one(now_ms().to_bits())
    }
}

/// Composes the characters of a text (Unicode NFC).
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn composed(text: &str) -> Cow<'_, str> {
    use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};
    match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => Cow::Borrowed(text),
        _ => Cow::Owned(text.nfc().collect()),
    }
}

/// Decomposes the characters of a text (Unicode NFD).
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn decomposed(text: &str) -> Cow<'_, str> {
    use unicode_normalization::UnicodeNormalization;
    Cow::Owned(text.nfd().collect())
}

/// Composes the characters of a text (Unicode NFC), by the browser's own tables.
#[cfg(target_arch = "wasm32")]
pub(crate) fn composed(text: &str) -> Cow<'_, str> {
    // The first character that composes with one before it, or that composing changes.
    normalized(text, "NFC", '\u{300}')
}

/// Decomposes the characters of a text (Unicode NFD), by the browser's own tables.
#[cfg(target_arch = "wasm32")]
pub(crate) fn decomposed(text: &str) -> Cow<'_, str> {
    // The first character that is composed of others.
    normalized(text, "NFD", '\u{c0}')
}

#[cfg(target_arch = "wasm32")]
fn normalized<'a>(text: &'a str, form: &str, first: char) -> Cow<'a, str> {
    match text.chars().any(|c| c >= first) {
        true => Cow::Owned(js_sys::JsString::from(text).normalize(form).into()),
        false => Cow::Borrowed(text),
    }
}
