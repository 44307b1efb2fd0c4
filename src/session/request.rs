//! Reads a request for an answer, in the OpenAI API's shape and names.

use super::{
    fields::{Fields, invalid},
    form::{AnswerForm, take_form},
    lora::{LoraScale, take_lora},
    raw_prompt::RawPrompt,
    tools::{ToolOptions, take_tools},
};
use crate::{
    Result,
    generate::{options::ContextOverflow, sampler::SamplingOptions},
    text::prompt::Ending,
};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Tells a session what to answer, and how.
#[derive(Clone, Debug, Default)]
pub struct ChatRequest {
    /// Holds the messages: objects with `role` and `content`, in OpenAI's shape.
    pub messages: Vec<Value>,
    /// Holds the prompt where no chat template writes one; then there are no messages.
    pub raw_prompt: Option<RawPrompt>,
    /// Holds the tools that the model may call.
    pub tools: ToolOptions,
    /// Sets whether the answer goes on with the text of the last message, which is the assistant's.
    pub continue_final_message: bool,
    /// Limits the tokens of the model's thoughts, where it thinks; 0 ends them at once.
    pub reasoning_budget: Option<usize>,
    /// Holds more variables for the chat template, such as `enable_thinking`.
    pub template_variables: Map<String, Value>,
    /// Limits the number of tokens in the answer.
    pub max_tokens: Option<usize>,
    /// Sets how tokens are sampled.
    pub sampling: SamplingOptions,
    /// Lists the strings that end the answer and are no part of it.
    pub stop: Vec<String>,
    /// Sets what happens when prompt and answer outgrow the context.
    pub context_overflow: ContextOverflow,
    /// Limits the number of tokens that are guessed and then checked in one step; 0 guesses none.
    pub draft_max: Option<usize>,
    /// Holds the answer to a form.
    pub form: Option<AnswerForm>,
    /// Chooses the adapters; `None` takes those of the session.
    pub lora: Option<Vec<LoraScale>>,
}

/// Lists the variables that every template is given, and that a request cannot replace.
const TEMPLATE_OWN: [&str; 5] = [
    "messages",
    "tools",
    "add_generation_prompt",
    "bos_token",
    "eos_token",
];

/// Holds OpenAI's `stop`: one string, or several.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a string or an array of strings")]
enum Stop {
    One(String),
    Many(Vec<String>),
}

impl ChatRequest {
    /// Makes a request of one user message, with the defaults for all else.
    pub fn user(content: impl Into<String>) -> Self {
        let message = Map::from_iter([
            ("role".to_owned(), Value::from("user")),
            ("content".to_owned(), Value::from(content.into())),
        ]);
        Self {
            messages: vec![Value::Object(message)],
            ..Self::default()
        }
    }

    /// Returns where its prompt ends.
    pub(super) fn ending(&self) -> Ending {
        match self.continue_final_message {
            true => Ending::WithinLastMessage,
            false => Ending::GenerationPrompt,
        }
    }

    /// Reads a request from JSON: `{messages | prompt, suffix?, tools?, tool_choice?, chat_template_kwargs?,
    /// max_tokens?, max_completion_tokens?, temperature?, top_k?, top_p?, min_p?,
    /// repetition_penalty?, frequency_penalty?, presence_penalty?, logit_bias?,
    /// allowed_token_ids?, seed?, logprobs?, top_logprobs?, stop?, context_overflow?,
    /// draft_max?, continue_final_message?, parallel_tool_calls?, reasoning_effort?,
    /// reasoning_budget?, response_format?, regex?, grammar?, choice?, lora?}`, and the fields of OpenAI's
    /// API that change nothing here. A field that is null
    /// counts as absent.
    ///
    /// # Errors
    ///
    /// `invalid_argument`, with a message that names the field.
    pub fn from_json(json: &str) -> Result<Self> {
        let fields = serde_json::from_str(json)
            .map_err(|error| invalid(format!("The options are no plain object: {error}.")))?;
        Self::from_fields(fields)
    }

