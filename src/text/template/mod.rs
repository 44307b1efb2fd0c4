//! Messages become the text of a prompt by the Jinja template that a model file holds.
//!
//! minijinja renders it. What it lacks of Jinja2 and Python is added here: words of the grammar in
//! `source`, methods, filters and tests in `methods` and `filters`, and Python's way to write
//! values in `display` and `tojson`. docs/design/templates.md lists what still differs.

mod arguments;
mod display;
mod environment;
mod filters;
mod form;
mod functions;
mod marked;
mod methods;
mod pieces;
mod source;
mod strftime;
mod tags;
mod tojson;
mod view;

use super::tokenizer::Tokenizer;
use crate::error::{Code, Error, Result};
use crate::format::metadata::Metadata;
use environment::{FUEL, environment, rendering_failed};
use form::MessageForm;
use functions::Flag;
use minijinja::value::Serde;
use minijinja::{Environment, Value};
use std::sync::Arc;

/// A rendering that finds the form of a template may cost this much, for a load must not wait for
/// one that loops for ever. The templates that llama.cpp ships need less
/// (`no_template_loses_a_text_or_a_call` in tests/llama_cpp_templates.rs).
const PROBE_FUEL: u64 = FUEL / 50;

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
    main: Variant,
    /// Holds the template for conversations with tools, where the model has one of its own.
    tool_use: Option<Variant>,
    bos: String,
    eos: String,
    now_seconds: Option<i64>,
}

/// Holds one template of a model.
struct Variant {
    /// Holds the text that minijinja parses, or why there is none.
    source: Result<String>,
    form: MessageForm,
}

impl ChatTemplate {
    /// Parses a template. `bos` and `eos` are the texts of those tokens, which a template may
    /// write.
    ///
    /// # Errors
    /// `template` when `source` does not parse.
    pub fn new(source: &str, bos: &str, eos: &str) -> Result<ChatTemplate> {
        let environment = environment().map_err(|error| given(&error.to_string()))?;
        parsed(&environment, source, given)?;
        Self::lenient(Some(Ok(source)), None, bos, eos)
    }

    /// Reads the template at `tokenizer.chat_template` and the one for tools, at
    /// `tokenizer.chat_template.tool_use`; returns `None` where the model has neither.
    ///
    /// A template that does not parse, or is no text, is kept and fails when it is rendered: such a
    /// model can still complete text.
    ///
    /// # Errors
    /// None that a file can cause.
    pub fn from_metadata(
        metadata: &Metadata,
        tokenizer: &Tokenizer,
    ) -> Result<Option<ChatTemplate>> {
        let main = match metadata.opt_str("tokenizer.chat_template") {
            Ok(None) => metadata.opt_str("tokenizer.chat_template.default"),
            main => main,
        };
        let tool_use = metadata.opt_str("tokenizer.chat_template.tool_use");
        if let (Ok(None), Ok(None)) = (&main, &tool_use) {
            return Ok(None);
        }
        let [bos, eos] = texts_of_tokens(tokenizer);
        Self::lenient(main.transpose(), tool_use.transpose(), &bos, &eos).map(Some)
    }

    /// Parses a template that takes the place of the file's templates.
    ///
    /// # Errors
    /// `template` when `source` does not parse.
    pub fn for_tokenizer(source: &str, tokenizer: &Tokenizer) -> Result<ChatTemplate> {
        let [bos, eos] = texts_of_tokens(tokenizer);
        Self::new(source, &bos, &eos)
    }

    /// Makes a template of sources that need not parse.
    fn lenient(
        main: Option<Result<&str>>,
        tool_use: Option<Result<&str>>,
        bos: &str,
        eos: &str,
    ) -> Result<ChatTemplate> {
        let mut environment = environment().map_err(|error| of_file(&error.to_string()))?;
        environment.set_fuel(Some(PROBE_FUEL));
        let variant = |source: Result<&str>| Variant {
            source: match source {
                Ok(source) => parsed(&environment, source, of_file),
                Err(error) => Err(Error::new(Code::Template, error.message)),
            },
            form: MessageForm::default(),
        };
        let no_default = || Variant {
            source: Err(Error::new(
                Code::Template,
                "The model has a chat template for tools alone; give `tools`, or use another \
                 conversion of the model.",
            )),
            form: MessageForm::default(),
        };
        let mut template = ChatTemplate {
            main: main.map_or_else(no_default, variant),
            tool_use: tool_use.map(variant),
            environment,
            bos: bos.to_owned(),
            eos: eos.to_owned(),
            now_seconds: None,
        };
        template.main.form = template.form_of(&template.main);
        let form = template.tool_use.as_ref().map(|it| template.form_of(it));
        if let (Some(variant), Some(form)) = (&mut template.tool_use, form) {
            variant.form = form;
        }
        template.environment.set_fuel(Some(FUEL));
        Ok(template)
    }

    fn form_of(&self, variant: &Variant) -> MessageForm {
        let variables = &serde_json::Map::new();
        let now_seconds = self.now_seconds();
        let tokens = [&self.bos, &self.eos].map(String::as_str);
        MessageForm::of(|messages, tools| {
            let input = Input {
                messages,
                tools,
                add_generation_prompt: true,
                variables,
                now_seconds,
            };
            let source = variant.source.as_ref().ok()?;
            render(&self.environment, source, &input, tokens).ok()
        })
    }

    /// Sets the time that the template sees, in seconds since 1970, in place of the clock's.
    pub fn with_time(mut self, seconds: i64) -> Self {
        self.now_seconds = Some(seconds);
        self
    }

