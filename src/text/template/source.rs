//! A template's text is cut into tags before minijinja parses it: what its grammar lacks is written
//! in words that it knows, and what would exhaust the stack is refused.

use super::tags::{Kind, Token, next_tag, tokens};
use std::ops::Range;

/// A chain of operators, or brackets in brackets, may be this deep in one tag. The parser and the
/// compiler call themselves for each level, and a browser's stack is small.
const MAX_OPERATORS: usize = 200;
const MAX_BRACKETS: usize = 32;

/// One `if` may have this many `elif`, for each is compiled within the one before.
const MAX_ELIFS: usize = 100;

/// Names the filter that bounds what a template keeps in a namespace.
pub(super) const BOUND_FILTER: &str = "__bounded";

/// Names the function that wraps a macro which reads `varargs` or `kwargs`.
pub(super) const VARARGS_FUNCTION: &str = "__with_varargs";

/// Names the filter that stands for the operator `%`.
pub(super) const PERCENT_FILTER: &str = "__percent";

/// Names the filter that adds the texts of a list, of which some are marked as safe.
pub(super) const MARKUP_FILTER: &str = "__markup_sum";

/// Returns the text that minijinja parses in place of `source`.
///
/// - `{% generation %}` becomes a block without effect, as in transformers.
/// - `\r\n` becomes `\n`, as in Jinja2.
/// - What is assigned to a namespace passes [`BOUND_FILTER`].
/// - A macro that reads `varargs` or `kwargs` is called through [`VARARGS_FUNCTION`].
/// - `'...' % x` becomes the filter [`PERCENT_FILTER`], and `{{ x | safe + y }}` [`MARKUP_FILTER`].
///
/// # Errors
/// A sentence where the template is nested too deeply.
pub(super) fn prepare(source: &str) -> Result<String, String> {
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    let mut text = String::with_capacity(source.len() + source.len() / 16);
    let mut at = 0;
    let mut elifs = Vec::new();
    let mut macros: Vec<Macro> = Vec::new();
    while let Some(tag) = next_tag(&source, at) {
        text.push_str(&source[at..tag.start]);
        at = tag.end;
        let inner = &source[tag.inner.clone()];
        let tokens = tokens(inner);
        check_depth(&tokens, inner)?;
        let (opens, closes) = (
            &source[tag.start..tag.inner.start],
            &source[tag.inner.end..tag.end],
        );
        let word = |index: usize| match tokens.get(index) {
            Some(Token {
                kind: Kind::Name,
                range,
            }) => &inner[range.clone()],
            _ => "",
        };
        if tokens.iter().any(|token| {
            token.kind == Kind::Name && matches!(&inner[token.range.clone()], "varargs" | "kwargs")
        }) && let Some(last) = macros.last_mut()
        {
            last.reads_varargs = true;
        }
        text.push_str(opens);
        let is_statement = opens.starts_with("{%");
        match (is_statement, word(0)) {
            (true, "generation") if tokens.len() == 1 => text.push_str(" with "),
            (true, "endgeneration") if tokens.len() == 1 => text.push_str(" endwith "),
            (true, "if") => {
                elifs.push(0);
                text.push_str(&percents(inner, &tokens));
            }
            (true, "elif") => {
                if let Some(count) = elifs.last_mut() {
                    *count += 1;
                    if *count > MAX_ELIFS {
                        return Err(format!("one `if` has more than {MAX_ELIFS} `elif`"));
                    }
                }
                text.push_str(&percents(inner, &tokens));
            }
            (true, "endif") => {
                elifs.pop();
                text.push_str(inner);
            }
            (true, "macro") => {
                text.push_str(inner);
                // The header's last bracket is where parameters can be added.
                let bracket = inner.rfind(')').map(|at| text.len() - inner.len() + at);
                let has_parameters = tokens.len() > 4;
                macros.push(Macro {
                    name: word(1).to_owned(),
                    bracket: bracket.unwrap_or(text.len()),
                    has_parameters,
                    reads_varargs: false,
                });
            }
            (true, "endmacro") => {
                text.push_str(inner);
                if let Some(ended) = macros.pop().filter(|ended| ended.reads_varargs) {
                    let comma = if ended.has_parameters { ", " } else { "" };
                    let added = format!("{comma}varargs=[], kwargs={{}}");
                    text.insert_str(ended.bracket, &added);
                    let name = ended.name;
                    text.push_str(&format!("%}}{{% set {name} = {VARARGS_FUNCTION}({name}) "));
                }
            }
            (true, "set") => match namespace_assignment(inner, &tokens) {
                Some(value) => {
                    let head = &inner[..value];
                    let kept = percents(inner, &tokens);
                    // The head holds no operator that `percents` would replace.
                    text.push_str(head);
                    text.push_str(&format!(" ({}) | {BOUND_FILTER} ", &kept[value..]));
                }
                None => text.push_str(&percents(inner, &tokens)),
            },
            (false, _) => match markup_sum(inner, &tokens) {
                Some(sum) => text.push_str(&sum),
                None => text.push_str(&percents(inner, &tokens)),
            },
            _ => text.push_str(&percents(inner, &tokens)),
        }
        text.push_str(closes);
    }
    text.push_str(&source[at..]);
    Ok(text)
}