    /// Reads a request from the fields of [`ChatRequest::from_json`].
    ///
    /// # Errors
    ///
    /// `invalid_argument`, with a message that names the field.
    pub fn from_fields(fields: Map<String, Value>) -> Result<Self> {
        let mut fields = Fields::from(fields);
        let messages: Vec<Value> = fields.take("messages")?.unwrap_or_default();
        let raw_prompt = RawPrompt::take(&mut fields)?;
        let tools = take_tools(&mut fields)?;
        let mut template_variables = take_template_variables(&mut fields)?;
        let reasoning_budget = take_reasoning(&mut fields, &mut template_variables)?;
        let max_tokens = one_limit(
            fields.take("max_tokens")?,
            fields.take("max_completion_tokens")?,
        )?;
        let logprobs = fields.take("logprobs")?.unwrap_or(false);
        let top_logprobs: Option<u32> = fields.take("top_logprobs")?;
        if top_logprobs.is_some() && !logprobs {
            return Err(invalid(
                "`top_logprobs` goes with `logprobs: true`.".to_owned(),
            ));
        }
        let default = SamplingOptions::default();
        let sampling = SamplingOptions {
            temperature: fields.take("temperature")?.unwrap_or(default.temperature),
            top_k: fields.take("top_k")?.unwrap_or(default.top_k),
            top_p: fields.take("top_p")?.unwrap_or(default.top_p),
            min_p: fields.take("min_p")?.unwrap_or(default.min_p),
            repetition_penalty: fields
                .take("repetition_penalty")?
                .unwrap_or(default.repetition_penalty),
            frequency_penalty: fields
                .take("frequency_penalty")?
                .unwrap_or(default.frequency_penalty),
            presence_penalty: fields
                .take("presence_penalty")?
                .unwrap_or(default.presence_penalty),
            logit_bias: fields.take("logit_bias")?.unwrap_or(default.logit_bias),
            allowed_tokens: fields.take("allowed_token_ids")?,
            // OpenAI's seed is signed. The cast keeps different seeds different.
            seed: fields.take("seed")?.map(i64::cast_unsigned),
            top_logprobs: logprobs.then(|| top_logprobs.unwrap_or(0)),
        };
        let stop = match fields.take("stop")? {
            None => Vec::new(),
            Some(Stop::One(string)) => vec![string],
            Some(Stop::Many(strings)) => strings,
        };
        let context_overflow = fields.take("context_overflow")?.unwrap_or_default();
        let draft_max = fields.take("draft_max")?;
        let continue_final_message = fields.take("continue_final_message")?.unwrap_or(false);
        let form = take_form(&mut fields)?;
        let lora = take_lora(&mut fields)?;
        take_without_effect(&mut fields)?;
        fields.finish()?;

        if form.is_some() && !tools.callable.is_empty() {
            return Err(invalid(
                "`tools` do not go with `response_format`, `regex`, `grammar` and `choice`, which \
                 hold the whole answer; set `tool_choice` to \"none\", or leave one of them out."
                    .to_owned(),
            ));
        }
        if raw_prompt.is_some() && !(messages.is_empty() && tools.shown.is_none()) {
            return Err(invalid(
                "`prompt` is read as it is: neither `messages` nor `tools` go with it.".to_owned(),
            ));
        }
        if raw_prompt.is_none() && messages.is_empty() {
            return Err(invalid(
                "`messages` is empty; give at least one, such as {\"role\": \"user\", \"content\": \
                 \"Hello\"}."
                    .to_owned(),
            ));
        }
        let messages = messages
            .into_iter()
            .enumerate()
            .map(|(index, message)| checked(index, message))
            .collect::<Result<Vec<_>>>()?;
        let last: Option<&Value> = messages.last();
        if continue_final_message && last.is_none_or(|last| last["role"] != "assistant") {
            return Err(invalid(
                "`continue_final_message` goes on with the last message, which is not the \
                 assistant's; end `messages` with one that is."
                    .to_owned(),
            ));
        }
        Ok(Self {
            messages,
            raw_prompt,
            tools,
            reasoning_budget,
            template_variables,
            max_tokens,
            sampling,
            stop,
            context_overflow,
            draft_max,
            continue_final_message,
            form,
            lora,
        })
    }
}

/// Takes how much the model thinks: OpenAI's `reasoning_effort`, which templates read, of which
/// "none" switches thoughts off, and llama.cpp's `reasoning_budget`. Returns the budget.
fn take_reasoning(
    fields: &mut Fields,
    variables: &mut Map<String, Value>,
) -> Result<Option<usize>> {
    let effort: Option<String> = fields.take("reasoning_effort")?;
    let budget = fields.take("reasoning_budget")?;
    let Some(effort) = effort else {
        return Ok(budget);
    };
    if !["none", "minimal", "low", "medium", "high", "xhigh", "max"].contains(&effort.as_str()) {
        return Err(invalid(format!(
            "`reasoning_effort` is {effort:?}; it must be \"none\", \"minimal\", \"low\", \
             \"medium\", \"high\", \"xhigh\" or \"max\"."
        )));
    }
    let is_off = effort == "none";
    let (name, value) = match is_off {
        true => ("enable_thinking", Value::Bool(false)),
        false => ("reasoning_effort", Value::String(effort)),
    };
    variables.entry(name).or_insert(value);
    Ok(if is_off { Some(0) } else { budget })
}

