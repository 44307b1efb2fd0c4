//! Says what holds an answer: its form, or the tools that it calls.

use super::{Session, tools::ToolOptions};
use crate::{
    Result,
    generate::Decoder,
    grammar::{Constraint, Form, Grammars, tool_grammar, tool_markers, tool_trigger},
    text::{
        output::{
            OutputForm, THOUGHT_TOKENS, ThoughtStyle, piece::ThoughtsBegin, tool_format::ToolFormat,
        },
        tokenizer::Special,
    },
};
use std::sync::Arc;

/// Thoughts begin among this number of the prompt's last tokens, if they begin in it.
const LAST_TOKENS: usize = 16;

impl<D: Decoder> Session<D> {
    /// Returns the constraint of a form.
    ///
    /// # Errors
    ///
    /// `invalid_argument` for a form that does not compile.
    pub(super) fn form_constraint(&mut self, form: &Form) -> Result<Constraint> {
        Ok(self.grammars()?.compile(form)?.into())
    }

    /// Returns what holds the calls of tools to their schemas.
    ///
    /// # Errors
    ///
    /// `invalid_argument` for a schema that does not compile.
    pub(super) fn tool_constraint(
        &mut self,
        tools: &ToolOptions,
        format: Option<ToolFormat>,
    ) -> Result<Option<Constraint>> {
        let Some(format) = format else {
            return Ok(None);
        };
        let tokenizer = Arc::clone(&self.tokenizer);
        let marker = |marker: &str| match tokenizer.encode(marker, Special::Parse)[..] {
            [token] if tokenizer.is_control(token) => marker.to_owned(),
            _ => format!("{marker:?}"),
        };
        let trigger = tool_trigger(format);
        let is_begun = !tools.is_required;
        let grammar = tool_grammar(format, &tools.callable, !tools.is_single, is_begun, marker);
        let matcher = self.grammars()?.compile(&Form::Tools(grammar))?;
        Ok(Some(match tools.is_required {
            true => matcher.into(),
            false => Constraint::after(trigger, matcher),
        }))
    }

    /// Returns what there is to read beside the answer.
    pub(super) fn output_form(&self, prompt: &[u32], tools: &ToolOptions) -> OutputForm {
        let Some(template) = &self.template else {
            return OutputForm::default();
        };
        let style = ThoughtStyle::of(template);
        let [open, close] = style.unwrap_or_default().markers();
        let last = &prompt[prompt.len().saturating_sub(LAST_TOKENS)..];
        let end = self.tokenizer.decode(last);
        let thoughts = match end.rfind(open) {
            None => Some(ThoughtsBegin::Written),
            Some(at) if !end[at..].contains(close) => Some(ThoughtsBegin::InPrompt),
            Some(_) => None,
        };
        OutputForm {
            thoughts: thoughts.filter(|_| style.is_some()),
            style: style.unwrap_or_default(),
            tools: (!tools.callable.is_empty()).then(|| ToolFormat::of(template)),
        }
    }

    /// Returns the control tokens that stand around calls and thoughts, which are read.
    pub(super) fn marker_tokens(&self) -> Vec<u32> {
        tool_markers()
            .chain(THOUGHT_TOKENS)
            .filter_map(
                |marker| match self.tokenizer.encode(marker, Special::Parse)[..] {
                    [token] if self.tokenizer.is_control(token) => Some(token),
                    _ => None,
                },
            )
            .collect()
    }

    /// Ends the thoughts of the model, which have as many tokens as they may.
    pub(super) fn end_thoughts(&mut self) {
        self.output.end_thoughts();
        let style = self.template.as_ref().and_then(ThoughtStyle::of);
        let [_, close] = style.unwrap_or_default().markers();
        let text = format!("\n{close}");
        let tokens = self.tokenizer.encode(&text, Special::Parse);
        self.generator.force(&tokens);
    }

    /// Returns what compiles forms. The first call makes the tables of the vocabulary.
    fn grammars(&mut self) -> Result<&Grammars> {
        let grammars = match self.grammars.take() {
            Some(grammars) => grammars,
            None => Grammars::new(Arc::clone(&self.tokenizer))?,
        };
        Ok(self.grammars.insert(grammars))
    }
}
