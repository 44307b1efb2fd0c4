//! Marks stand for the delimiters that a template writes, while it is rendered.

use super::delimiters::Delimiters;

/// Holds a character for each delimiter that the pieces of a template hold.
///
/// A template may also write the name of a role between the two ends of a delimiter, as in
/// `<|{{ message.role }}|>`. Then each end has a character.
pub(super) struct Marks<'a> {
    delimiters: &'a Delimiters<'a>,
    marks: Vec<(char, Mark)>,
    joints: Vec<Joint>,
}

/// Says what a character stands for.
#[derive(PartialEq)]
enum Mark {
    Delimiter(u32),
    /// The text before a role.
    Opening(String),
    /// The text behind a role.
    Closing(String),
}

/// Describes a delimiter that has a role in its middle.
struct Joint {
    id: u32,
    opening: String,
    role: String,
    closing: String,
}

impl<'a> Marks<'a> {
    /// Makes the marks for a template of these `pieces`, out of the characters that `unused` yields;
    /// returns `None` where they are too few.
    pub(super) fn new(
        delimiters: &'a Delimiters<'a>,
        pieces: &[&str],
        roles: &[&str],
        mut unused: impl Iterator<Item = char>,
    ) -> Option<Self> {
        let joints: Vec<Joint> = delimiters
            .ids()
            .iter()
            .flat_map(|&id| roles.iter().map(move |role| (id, *role)))
            .filter_map(|(id, role)| {
                let (opening, closing) = delimiters.name(id).split_once(role)?;
                let is_joint = !opening.is_empty()
                    && !closing.is_empty()
                    && pieces.iter().any(|piece| piece.ends_with(opening))
                    && pieces.iter().any(|piece| piece.starts_with(closing));
                is_joint.then(|| Joint {
                    id,
                    opening: opening.to_owned(),
                    role: role.to_owned(),
                    closing: closing.to_owned(),
                })
            })
            .collect();
        let mut meanings: Vec<Mark> = Vec::new();
        let whole = pieces.iter().flat_map(|piece| delimiters.find(piece));
        let ends = joints.iter().flat_map(|joint| {
            [
                Mark::Opening(joint.opening.clone()),
                Mark::Closing(joint.closing.clone()),
            ]
        });
        for mark in whole.map(|(_, id)| Mark::Delimiter(id)).chain(ends) {
            if !meanings.contains(&mark) {
                meanings.push(mark);
            }
        }
        let marks = meanings
            .into_iter()
            .map(|mark| Some((unused.next()?, mark)))
            .collect::<Option<_>>()?;
        Some(Self {
            delimiters,
            marks,
            joints,
        })
    }

    /// Returns a piece of a template with its delimiters marked, or `None` where it has none.
    pub(super) fn mark(&self, piece: &str) -> Option<String> {
        let found = self.delimiters.find(piece);
        let (mut marked, mut at) = (String::with_capacity(piece.len()), 0);
        let first = found.first().map_or(piece.len(), |&(start, _)| start);
        if let Some((c, closing)) = self.end_of(|mark| match mark {
            Mark::Closing(closing) if piece[..first].starts_with(closing.as_str()) => Some(closing),
            _ => None,
        }) {
            marked.push(c);
            at = closing.len();
        }
        for (start, id) in found {
            marked.push_str(&piece[at..start]);
            let mark = self
                .marks
                .iter()
                .find(|(_, mark)| *mark == Mark::Delimiter(id));
            let (c, _) = mark?;
            marked.push(*c);
            at = start + self.delimiters.name(id).len();
        }
        let tail = &piece[at..];
        match self.end_of(|mark| match mark {
            Mark::Opening(opening) if tail.ends_with(opening.as_str()) => Some(opening),
            _ => None,
        }) {
            Some((c, opening)) => {
                marked.push_str(&tail[..tail.len() - opening.len()]);
                marked.push(c);
            }
            None if at == 0 => return None,
            None => marked.push_str(tail),
        }
        Some(marked)
    }

    /// Returns the longest text that `of` finds in a mark, with the mark's character.
    fn end_of<'b>(
        &'b self,
        of: impl Fn(&'b Mark) -> Option<&'b String>,
    ) -> Option<(char, &'b str)> {
        let ends = self.marks.iter();
        let ends = ends.filter_map(|(c, mark)| Some((*c, of(mark)?.as_str())));
        ends.max_by_key(|(_, end)| end.len())
    }

    /// Returns a rendering with the delimiters in place of their marks.
    pub(super) fn restore(&self, rendered: &str) -> String {
        let mut text = String::with_capacity(rendered.len());
        for c in rendered.chars() {
            match self.meaning(c) {
                Some(mark) => text.push_str(self.text(mark)),
                None => text.push(c),
            }
        }
        text
    }

    /// Returns the token ids of a rendering: what is marked becomes delimiters, and nothing else.
    pub(super) fn encode(&self, rendered: &str) -> Vec<u32> {
        let mut ids = Vec::with_capacity(rendered.len() / 3);
        let mut plain = String::new();
        let mut characters = rendered.chars();
        while let Some(c) = characters.next() {
            let id = match self.meaning(c) {
                Some(Mark::Delimiter(id)) => Some(*id),
                Some(Mark::Opening(opening)) => {
                    let joint = self.joint(opening, characters.as_str());
                    joint.map(|(id, rest)| {
                        characters = rest.chars();
                        id
                    })
                }
                _ => None,
            };
            match (id, self.meaning(c)) {
                (Some(id), _) => {
                    self.delimiters.encode_without(&plain, &mut ids);
                    plain.clear();
                    ids.push(id);
                }
                (None, Some(mark)) => plain.push_str(self.text(mark)),
                (None, None) => plain.push(c),
            }
        }
        self.delimiters.encode_without(&plain, &mut ids);
        ids
    }

    /// Returns the delimiter of which `opening` was written, if its role and its closing follow,
    /// and what is behind it.
    fn joint<'b>(&self, opening: &str, rest: &'b str) -> Option<(u32, &'b str)> {
        self.joints.iter().find_map(|joint| {
            let behind = rest.strip_prefix(&joint.role)?;
            let c = behind.chars().next()?;
            let is_whole = joint.opening == opening
                && matches!(self.meaning(c)?, Mark::Closing(closing) if *closing == joint.closing);
            is_whole.then(|| (joint.id, &behind[c.len_utf8()..]))
        })
    }

    fn meaning(&self, c: char) -> Option<&Mark> {
        let mark = self.marks.iter().find(|(mark, _)| *mark == c);
        mark.map(|(_, mark)| mark)
    }

    fn text<'b>(&'b self, mark: &'b Mark) -> &'b str {
        match mark {
            Mark::Delimiter(id) => self.delimiters.name(*id),
            Mark::Opening(text) | Mark::Closing(text) => text,
        }
    }
}