/// Takes `chat_template_kwargs`, which has the name and the meaning of vLLM's and llama.cpp's.
fn take_template_variables(fields: &mut Fields) -> Result<Map<String, Value>> {
    let variables: Map<String, Value> = fields.take("chat_template_kwargs")?.unwrap_or_default();
    match TEMPLATE_OWN
        .iter()
        .find(|name| variables.contains_key(**name))
    {
        None => Ok(variables),
        Some(name) => Err(invalid(format!(
            "`chat_template_kwargs.{name}` cannot be set, because the template is given `{name}` \
             anyway; leave it out."
        ))),
    }
}

/// Returns the limit of the answer's length, which OpenAI has renamed.
fn one_limit(max_tokens: Option<usize>, renamed: Option<usize>) -> Result<Option<usize>> {
    match (max_tokens, renamed) {
        (Some(old), Some(new)) if old != new => Err(invalid(format!(
            "`max_tokens` is {old} and `max_completion_tokens` is {new}; they mean the same, so \
             give one of them."
        ))),
        _ => Ok(max_tokens.or(renamed)),
    }
}

/// Takes the fields that OpenAI's clients send and that change nothing here: `n`, `user`, `safety_identifier`, `prompt_cache_key`, `store`, `metadata` and
/// `service_tier`.
///
/// # Errors
///
/// `invalid_argument` when a value is of another type than OpenAI's, or asks for what the engine
/// does not do.
fn take_without_effect(fields: &mut Fields) -> Result<()> {
    if let Some(answers) = fields.take::<u64>("n")?.filter(|&answers| answers != 1) {
        return Err(invalid(format!(
            "`n` is {answers}; it must be 1, because a request has one answer. Send several \
             requests, each with another `seed`."
        )));
    }
    fields.take::<bool>("store")?;
    fields.take::<Map<String, Value>>("metadata")?;
    for name in [
        "user",
        "safety_identifier",
        "prompt_cache_key",
        "service_tier",
    ] {
        fields.take::<String>(name)?;
    }
    Ok(())
}

/// Checks a message of OpenAI's shape, and returns it as it is, but for the role `developer`, which
/// templates call `system`. [`ChatTemplate::adapt`] brings it to the form that a template reads.
///
/// [`ChatTemplate::adapt`]: crate::text::template::ChatTemplate::adapt
fn checked(index: usize, message: Value) -> Result<Value> {
    let Value::Object(mut message) = message else {
        return Err(invalid(format!(
            "`messages[{index}]` is no object with role and content."
        )));
    };
    match message.get("role").and_then(Value::as_str) {
        Some("system" | "user" | "assistant" | "tool") => {}
        Some("developer") => {
            message.insert("role".to_owned(), Value::from("system"));
        }
        _ => {
            return Err(invalid(format!(
                "`messages[{index}].role` must be system, developer, user, assistant or tool."
            )));
        }
    }
    let calls_tools = message.get("tool_calls").is_some_and(Value::is_array);
    match message.get("content") {
        Some(Value::String(_)) => {}
        Some(Value::Array(parts)) => {
            for (at, part) in parts.iter().enumerate() {
                check_part(&format!("messages[{index}].content[{at}]"), part)?;
            }
        }
        None | Some(Value::Null) if calls_tools => {}
        _ => {
            return Err(invalid(format!(
                "`messages[{index}].content` must be a string or an array of parts {{\"type\": \
                 \"text\", \"text\": ...}}."
            )));
        }
    }
    Ok(Value::Object(message))
}

/// Checks that a part of a message's content is text. `path` says in an error where the part is.
fn check_part(path: &str, part: &Value) -> Result<()> {
    let kind = part.get("type").unwrap_or(&Value::Null);
    if kind != "text" {
        return Err(invalid(format!(
            "`{path}.type` is {kind}; it must be \"text\", because this model reads text alone."
        )));
    }
    if part.get("text").is_some_and(Value::is_string) {
        return Ok(());
    }
    Err(invalid(format!("`{path}.text` must be a string.")))
}
