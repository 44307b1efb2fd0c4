//! Reads what form a request's answer has: OpenAI's `response_format`, and `choice`, `regex` and
//! `grammar`, which vLLM calls so too.

use super::fields::{Fields, invalid};
use crate::{Result, grammar::Form};
use serde_json::{Map, Value};

/// Limits the labels of `choice`.
const MAX_LABELS: usize = 1000;

/// Says what form an answer has.
#[derive(Clone, Debug, PartialEq)]
pub enum AnswerForm {
    /// The answer is held to a form, token by token.
    Form(Form),
    /// The answer is the likeliest of these labels, with the probability of each.
    Choice(Vec<String>),
}

/// Takes the form that the answer is held to.
///
/// # Errors
///
/// `invalid_argument` for more than one form, or one that is wrong by itself.
pub(super) fn take_form(fields: &mut Fields) -> Result<Option<AnswerForm>> {
    let forms = [
        take_response_format(fields)?,
        take_text(fields, "regex")?.map(|regex| AnswerForm::Form(Form::Regex(regex))),
        take_text(fields, "grammar")?.map(|grammar| AnswerForm::Form(Form::Lark(grammar))),
        take_choice(fields)?,
    ];
    let mut forms = forms.into_iter().flatten();
    let form = forms.next();
    match forms.next() {
        None => Ok(form),
        Some(_) => Err(invalid(
            "`response_format`, `regex`, `grammar` and `choice` each give the answer a form; give \
             one of them."
                .to_owned(),
        )),
    }
}

fn take_text(fields: &mut Fields, name: &'static str) -> Result<Option<String>> {
    let text: Option<String> = fields.take(name)?;
    match text {
        Some(text) if text.is_empty() => Err(invalid(format!("`{name}` is empty."))),
        text => Ok(text),
    }
}

fn take_response_format(fields: &mut Fields) -> Result<Option<AnswerForm>> {
    let Some(format) = fields.take::<Map<String, Value>>("response_format")? else {
        return Ok(None);
    };
    let kind = format.get("type").unwrap_or(&Value::Null);
    let form = match kind.as_str() {
        Some("text") => return Ok(None),
        Some("json_object") => Form::json_object(),
        Some("json_schema") => schema_form(format.get("json_schema"))?,
        _ => {
            return Err(invalid(format!(
                "`response_format.type` is {kind}; it must be \"text\", \"json_object\" or \
                 \"json_schema\"."
            )));
        }
    };
    Ok(Some(AnswerForm::Form(form)))
}

/// Reads OpenAI's `{name, schema, strict, description}`. The answer is held to the schema whether
/// `strict` says so or not.
fn schema_form(json_schema: Option<&Value>) -> Result<Form> {
    let Some(Value::Object(json_schema)) = json_schema else {
        return Err(invalid(
            "`response_format.json_schema` must be an object {\"name\", \"schema\"}.".to_owned(),
        ));
    };
    let expect = |name: &str, is_right: fn(&Value) -> bool, what: &str| match json_schema
        .get(name)
        .is_none_or(|it| it.is_null() || is_right(it))
    {
        true => Ok(()),
        false => Err(invalid(format!(
            "`response_format.json_schema.{name}` must be {what}."
        ))),
    };
    expect("name", Value::is_string, "a string")?;
    expect("description", Value::is_string, "a string")?;
    expect("strict", Value::is_boolean, "true or false")?;
    expect(
        "schema",
        |it| it.is_object() || it.is_boolean(),
        "a JSON schema",
    )?;
    Ok(match json_schema.get("schema") {
        None | Some(Value::Null) => Form::json_object(),
        Some(schema) => Form::JsonSchema(schema.clone()),
    })
}

fn take_choice(fields: &mut Fields) -> Result<Option<AnswerForm>> {
    let Some(labels) = fields.take::<Vec<String>>("choice")? else {
        return Ok(None);
    };
    if labels.is_empty() || labels.len() > MAX_LABELS {
        return Err(invalid(format!(
            "`choice` has {} labels; give 1 to {MAX_LABELS}.",
            labels.len()
        )));
    }
    for (at, label) in labels.iter().enumerate() {
        if label.is_empty() {
            return Err(invalid(format!("`choice[{at}]` is empty; give a text.")));
        }
        if labels[..at].contains(label) {
            return Err(invalid(format!(
                "`choice[{at}]` is {label:?}, which stands there twice; give each label once."
            )));
        }
    }
    Ok(Some(AnswerForm::Choice(labels)))
}
