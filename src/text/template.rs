//! Messages become the text of a prompt by the Jinja template that a model file holds.

use super::strftime::strftime;
use super::tojson::tojson;
use super::tokenizer::Tokenizer;
use crate::error::{Code, Error, Result};
use crate::format::metadata::Metadata;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, ErrorKind, State, Value};
use std::fmt;

/// A rendering may cost this much: one for a step of the template, and one for 64 bytes that it
/// writes. The limit is a thousand times what a long chat needs, and a template that loops or
/// doubles for ever ends within a second (`a_hostile_template_ends` in tests/template.rs).
const FUEL: u64 = 1_000_000;

/// Renders a chat template in an environment like that of Hugging Face.
///
/// ```
/// use siskin::text::template::ChatTemplate;
///
/// let source = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}\
///               {% if add_generation_prompt %}<assistant>{% endif %}";
/// let template = ChatTemplate::new(source, "<s>", "</s>")?;
/// let messages = serde_json::json!([{"role": "user", "content": "Hello"}]);
/// let prompt = template.render(&messages, None, true, None)?;
/// assert_eq!(prompt, "<user>Hello<assistant>");
/// # Ok::<(), siskin::Error>(())
/// ```
pub struct ChatTemplate {
    environment: Environment<'static>,
    source: String,
    bos: String,
    eos: String,
}

impl ChatTemplate {
    /// Parses a template. `bos` and `eos` are the texts of those tokens, which a template may
    /// write.
    ///
    /// # Errors
    /// `template` when `source` does not parse.
    pub fn new(source: &str, bos: &str, eos: &str) -> Result<ChatTemplate> {
        let broken = |error| {
            Error::new(
                Code::Template,
                format!(
                    "The model's chat template does not parse: {error}. Use another conversion \
                     of the model."
                ),
            )
        };
        let environment = environment().map_err(broken)?;
        environment
            .template_from_named_str("chat_template", source)
            .map_err(broken)?;
        Ok(ChatTemplate {
            environment,
            source: source.to_owned(),
            bos: bos.to_owned(),
            eos: eos.to_owned(),
        })
    }

    /// Reads the template at `tokenizer.chat_template`; returns `None` where the model has none.
    ///
    /// # Errors
    /// `template` when the template does not parse; `metadata` when the key holds no string.
    pub fn from_metadata(
        metadata: &Metadata,
        tokenizer: &Tokenizer,
    ) -> Result<Option<ChatTemplate>> {
        let Some(source) = metadata.opt_str("tokenizer.chat_template")? else {
            return Ok(None);
        };
        let text = |id: Option<u32>| id.map(|id| tokenizer.decode(&[id])).unwrap_or_default();
        ChatTemplate::new(source, &text(tokenizer.bos()), &text(tokenizer.eos())).map(Some)
    }

    /// Returns the template's text.
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// Renders the prompt for `messages`, an array of objects with `role` and `content`, and
    /// `tools`, an array of OpenAI's tool objects.
    ///
    /// `add_generation_prompt` opens the assistant's turn at the end. `date_string` is for
    /// templates that tell the model the date; without it they ask the clock.
    ///
    /// # Errors
    /// `template` when the template refuses the messages (the error's message repeats the
    /// template's), needs what they lack, or costs too much.
    pub fn render(
        &self,
        messages: &serde_json::Value,
        tools: Option<&serde_json::Value>,
        add_generation_prompt: bool,
        date_string: Option<&str>,
    ) -> Result<String> {
        let date = date_string.map(|date| ("date_string".to_owned(), date.into()));
        let variables = date.into_iter().collect();
        self.render_with(messages, tools, add_generation_prompt, &variables)
    }

    /// Renders the prompt as [`ChatTemplate::render`] does, with more variables for the template.
    /// They do not replace the conversation, the tools and the tokens.
    ///
    /// # Errors
    /// Those of [`ChatTemplate::render`].
    pub fn render_with(
        &self,
        messages: &serde_json::Value,
        tools: Option<&serde_json::Value>,
        add_generation_prompt: bool,
        variables: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<String> {
        let given = variables
            .iter()
            .map(|(name, value)| (name.as_str(), Value::from(Serde(value))));
        let own = [
            ("messages", Value::from(Serde(messages))),
            (
                "tools",
                tools.map_or(Value::from(()), |tools| Value::from(Serde(tools))),
            ),
            ("add_generation_prompt", Value::from(add_generation_prompt)),
            ("bos_token", Value::from(self.bos.as_str())),
            ("eos_token", Value::from(self.eos.as_str())),
        ];
        let defaults = [("documents", Value::from(()))];
        let variables = Value::from_pairs(defaults.into_iter().chain(given).chain(own));
        self.environment
            .render_named_str("chat_template", &self.source, variables)
            .map_err(|error| Error::new(Code::Template, rendering_failed(&error)))
    }
}

/// Returns the message of a rendering that failed.
fn rendering_failed(error: &minijinja::Error) -> String {
    match refusal(error) {
        Some(Refusal(why)) => {
            let stop = if why.ends_with(['.', '!', '?']) {
                ""
            } else {
                "."
            };
            format!("The model's chat template refuses these messages: {why}{stop}")
        }
        None => format!(
            "The model's chat template cannot render these messages: {error}. Check their roles \
             and contents."
        ),
    }
}

fn environment() -> std::result::Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_syntax(
        SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()?,
    );
    environment.set_fuel(Some(FUEL));
    environment.set_unknown_method_callback(python_method);
    environment.add_filter("tojson", tojson);
    environment.add_function("strftime_now", |format: &str| {
        strftime(format, now_seconds())
    });
    environment.add_function(
        "raise_exception",
        |message: String| -> std::result::Result<Value, minijinja::Error> {
            Err(
                minijinja::Error::new(ErrorKind::InvalidOperation, message.clone())
                    .with_source(Refusal(message)),
            )
        },
    );
    Ok(environment)
}

/// Calls a method of Python's strings, lists and dictionaries. Methods that multiply lengths are
/// paid for before they run.
fn python_method(
    state: &mut State,
    value: &Value,
    method: &str,
    arguments: &[Value],
) -> std::result::Result<Value, minijinja::Error> {
    if matches!(method, "replace" | "join") {
        let length = |value: &Value| {
            value
                .as_str()
                .map(str::len)
                .or_else(|| value.len())
                .unwrap_or(0) as u64
        };
        let longest = arguments.iter().map(length).max().unwrap_or(0);
        state.consume_fuel(length(value).saturating_mul(longest) / 64)?;
    }
    minijinja_contrib::pycompat::unknown_method_callback(state, value, method, arguments)
}

/// Holds the message that a template passed to `raise_exception`.
#[derive(Debug)]
struct Refusal(String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

/// Returns the refusal behind an error, however deep in macros and includes it was raised.
fn refusal(error: &minijinja::Error) -> Option<&Refusal> {
    let mut cause: &dyn std::error::Error = error;
    loop {
        cause = cause.source()?;
        if let Some(refusal) = cause.downcast_ref() {
            return Some(refusal);
        }
    }
}

/// Returns the seconds since 1970 on the user's own clock.
#[cfg(target_arch = "wasm32")]
fn now_seconds() -> i64 {
    let now = js_sys::Date::new_0();
    (now.get_time() / 1000.0 - now.get_timezone_offset() * 60.0) as i64
}

/// Returns the seconds since 1970 in UTC, for the standard library knows no time zones.
#[cfg(not(target_arch = "wasm32"))]
fn now_seconds() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| since.as_secs() as i64)
}