/// Describes a macro whose end is still to come.
struct Macro {
    name: String,
    bracket: usize,
    has_parameters: bool,
    reads_varargs: bool,
}

/// Checks how deep the tree of an expression can be: a level for each bracket around it and for
/// each operator beside it.
fn check_depth(tokens: &[Token], inner: &str) -> Result<(), String> {
    let mut chains = vec![0_usize];
    let mut depth = 0;
    for token in tokens {
        let operators = match token.kind {
            Kind::Operator => 1,
            // A bracket behind an operand is a call or an index, and a level of its chain.
            Kind::Open => {
                if let Some(chain) = chains.last_mut() {
                    *chain += 1;
                }
                depth += 1;
                chains.push(0);
                0
            }
            Kind::Close => {
                if chains.len() > 1 {
                    depth -= chains.pop().unwrap_or(0);
                }
                0
            }
            Kind::Comma => {
                if let Some(chain) = chains.last_mut() {
                    depth -= *chain;
                    *chain = 0;
                }
                0
            }
            Kind::Name => usize::from(matches!(
                &inner[token.range.clone()],
                "not" | "and" | "or" | "if" | "else" | "is" | "in"
            )),
            Kind::Number | Kind::String => 0,
        };
        if let Some(chain) = chains.last_mut() {
            *chain += operators;
            depth += operators;
        }
        if depth > MAX_OPERATORS || chains.len() > MAX_BRACKETS {
            return Err(format!(
                "an expression has more than {MAX_OPERATORS} operators in a row, or more than \
                 {MAX_BRACKETS} brackets in each other"
            ));
        }
    }
    Ok(())
}

/// Returns where the value begins, if a `set` assigns to a member of a namespace.
fn namespace_assignment(inner: &str, tokens: &[Token]) -> Option<usize> {
    let mut has_dot = false;
    for token in tokens.iter().skip(1) {
        match (token.kind, &inner[token.range.clone()]) {
            (Kind::Operator, "=") => return has_dot.then_some(token.range.end),
            (Kind::Operator, ".") => has_dot = true,
            (Kind::Name | Kind::Comma | Kind::Open | Kind::Close, _) => {}
            _ => return None,
        }
    }
    None
}

