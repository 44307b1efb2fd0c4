//! Reads which tools a request has, and whether the model must call one.

use super::fields::{Fields, invalid};
use crate::{Result, grammar::Tool};
use serde_json::{Map, Value, json};

/// Holds the tools of a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToolOptions {
    /// Lists the tools that the model is shown, as OpenAI's objects; `None` where there are none.
    pub shown: Option<Value>,
    /// Lists the tools that it may call.
    pub callable: Vec<Tool>,
    /// Says whether it must call one.
    pub is_required: bool,
    /// Says whether it may call only one.
    pub is_single: bool,
}

/// Takes OpenAI's `tools`, `tool_choice` and `parallel_tool_calls`.
///
/// # Errors
///
/// `invalid_argument`, with a message that names the field.
pub(super) fn take_tools(fields: &mut Fields) -> Result<ToolOptions> {
    let tools: Vec<Map<String, Value>> = fields.take("tools")?.unwrap_or_default();
    let choice: Value = fields.take("tool_choice")?.unwrap_or_else(|| "auto".into());
    let is_single = fields.take("parallel_tool_calls")? == Some(false);
    let mut callable = tools
        .iter()
        .enumerate()
        .map(|(i, tool)| read_tool(i, tool))
        .collect::<Result<Vec<Tool>>>()?;
    let named = choice.pointer("/function/name").and_then(Value::as_str);
    match (choice.as_str(), named) {
        (Some("none"), _) => return Ok(ToolOptions::default()),
        (Some("auto"), _) => {}
        (Some("required"), _) if callable.is_empty() => {
            return Err(invalid(
                "`tool_choice` is \"required\", and `tools` has none.".to_owned(),
            ));
        }
        (Some("required"), _) => {}
        (None, Some(name)) if callable.iter().any(|tool| tool.name == name) => {
            callable.retain(|tool| tool.name == name);
        }
        _ => {
            return Err(invalid(format!(
                "`tool_choice` is {choice}; it must be \"auto\", \"none\", \"required\" or \
                 {{\"type\": \"function\", \"function\": {{\"name\": one of `tools`}}}}."
            )));
        }
    }
    Ok(ToolOptions {
        shown: (!tools.is_empty()).then(|| Value::from(tools)),
        callable,
        is_required: choice != "auto",
        is_single,
    })
}

fn read_tool(i: usize, tool: &Map<String, Value>) -> Result<Tool> {
    let Some(function) = tool.get("function").and_then(Value::as_object) else {
        return Err(invalid(format!(
            "`tools[{i}].function` must be an object {{\"name\", \"description\", \"parameters\"}}."
        )));
    };
    let name = function.get("name").and_then(Value::as_str).unwrap_or("");
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    if !(1..=64).contains(&name.len()) || !name.chars().all(is_name) {
        return Err(invalid(format!(
            "`tools[{i}].function.name` must be of 1 to 64 letters, digits, `_`, `-` and `.`."
        )));
    }
    let parameters = match function.get("parameters") {
        None | Some(Value::Null) => json!({"type": "object", "additionalProperties": false}),
        Some(Value::Object(schema)) => Value::Object(schema.clone()),
        Some(_) => {
            return Err(invalid(format!(
                "`tools[{i}].function.parameters` must be a JSON schema of an object."
            )));
        }
    };
    Ok(Tool {
        name: name.to_owned(),
        parameters,
    })
}
