//! Functions that `text/template/source.rs` writes into templates.

use minijinja::value::{Kwargs, Object, ObjectRepr, Tuple, ValueKind};
use minijinja::{Error, ErrorKind, State, Value};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A value that a template keeps may be nested this deep. To compare and to drop one takes a
/// level of the stack for each.
const MAX_KEPT_DEPTH: usize = 128;

/// Names the variable that holds the rendering's [`Flag`].
pub(super) const TOO_DEEP: &str = "__too_deep";

/// Returns the value that is kept in a namespace in place of this one: a list where it is a view of
/// another list, and one that cannot be used where it is nested too deeply.
pub(super) fn bounded(state: &State, value: &Value) -> Result<Value, Error> {
    let value = if value.kind() == ValueKind::Iterable {
        let items: Vec<Value> = value.try_iter()?.collect();
        state.consume_fuel(items.len() as u64 / 4)?;
        Value::from(items)
    } else {
        value.clone()
    };
    let mut visited = 0;
    if !is_deep(state, &value, 0, &mut visited)? {
        return Ok(value);
    }
    let was_used = state
        .lookup(TOO_DEEP)
        .and_then(|flag| flag.downcast_object());
    Ok(Value::from_object(TooDeep {
        was_used: was_used.unwrap_or_default(),
    }))
}

fn is_deep(state: &State, value: &Value, depth: usize, visited: &mut u64) -> Result<bool, Error> {
    if depth > MAX_KEPT_DEPTH {
        return Ok(true);
    }
    *visited += 1;
    if visited.is_multiple_of(64) {
        state.consume_fuel(1)?;
    }
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => {
            for item in value.try_iter()? {
                if is_deep(state, &item, depth + 1, visited)? {
                    return Ok(true);
                }
            }
        }
        ValueKind::Map => {
            for key in value.try_iter()? {
                if is_deep(state, &value.get_item(&key)?, depth + 1, visited)? {
                    return Ok(true);
                }
            }
        }
        _ => {}
    }
    Ok(false)
}

/// Tells whether a rendering has used a value that was nested too deeply.
#[derive(Debug, Default)]
pub(super) struct Flag(AtomicBool);

impl Object for Flag {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
}

impl Flag {
    /// Fails where such a value was used.
    ///
    /// # Errors
    /// One that says how deep values may be.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.0.load(Ordering::Relaxed) {
            let message = format!("a value is nested more than {MAX_KEPT_DEPTH} deep");
            return Err(Error::new(ErrorKind::InvalidOperation, message));
        }
        Ok(())
    }
}

/// Stands for a value that was nested too deeply. It may be kept, but a rendering that uses it
/// fails.
#[derive(Debug)]
struct TooDeep {
    was_used: Arc<Flag>,
}

impl Object for TooDeep {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, _: &Value) -> Option<Value> {
        self.was_used.0.store(true, Ordering::Relaxed);
        None
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.was_used.0.store(true, Ordering::Relaxed);
        f.write_str("...")
    }
}

/// Returns a macro that takes any arguments and gives those it does not name to its parameters
/// `varargs` and `kwargs`.
pub(super) fn with_varargs(callee: &Value) -> Result<Value, Error> {
    let names = callee
        .get_attr("arguments")?
        .try_iter()?
        .map(|name| name.to_string())
        .filter(|name| !matches!(name.as_str(), "varargs" | "kwargs"))
        .collect();
    Ok(Value::from_object(Variadic {
        callee: callee.clone(),
        names,
    }))
}

#[derive(Debug)]
struct Variadic {
    callee: Value,
    names: Vec<String>,
}

impl Object for Variadic {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let mut positional = Vec::new();
        let (mut named, mut unknown) = (Vec::new(), Vec::new());
        for argument in args {
            if argument.is_kwargs() {
                let kwargs = Kwargs::try_from(argument.clone())?;
                for name in kwargs.args() {
                    let value: Value = kwargs.peek(name)?;
                    let is_known = name == "caller" || self.names.iter().any(|n| n == name);
                    let list = if is_known { &mut named } else { &mut unknown };
                    list.push((name.to_owned(), value));
                }
            } else {
                positional.push(argument.clone());
            }
        }
        let extra = positional.split_off(self.names.len().min(positional.len()));
        let keywords = Value::from_pairs(unknown);
        named.push(("varargs".to_owned(), Value::from(Tuple::from(extra))));
        named.push(("kwargs".to_owned(), keywords));
        positional.push(named.into_iter().collect::<Kwargs>().into());
        self.callee.call(state, &positional)
    }
}
