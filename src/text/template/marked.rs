//! A template is rendered with marks in place of what it writes, to tell it from the messages.

use super::environment::FUEL;
use super::pieces::{Piece, pieces};
use super::{ChatTemplate, Input, render};
use std::ops::Range;

/// Finding what can be marked takes this many renderings at most, each of which may cost this much:
/// all together as much as two renderings.
const MAX_TRIALS: usize = 64;
const TRIAL_FUEL: u64 = FUEL / 32;

/// Names a place in a template that has another text when it is marked.
#[derive(Clone)]
enum Place {
    Bos,
    Eos,
    Source(Range<usize>),
}

/// Holds a place with its marked text.
type Mark = (Place, String);

impl ChatTemplate {
    /// Returns the pieces of the template for `tools`, and the texts of BOS and EOS.
    pub(in crate::text) fn pieces(&self, tools: Option<&serde_json::Value>) -> Vec<&str> {
        let source = self.variant(tools).source.as_deref().unwrap_or_default();
        let pieces = pieces(source).into_iter();
        let pieces = pieces.map(|piece| &source[piece.range]);
        pieces
            .chain([self.bos.as_str(), self.eos.as_str()])
            .collect()
    }

    /// Renders a template whose pieces `mark` has changed. `is_same` tells whether a rendering is
    /// that of the template as it is, but for the marks.
    ///
    /// A piece that the template looks for in the messages cannot be marked without changing what
    /// it writes. So marks are left out until the rendering is the same; it is without any.
    pub(in crate::text) fn render_marked(
        &self,
        input: &Input,
        mark: impl Fn(&str) -> Option<String>,
        is_same: impl Fn(&str) -> bool,
    ) -> Option<String> {
        let source = self.variant(input.tools).source.as_deref().ok()?;
        let of_token = |place, token| Some((place, mark(token)?));
        let tokens = [(Place::Bos, &self.bos), (Place::Eos, &self.eos)];
        let tokens = tokens
            .into_iter()
            .filter_map(|(place, token)| of_token(place, token));
        let of_piece = |piece: Piece| {
            let marked = mark(&source[piece.range.clone()])?;
            Some((Place::Source(piece.range), marked))
        };
        let written = pieces(source).into_iter().filter(|piece| !piece.is_sought);
        let marks: Vec<Mark> = tokens.chain(written.filter_map(of_piece)).collect();
        let attempt = |environment: &_, marks: &[Mark]| {
            let (mut bos, mut eos) = (self.bos.as_str(), self.eos.as_str());
            let (mut text, mut at) = (String::with_capacity(source.len()), 0);
            for (place, marked) in marks {
                match place {
                    Place::Bos => bos = marked,
                    Place::Eos => eos = marked,
                    Place::Source(range) => {
                        text.push_str(&source[at..range.start]);
                        text.push_str(marked);
                        at = range.end;
                    }
                }
            }
            text.push_str(&source[at..]);
            let rendered = render(environment, &text, input, [bos, eos]).ok();
            rendered.filter(|rendered| is_same(rendered))
        };
        if let Some(rendered) = attempt(&self.environment, &marks) {
            return Some(rendered);
        }
        let mut environment = self.environment.clone();
        environment.set_fuel(Some(TRIAL_FUEL));
        let mut kept: Vec<Mark> = Vec::new();
        let mut best = None;
        let mut trials = 0;
        // A group of marks that changes the text is halved until the one that does is found.
        let mut groups = halves(&marks);
        while let Some(group) = groups.pop() {
            if trials == MAX_TRIALS {
                break;
            }
            trials += 1;
            let count = kept.len();
            kept.extend_from_slice(group);
            match attempt(&environment, &kept) {
                Some(rendered) => best = Some(rendered),
                None => {
                    kept.truncate(count);
                    groups.extend(halves(group));
                }
            }
        }
        best
    }
}

/// Returns the halves of a group, the first one last; none for a group of one.
fn halves(group: &[Mark]) -> Vec<&[Mark]> {
    let (first, second) = group.split_at(group.len() / 2);
    if first.is_empty() {
        Vec::new()
    } else {
        vec![second, first]
    }
}
