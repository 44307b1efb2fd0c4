//! Filters and tests of Jinja2 that minijinja lacks, or that it answers otherwise.

use super::arguments::bind;
use super::display::to_str;
use super::methods;
use super::view::View;
use minijinja::formatting::{FormatStyle, format};
use minijinja::value::{Rest, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, Value};

type Arguments = Rest<ValueOrKwargs>;

/// Adds the filters and tests.
pub(super) fn add(environment: &mut Environment<'static>) {
    environment.add_filter("string", |state: &State, value: &Value| {
        if value.kind() == ValueKind::String {
            return Ok(value.clone());
        }
        to_str(state, value).map(Value::from)
    });
    for name in ["e", "escape"] {
        environment.add_filter(name, |state: &State, value: &Value| {
            if value.is_safe() {
                return Ok(value.clone());
            }
            escape(state, value)
        });
    }
    environment.add_filter("forceescape", escape);
    environment.add_filter("default", default);
    environment.add_filter("d", default);
    environment.add_filter("int", int);
    environment.add_filter("indent", indent);
    environment.add_filter("truncate", truncate);
    environment.add_filter("wordcount", |text: &str| {
        let is_letter = |c: char| c.is_alphanumeric() || c == '_';
        text.split(|c| !is_letter(c))
            .filter(|word| !word.is_empty())
            .count()
    });
    environment.add_filter(
        "center",
        |state: &mut State, text: &Value, width: Option<i64>| {
            methods::call(state, text, "center", &[Value::from(width.unwrap_or(80))])
        },
    );
    environment.add_filter("items", |state: &mut State, value: &Value| {
        match value.kind() {
            ValueKind::Map => methods::call(state, value, "items", &[]),
            ValueKind::Undefined => Ok(Value::from_object(View::Items(Vec::new()))),
            kind => Err(Error::new(
                ErrorKind::InvalidOperation,
                format!("items: a value of type {kind} is no mapping"),
            )),
        }
    });
    environment.add_test("iterable", |value: &Value| {
        !value.is_none() && value.try_iter().is_ok()
    });
    environment.add_test("sequence", is_sequence);
    environment.add_test("callable", is_callable);
}

/// Tells whether a value has a length and can be indexed, as Jinja2 asks: strings and dictionaries,
/// too. The lists that `map` and `select` return count as well, which are generators there.
fn is_sequence(value: &Value) -> bool {
    match value.kind() {
        ValueKind::Undefined | ValueKind::String | ValueKind::Seq | ValueKind::Map => true,
        ValueKind::Iterable => value.downcast_object_ref::<View>().is_none(),
        _ => false,
    }
}

/// Tells whether a value is a function, a macro or undefined, which Jinja2 lets be called, too.
fn is_callable(value: &Value) -> bool {
    match value.kind() {
        ValueKind::Undefined | ValueKind::Plain => true,
        // minijinja's macros are maps of these three.
        ValueKind::Map => value.len() == Some(3) && value.to_string().starts_with("<macro "),
        _ => false,
    }
}

/// Adds texts as Python's `+` where some are marked as safe: markupsafe escapes the others.
pub(super) fn markup_sum(state: &State, terms: &Value) -> Result<Value, Error> {
    let mut sum: Option<(String, bool)> = None;
    for term in terms.try_iter()? {
        let Some(text) = term.as_str() else {
            return Err(Error::new(
                ErrorKind::InvalidOperation,
                format!("a text and a value of type {} cannot be added", term.kind()),
            ));
        };
        state.consume_fuel(1 + text.len() as u64 / 64)?;
        sum = Some(match sum {
            None => (text.to_owned(), term.is_safe()),
            Some((left, is_safe)) if is_safe == term.is_safe() => (left + text, is_safe),
            Some((left, true)) => (left + escape(state, &term)?.as_str().unwrap_or(""), true),
            Some((left, false)) => {
                let left = escape(state, &Value::from(left))?;
                (left.as_str().unwrap_or("").to_owned() + text, true)
            }
        });
    }
    Ok(match sum {
        Some((text, true)) => Value::from_safe_string(text),
        Some((text, false)) => Value::from(text),
        None => Value::from(""),
    })
}

/// Escapes a text for HTML as markupsafe does.
fn escape(state: &State, value: &Value) -> Result<Value, Error> {
    let text = to_str(state, value)?;
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&#34;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    Ok(Value::from_safe_string(escaped))
}

fn default(value: &Value, arguments: Arguments) -> Result<Value, Error> {
    let [default, boolean] = bind(
        "default",
        &arguments.into_values(),
        ["default_value", "boolean"],
    )?;
    let replaces_false = boolean.is_some_and(|boolean| boolean.is_true());
    Ok(
        if value.is_undefined() || (replaces_false && !value.is_true()) {
            default.unwrap_or_else(|| Value::from(""))
        } else {
            value.clone()
        },
    )
}

