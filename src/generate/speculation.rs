//! Guesses the next tokens from the prompt and the answer so far (prompt lookup decoding), so that
//! a step checks several of them at once.
//!
//! Every token is sampled from the model's own logits, which a guess (a draft) does not change: the
//! text is the same with and without it. A draft only decides how many tokens one step yields, and
//! whether that pays is measured: by the time that steps take, and by how many drafts were right.

use std::ops::Range;

/// Holds the most tokens that a draft has: with the token before it, four tiles of the processor's
/// kernels.
const MAX_DRAFT: usize = 15;
/// Steps take about as long for each number of tokens up to a multiple of this: a tile of the
/// processor's kernels, and half of the graphics card's narrow one.
const TILE: usize = 4;
/// Holds the longest sequence of tokens that is looked for. What follows a longer one is hardly
/// more likely to be repeated.
const MAX_MATCH: usize = 4;
/// A match this close behind the last draft is where a text that is corrected goes on: one token
/// suffices there, which says little elsewhere.
const NEAR_TOKENS: usize = 24;
/// A match there is preferred to one elsewhere that is longer by fewer tokens than this.
const NEAR_BONUS: usize = 3;
/// Holds the weight of the newest measurement in a mean.
const NEWEST: f64 = 0.25;
/// Holds the rate of right tokens that is taken for true before any draft.
const INITIAL_RATE: f64 = 0.7;
/// Holds the share by which measurements return to what is taken for true before any, at each step
/// that goes by without them: after some 50 of them one is tried again.
const RETURN: f64 = 0.02;
/// A step takes at least this many milliseconds: some browsers' clocks stand still for longer.
const MIN_MS: f64 = 0.01;
/// A step that checks a draft takes at most this many milliseconds, so that an answer can be
/// stopped and its text flows.
const MAX_STEP_MS: f64 = 250.0;

/// Drafts tokens, and measures whether drafts pay.
#[derive(Debug)]
pub(super) struct Speculation {
    /// Holds the mean time of a step of one token, in milliseconds.
    one_ms: Option<f64>,
    /// Holds the mean time of a step by its number of tiles less one.
    tiles_ms: [Option<f64>; MAX_DRAFT / TILE + 1],
    /// Holds the probability that a token of a draft is right, if those before it are.
    rate: f64,
    /// Says whether steps of one token run ahead of the host.
    runs_ahead: bool,
    /// Holds the time at which the last step of the answer ended.
    last_ms: Option<f64>,
    /// Holds the length of the draft that the last step checked, if it ended the steps that ran
    /// ahead. What the next step of one token takes longer is a cost of that draft: it is waited for
    /// until its token is read, which steps ahead hide.
    restart: Option<usize>,
    /// Holds the position in the tokens where the last draft would go on, or of its first wrong
    /// token.
    pointer: Option<usize>,
    /// Holds the number of tokens behind which the draft's first wrong token has just been
    /// replaced.
    replaced: Option<usize>,
}

impl Speculation {
    pub(super) fn new() -> Self {
        Self {
            one_ms: None,
            tiles_ms: Default::default(),
            rate: INITIAL_RATE,
            runs_ahead: false,
            last_ms: None,
            restart: None,
            pointer: None,
            replaced: None,
        }
    }

    /// Forgets the text of the last answer. What was measured stays. `runs_ahead` says whether steps
    /// of one token run ahead of the host.
    pub(super) fn begin(&mut self, runs_ahead: bool) {
        self.runs_ahead = runs_ahead;
        (self.last_ms, self.restart) = (None, None);
        (self.pointer, self.replaced) = (None, None);
        self.rate = self.rate.max(INITIAL_RATE);
    }

    /// Returns where in `tokens` a draft of their continuation lies: at most `max_tokens` of them,
    /// and as many as pay.
    pub(super) fn draft(&mut self, tokens: &[u32], max_tokens: usize) -> Range<usize> {
        let begin = self.find(tokens).unwrap_or(tokens.len());
        let longest = (tokens.len() - begin).min(max_tokens).min(MAX_DRAFT);
        let len = self.best_len(longest);
        if longest > 0 {
            self.forget_slowly(len);
        }
        begin..begin + len
    }

    /// Moves what was measured of drafts of other lengths than `len` to what is taken for true
    /// before any.
    fn forget_slowly(&mut self, len: usize) {
        if len == 0 {
            self.rate += (INITIAL_RATE - self.rate) * RETURN;
        }
        for (i, ms) in self.tiles_ms.iter_mut().enumerate() {
            if let (Some(ms), Some(one_ms)) = (ms, self.one_ms)
                && (len == 0 || i != len / TILE)
            {
                *ms += (one_ms - *ms) * RETURN;
            }
        }
    }

    /// Returns the position of what followed the longest end of `tokens` that occurs earlier in
    /// them: of several, the next one behind the last draft, else the last one. Where there is none
    /// and the last draft was right but for a token, it goes on behind that.
    fn find(&self, tokens: &[u32]) -> Option<usize> {
        let last = tokens.len().checked_sub(1)?;
        let mut best: Option<(usize, bool, usize)> = None;
        for end in (1..=last).rev() {
            let matched = (0..MAX_MATCH.min(end))
                .take_while(|&i| tokens[end - 1 - i] == tokens[last - i])
                .count();
            let near = self.is_near(end);
            if matched == 0 || (matched == 1 && !near) {
                continue;
            }
            let score = matched + if near { NEAR_BONUS } else { 0 };
            let better = best.is_none_or(|(best_score, best_near, _)| {
                score > best_score || (score == best_score && near && best_near)
            });
            if better {
                best = Some((score, near, end));
            }
        }
        let replaced = self.pointer.filter(|_| self.replaced == Some(last));
        best.map(|(.., end)| end)
            .or_else(|| replaced.map(|at| at + 1))
    }

