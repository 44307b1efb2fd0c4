//! Arguments are bound to names as Python binds them.

use minijinja::value::Kwargs;
use minijinja::{Error, ErrorKind, Value};

/// Returns the arguments of a call in the order of `names`, `None` for each that is not given.
///
/// # Errors
/// One that names the callee, for too many arguments and for unknown or repeated names.
pub(super) fn bind<const N: usize>(
    callee: &str,
    arguments: &[Value],
    names: [&str; N],
) -> Result<[Option<Value>; N], Error> {
    let mut bound = [const { None }; N];
    fill(callee, arguments, &names, &mut bound)?;
    Ok(bound)
}

/// Fills in the arguments of any number of names, for there is one such function in the wasm.
fn fill(
    callee: &str,
    arguments: &[Value],
    names: &[&str],
    bound: &mut [Option<Value>],
) -> Result<(), Error> {
    let wrong = |what: String| Error::new(ErrorKind::TooManyArguments, format!("{callee}: {what}"));
    let mut count = 0;
    for argument in arguments {
        if argument.is_kwargs() {
            let named = Kwargs::try_from(argument.clone())?;
            for name in named.args() {
                let index = names.iter().position(|known| *known == name);
                let slot = index.and_then(|index| bound.get_mut(index));
                match slot {
                    Some(slot @ None) => *slot = Some(named.peek(name)?),
                    Some(_) => return Err(wrong(format!("`{name}` is given twice"))),
                    None => return Err(wrong(format!("there is no argument `{name}`"))),
                }
            }
        } else {
            let slot = bound.get_mut(count);
            count += 1;
            let max = names.len();
            *slot.ok_or_else(|| wrong(format!("there are more than {max} arguments")))? =
                Some(argument.clone());
        }
    }
    Ok(())
}