    /// Returns the texts of the templates that parse, and those of BOS and EOS.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &str> {
        let variants = [Some(&self.main), self.tool_use.as_ref()];
        let sources = variants.into_iter().flatten();
        let sources = sources.filter_map(|variant| variant.source.as_deref().ok());
        sources.chain([self.bos.as_str(), self.eos.as_str()])
    }

    /// Returns the template for a conversation, as transformers chooses it: `tool_use` where there
    /// are tools.
    fn variant(&self, tools: Option<&serde_json::Value>) -> &Variant {
        match (&self.tool_use, tools) {
            (Some(tool_use), Some(_)) => tool_use,
            _ => &self.main,
        }
    }

    /// Returns the messages in the form that the template reads: contents as strings or as parts,
    /// and arguments of tool calls as objects or as JSON in a string.
    pub fn adapt(
        &self,
        messages: &serde_json::Value,
        tools: Option<&serde_json::Value>,
    ) -> serde_json::Value {
        self.variant(tools).form.adapt(messages)
    }

    /// Renders the prompt for `messages`, an array of objects with `role` and `content`, and
    /// `tools`, an array of OpenAI's tool objects.
    ///
    /// `add_generation_prompt` opens the assistant's turn at the end. `date_string` is for
    /// templates that tell the model the date; without it they ask the clock.
    ///
    /// # Errors
    /// `template` when the template does not parse, refuses the messages (the error's message
    /// repeats the template's), needs what they lack, or costs too much.
    pub fn render(
        &self,
        messages: &serde_json::Value,
        tools: Option<&serde_json::Value>,
        add_generation_prompt: bool,
        date_string: Option<&str>,
    ) -> Result<String> {
        let date = date_string.map(|date| ("date_string".to_owned(), date.into()));
        self.render_input(&Input {
            messages,
            tools,
            add_generation_prompt,
            variables: &date.into_iter().collect(),
            now_seconds: self.now_seconds(),
        })
    }

    /// Returns what the template makes of a conversation without tools, or `None` where it refuses
    /// it.
    pub(super) fn plain_conversation(&self) -> Option<String> {
        let messages = ["user", "assistant", "user"];
        let messages = messages.map(|role| serde_json::json!({"role": role, "content": "x"}));
        let messages = self.adapt(&messages.into_iter().collect(), None);
        self.render(&messages, None, true, None).ok()
    }

    /// Returns the time that the template sees.
    pub(super) fn now_seconds(&self) -> i64 {
        self.now_seconds.unwrap_or_else(environment::now_seconds)
    }

    /// Renders as [`render`](Self::render), with more variables for the template, which do not
    /// replace the conversation, the tools and the tokens.
    ///
    /// # Errors
    /// Those of [`render`](Self::render).
    pub(super) fn render_input(&self, input: &Input) -> Result<String> {
        let source = self.variant(input.tools).source.as_ref();
        let source = source.map_err(Clone::clone)?;
        let tokens = [&self.bos, &self.eos].map(String::as_str);
        render(&self.environment, source, input, tokens)
    }
}

/// Holds what a template is given.
pub(super) struct Input<'a> {
    pub(super) messages: &'a serde_json::Value,
    pub(super) tools: Option<&'a serde_json::Value>,
    pub(super) add_generation_prompt: bool,
    pub(super) variables: &'a serde_json::Map<String, serde_json::Value>,
    pub(super) now_seconds: i64,
}

/// Renders a template that was parsed; `bos` and `eos` are the texts of these tokens.
fn render(
    environment: &Environment,
    source: &str,
    input: &Input,
    [bos, eos]: [&str; 2],
) -> Result<String> {
    let given = input.variables.iter();
    let given = given.map(|(name, value)| (name.as_str(), Value::from(Serde(value))));
    let tools = input.tools.map(|tools| Value::from(Serde(tools)));
    let too_deep = Arc::new(Flag::default());
    let own = [
        ("messages", Value::from(Serde(input.messages))),
        ("tools", tools.unwrap_or(Value::from(()))),
        (
            "add_generation_prompt",
            Value::from(input.add_generation_prompt),
        ),
        ("bos_token", Value::from(bos)),
        ("eos_token", Value::from(eos)),
        (environment::NOW, Value::from(input.now_seconds)),
        (
            functions::TOO_DEEP,
            Value::from_dyn_object(too_deep.clone()),
        ),
    ];
    let defaults = [("documents", Value::from(()))];
    let variables = Value::from_pairs(defaults.into_iter().chain(given).chain(own));
    environment
        .render_named_str("chat_template", source, variables)
        .and_then(|text| too_deep.check().map(|()| text))
        .map_err(|error| Error::new(Code::Template, rendering_failed(&error)))
}

/// Returns the texts of BOS and EOS.
fn texts_of_tokens(tokenizer: &Tokenizer) -> [String; 2] {
    [tokenizer.bos(), tokenizer.eos()]
        .map(|id| id.map(|id| tokenizer.decode(&[id])).unwrap_or_default())
}

/// Returns the text that minijinja parses, once it has; `refuse` makes the error of why it does
/// not.
fn parsed(environment: &Environment, source: &str, refuse: fn(&str) -> Error) -> Result<String> {
    let source = source::prepare(source).map_err(|why| refuse(&why))?;
    environment
        .template_from_named_str("chat_template", &source)
        .map_err(|error| refuse(&error.to_string()))?;
    Ok(source)
}

/// Returns the error of a file's template that does not parse.
fn of_file(why: &str) -> Error {
    Error::new(
        Code::Template,
        format!(
            "The model's chat template does not parse: {why}. Use another conversion of the model, \
             or load it with a template of your own."
        ),
    )
}

/// Returns the error of a caller's template that does not parse.
fn given(why: &str) -> Error {
    Error::new(
        Code::Template,
        format!("The chat template does not parse: {why}. Mend it, or take the model's own."),
    )
}