/// Returns the whole number that a value stands for, or a default where it stands for none.
fn int(value: &Value, arguments: Arguments) -> Result<Value, Error> {
    let [default, base] = bind("int", &arguments.into_values(), ["default", "base"])?;
    let default = default.unwrap_or_else(|| Value::from(0));
    let base = base.map_or(Ok(10), u32::try_from)?;
    let number = match value.as_str() {
        Some(text) => {
            let text = text.trim();
            let digits = match base {
                16 => text.trim_start_matches("0x").trim_start_matches("0X"),
                8 => text.trim_start_matches("0o").trim_start_matches("0O"),
                2 => text.trim_start_matches("0b").trim_start_matches("0B"),
                _ => text,
            };
            if !(2..=36).contains(&base) {
                return Ok(default);
            }
            let whole = i128::from_str_radix(digits, base).ok();
            whole.or_else(|| text.parse::<f64>().ok().and_then(truncated))
        }
        None => match value.kind() {
            ValueKind::Bool => Some(i128::from(value.is_true())),
            ValueKind::Number if value.is_integer() => return Ok(value.clone()),
            ValueKind::Number => truncated(f64::try_from(value.clone())?),
            _ => None,
        },
    };
    Ok(
        number.map_or(default, |number| match i64::try_from(number) {
            Ok(small) => Value::from(small),
            Err(_) => Value::from(number),
        }),
    )
}

fn truncated(number: f64) -> Option<i128> {
    number.is_finite().then_some(number as i128)
}

/// Indents the lines of a text, all but the first and empty ones unless told otherwise.
fn indent(state: &State, text: &str, arguments: Arguments) -> Result<String, Error> {
    let [width, first, blank] = bind(
        "indent",
        &arguments.into_values(),
        ["width", "first", "blank"],
    )?;
    let space = match &width {
        None => "    ".to_owned(),
        Some(width) => match width.as_str() {
            Some(space) => space.to_owned(),
            None => {
                let width = usize::try_from(width.clone())?;
                state.consume_fuel(width as u64 / 64)?;
                " ".repeat(width)
            }
        },
    };
    let is_true = |option: Option<Value>| option.is_some_and(|option| option.is_true());
    let (first, blank) = (is_true(first), is_true(blank));
    // Jinja2 appends a line end, so that the last one counts.
    let text = text.replace("\r\n", "\n");
    let mut indented = String::with_capacity(text.len());
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            indented.push('\n');
        }
        state.consume_fuel(1 + space.len() as u64 / 64)?;
        if if index == 0 {
            first
        } else {
            blank || !line.is_empty()
        } {
            indented.push_str(&space);
        }
        indented.push_str(line);
    }
    Ok(indented)
}

/// Shortens a text that is longer than `length` and `leeway` characters.
fn truncate(text: &str, arguments: Arguments) -> Result<String, Error> {
    let [length, killwords, end, leeway] = bind(
        "truncate",
        &arguments.into_values(),
        ["length", "killwords", "end", "leeway"],
    )?;
    let length = length.map_or(Ok(255), usize::try_from)?;
    let leeway = leeway
        .filter(|leeway| !leeway.is_none())
        .map_or(Ok(5), usize::try_from)?;
    let end = end.map_or_else(|| "...".to_owned(), |end| end.to_string());
    if text.chars().count() <= length.saturating_add(leeway) {
        return Ok(text.to_owned());
    }
    let kept = length.saturating_sub(end.chars().count());
    let mut shortened: String = text.chars().take(kept).collect();
    if !killwords.is_some_and(|killwords| killwords.is_true())
        && let Some((words, _)) = shortened.rsplit_once(' ')
    {
        shortened = words.to_owned();
    }
    Ok(shortened + &end)
}

/// Implements Python's `format % arguments` for a string.
pub(super) fn percent(state: &State, template: &str, value: &Value) -> Result<String, Error> {
    let arguments: Vec<Value> = if value.is_tuple() {
        value.try_iter()?.collect()
    } else {
        vec![value.clone()]
    };
    // What `%s` writes is Python's; numbers stay numbers for `%d` and `%f`.
    let arguments = arguments
        .into_iter()
        .map(|argument| match argument.kind() {
            ValueKind::Seq | ValueKind::Iterable => to_str(state, &argument).map(Value::from),
            ValueKind::Map if !template.contains("%(") => to_str(state, &argument).map(Value::from),
            _ => Ok(argument),
        })
        .collect::<Result<Vec<_>, _>>()?;
    let text = format(FormatStyle::Printf, template, &arguments)?;
    state.consume_fuel(text.len() as u64 / 64)?;
    Ok(text)
}