/// Returns an expression that is a sum with `x | safe` among its terms as the filter
/// [`MARKUP_FILTER`] of its terms, and `None` for all others.
fn markup_sum(inner: &str, tokens: &[Token]) -> Option<String> {
    let mut depth = 0_usize;
    let (mut terms, mut has_safe) = (Vec::new(), false);
    let mut start = 0;
    for pair in tokens.windows(2) {
        let [token, next] = pair else { continue };
        match (token.kind, &inner[token.range.clone()]) {
            (Kind::Open, _) => depth += 1,
            (Kind::Close, _) => depth = depth.checked_sub(1)?,
            _ if depth > 0 => {}
            (Kind::Operator, "+") => {
                terms.push(inner.get(start..token.range.start)?);
                start = token.range.end;
            }
            (Kind::Operator, "|") => has_safe |= &inner[next.range.clone()] == "safe",
            (Kind::Operator, ".") | (Kind::String | Kind::Number, _) => {}
            (Kind::Operator | Kind::Comma, _) => return None,
            (Kind::Name, "not" | "and" | "or" | "if" | "else" | "is" | "in") => return None,
            (Kind::Name, _) => {}
        }
    }
    terms.push(inner.get(start..)?);
    (has_safe && terms.len() > 1).then(|| format!(" [{}] | {MARKUP_FILTER} ", terms.join(", ")))
}

/// Returns the tag's text in which `'...' % x` is the filter [`PERCENT_FILTER`].
///
/// The operator's left side is a string literal; numbers keep minijinja's operator.
fn percents(inner: &str, tokens: &[Token]) -> String {
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    // Each in its place: a sort is 5 kB of wasm, and there are few.
    let mut add = |range: Range<usize>, new: String| {
        let is_before = |other: &Range<usize>| (other.start, other.end) <= (range.start, range.end);
        let at = edits.partition_point(|(other, _)| is_before(other));
        edits.insert(at, (range, new));
    };
    for (index, pair) in tokens.windows(2).enumerate() {
        let [left, operator] = pair else { continue };
        if left.kind == Kind::String && &inner[operator.range.clone()] == "%" {
            let end = right_side_end(inner, tokens, index + 2).max(operator.range.end);
            add(operator.range.clone(), format!(" | {PERCENT_FILTER}("));
            add(end..end, ")".to_owned());
        }
    }
    let (mut text, mut at) = (String::with_capacity(inner.len()), 0);
    for (range, new) in edits {
        text.push_str(&inner[at..range.start]);
        text.push_str(&new);
        at = range.end;
    }
    text + &inner[at..]
}

/// Returns where the operand that begins at a token ends: before the next operator that binds no
/// tighter than `%`.
fn right_side_end(inner: &str, tokens: &[Token], first: usize) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(first) {
        let text = &inner[token.range.clone()];
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close if depth == 0 => return token.range.start,
            Kind::Close => depth -= 1,
            _ if depth > 0 => {}
            Kind::Comma => return token.range.start,
            Kind::Operator if index > first && !matches!(text, "." | "|" | "**") => {
                return token.range.start;
            }
            Kind::Name if matches!(text, "not" | "and" | "or" | "if" | "else" | "in") => {
                return token.range.start;
            }
            _ => {}
        }
    }
    inner.trim_end().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_found_where_jinja_finds_them() {
        let same = [
            "a {% raw %}{% generation %}{%- endraw -%} b {# {% generation %} #}",
            "{{ '{% generation %}' }}{{ {'a': {'b': \"}}\"}} }}",
            "{% set x = '%}' %}{ { { %",
            "{% unclosed",
            "{{ 7 % 3 }}",
        ];
        for source in same {
            assert_eq!(prepare(source).as_deref(), Ok(source));
        }
        assert_eq!(
            prepare("{%- generation +%}x{%+ endgeneration -%}").as_deref(),
            Ok("{%- with +%}x{%+ endwith -%}")
        );
        assert_eq!(
            prepare("{{ ('%s' % x, '%s %s' % (a, '%s' % b) ~ c) }}").as_deref(),
            Ok(
                "{{ ('%s'  | __percent( x), '%s %s'  | __percent( (a, '%s'  | __percent( b)) )~ \
                 c) }}"
            )
        );
    }
}