    /// Returns whether a position is close behind the last draft.
    fn is_near(&self, position: usize) -> bool {
        self.pointer
            .is_some_and(|at| (at..at + NEAR_TOKENS).contains(&position))
    }

    /// Returns the length of draft, at most `longest`, that yields the most tokens per millisecond.
    /// What was not measured yet is taken for free.
    fn best_len(&self, longest: usize) -> usize {
        let Some(one_ms) = self.one_ms else {
            return 0;
        };
        let mut best = (0, 1.0 / one_ms);
        for tiles in 1..=self.tiles_ms.len() {
            let len = longest.min(tiles * TILE - 1);
            if len == 0 {
                break;
            }
            let ms = self.step_ms(tiles).unwrap_or(one_ms);
            // The token that follows the right ones is sampled as well.
            let expected = (0..=len as i32).map(|i| self.rate.powi(i)).sum::<f64>();
            if ms <= MAX_STEP_MS && expected / ms > best.1 {
                best = (len, expected / ms);
            }
            if len == longest {
                break;
            }
        }
        best.0
    }

    /// Returns the time of a step of `tiles` tiles. If none was measured but one of fewer tiles,
    /// more tiles are taken to cost what those cost more than a token: less than they do, so that
    /// they are tried.
    fn step_ms(&self, tiles: usize) -> Option<f64> {
        let one_ms = self.one_ms?;
        let from = |n: usize| {
            let ms = self.tiles_ms[n - 1]?;
            Some(ms + (ms - one_ms).max(0.0) * (tiles - n) as f64 / n as f64)
        };
        (1..=tiles).rev().find_map(from)
    }

    /// Takes note of a step of `tokens` tokens, `accepted` of which were a draft's right tokens, with
    /// the times at which it began and ended.
    pub(super) fn observe(&mut self, tokens: usize, accepted: usize, times_ms: [f64; 2]) {
        let ms = self.elapsed_ms(times_ms).max(MIN_MS);
        if let (Some(draft), Some(one_ms), 1) = (self.restart.take(), self.one_ms, tokens) {
            if let Some(Some(mean)) = self.tiles_ms.get_mut(draft / TILE) {
                *mean += (ms - one_ms).max(0.0) * NEWEST;
            }
            return;
        }
        let mean = match tokens {
            1 => &mut self.one_ms,
            _ => match self.tiles_ms.get_mut((tokens - 1) / TILE) {
                Some(mean) => mean,
                None => return,
            },
        };
        *mean = Some(mean.map_or(ms, |mean| mean + (ms - mean) * NEWEST));
        if tokens > 1 {
            let tried = (accepted + 1).min(tokens - 1);
            let newest = accepted as f64 / tried as f64;
            self.rate += (newest - self.rate) * NEWEST;
        }
    }

    /// Returns how long a step took. Where steps run ahead of the host, one may be done when it is
    /// asked for, so that the time between the ends of two of them counts.
    fn elapsed_ms(&mut self, [begin_ms, end_ms]: [f64; 2]) -> f64 {
        let last_ms = self.last_ms.replace(end_ms);
        end_ms - last_ms.filter(|_| self.runs_ahead).unwrap_or(begin_ms)
    }

    /// Takes note of a step that checked `draft`, of what follows `tokens` tokens, which was right
    /// up to its token `accepted`, as [`Speculation::observe`].
    pub(super) fn observe_draft(
        &mut self,
        draft: &Range<usize>,
        tokens: usize,
        accepted: usize,
        times_ms: [f64; 2],
    ) {
        self.observe(1 + draft.len(), accepted, times_ms);
        self.restart = self.runs_ahead.then_some(draft.len());
        // A draft from elsewhere that was wrong from its first token on is no place to go on from.
        let is_place = accepted > 0 || self.is_near(draft.start);
        self.pointer = is_place.then_some(draft.start + accepted);
        self.replaced = (accepted < draft.len()).then_some(tokens + accepted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(runs_ahead: bool, steps: &[[f64; 2]]) -> Speculation {
        let mut speculation = Speculation::new();
        speculation.begin(runs_ahead);
        for &times_ms in steps {
            speculation.observe(1, 0, times_ms);
        }
        speculation
    }

    #[test]
    fn a_step_ahead_takes_the_time_between_two_ends() {
        // The second step was done before it was asked for.
        let steps = [[0.0, 10.0], [19.0, 20.0]];
        assert_eq!(measured(true, &steps).one_ms, Some(10.0));
        assert_eq!(
            measured(false, &steps).one_ms,
            Some(10.0 - 9.0 * NEWEST),
            "steps that do not run ahead take what they take"
        );
    }

    #[test]
    fn a_draft_pays_for_beginning_steps_ahead_anew() {
        for (runs_ahead, one_ms, draft_ms) in [
            (true, 10.0, 15.0 + 10.0 * NEWEST),
            (false, 10.0 + 10.0 * NEWEST, 15.0),
        ] {
            let mut speculation = measured(runs_ahead, &[[0.0, 10.0]]);
            speculation.observe_draft(&(0..3), 10, 3, [10.0, 25.0]);
            speculation.observe(1, 0, [25.0, 45.0]);
            assert_eq!(speculation.one_ms, Some(one_ms), "{runs_ahead}");
            assert_eq!(speculation.tiles_ms[0], Some(draft_ms), "{runs_ahead}");
        }
    }
}
