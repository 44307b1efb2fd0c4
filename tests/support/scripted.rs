//! Makes a model that writes what a script says, for tests of what is built on models.

use siskin::{
    Result,
    generate::{
        Decoder, STEP_TOKENS, SlotState, StepOutcome, Vocabulary, checked::Checked,
        sampler::Sampler,
    },
};
use std::{
    cell::Cell,
    collections::VecDeque,
    pin::pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

/// Runs a future that never waits.
pub fn block_on<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("a scripted model never waits"),
    }
}

/// Holds a vocabulary: the given words, then 20 ordinary tokens without text, then a token that
/// ends the turn and a control token that does not.
pub struct Words(Vec<Vec<u8>>);

impl Words {
    pub fn new(words: &[&str]) -> Self {
        Self::from_bytes(&words.iter().map(|word| word.as_bytes()).collect::<Vec<_>>())
    }

    pub fn from_bytes(words: &[&[u8]]) -> Self {
        let silent = std::iter::repeat_n(Vec::new(), 20);
        Self(
            words
                .iter()
                .map(|word| word.to_vec())
                .chain(silent)
                .collect(),
        )
    }

    pub fn end(&self) -> u32 {
        self.0.len() as u32
    }

    pub fn start(&self) -> u32 {
        self.end() + 1
    }

    fn token(&self, word: &str) -> u32 {
        match word {
            "<end>" => self.end(),
            "<start>" => self.start(),
            "<nan>" => Scripted::NAN,
            _ => self
                .0
                .iter()
                .position(|bytes| bytes == word.as_bytes())
                .expect("a word of the vocabulary") as u32,
        }
    }
}

impl Vocabulary for Words {
    fn is_end(&self, token: u32) -> bool {
        token == self.end()
    }
    fn is_control(&self, token: u32) -> bool {
        token >= self.end()
    }
    fn token_bytes(&self, token: u32) -> &[u8] {
        self.0
            .get(token as usize)
            .map_or(b"<control>", Vec::as_slice)
    }
}

/// Gives the script's next token a logit of 10, and all others 0, each time logits are asked for.
pub struct Scripted {
    script: VecDeque<u32>,
    vocab_size: usize,
    context_tokens: usize,
    cache: Vec<u32>,
    longest_cache: usize,
    chunks: Vec<usize>,
    checkpoint_tokens: usize,
    interrupted: Option<(Vec<u32>, usize)>,
    longest_ms: f64,
    clock: Rc<Cell<f64>>,
    ms_per_token: f64,
}

impl Scripted {
    /// Counts the layers, between which a step can be interrupted.
    pub const LAYERS: usize = 10;

    /// Makes every logit NaN when it is the next token of the script.
    pub const NAN: u32 = u32::MAX;

    /// Makes a model of a script: words with `|` between them.
    pub fn new(words: &Words, context_tokens: usize, script: &str) -> Self {
        Self::of_tokens(
            words,
            context_tokens,
            &script
                .split('|')
                .map(|word| words.token(word))
                .collect::<Vec<_>>(),
        )
    }

    pub fn of_tokens(words: &Words, context_tokens: usize, script: &[u32]) -> Self {
        Self::with_vocab_size(words.start() as usize + 1, context_tokens, script)
    }

    pub fn with_vocab_size(vocab_size: usize, context_tokens: usize, script: &[u32]) -> Self {
        let script = script.iter().copied().collect();
        let clock = Rc::default();
        Self {
            script,
            vocab_size,
            context_tokens,
            cache: vec![],
            longest_cache: 0,
            chunks: vec![],
            checkpoint_tokens: 1,
            interrupted: None,
            longest_ms: 0.0,
            clock,
            ms_per_token: 0.0,
        }
    }

    /// Makes a cut leave a whole number of so many tokens, as a model with recurrent state does.
    pub fn with_checkpoints(self, checkpoint_tokens: usize) -> Self {
        Self {
            checkpoint_tokens,
            ..self
        }
    }

    /// Moves the clock on by this much for every token that is evaluated.
    pub fn with_ms_per_token(self, ms_per_token: f64) -> Self {
        Self {
            ms_per_token,
            ..self
        }
    }

    pub fn clock(&self) -> Rc<Cell<f64>> {
        self.clock.clone()
    }

    pub fn cache(&self) -> &[u32] {
        &self.cache
    }

    pub fn longest_cache(&self) -> usize {
        self.longest_cache
    }

    /// Returns the number of tokens that each step evaluated.
    pub fn chunks(&self) -> &[usize] {
        &self.chunks
    }

    /// Returns the time of the longest call of [`Decoder::step`].
    pub fn longest_ms(&self) -> f64 {
        self.longest_ms
    }
}

impl Decoder for Scripted {
    fn vocab_size(&self) -> usize {
        self.vocab_size
    }
    fn context_tokens(&self) -> usize {
        self.context_tokens
    }
    fn cached_tokens(&self) -> usize {
        self.cache.len()
    }
    fn select_slot(&mut self, tokens: &[u32]) -> usize {
        let pairs = self.cache.iter().zip(tokens);
        let common = pairs.take_while(|(a, b)| a == b).count();
        self.rewind(common.min(tokens.len() - 1))
    }
    fn rewind(&mut self, tokens: usize) -> usize {
        let kept = tokens.min(self.cache.len());
        // What is cut leaves the last checkpoint before the cut.
        if kept < self.cache.len() {
            self.cache
                .truncate(kept / self.checkpoint_tokens * self.checkpoint_tokens);
        }
        self.interrupted = None;
        self.cache.len()
    }
    async fn step(
        &mut self,
        tokens: &[u32],
        sampler: Option<&mut Sampler>,
        pause: &mut impl FnMut() -> bool,
    ) -> Result<StepOutcome> {
        let fits = self.cache.len() + tokens.len() <= self.context_tokens;
        assert!(
            !tokens.is_empty() && tokens.len() <= STEP_TOKENS && fits,
            "the model would refuse this"
        );
        let begin_ms = self.clock.get();
        let layers_done = self
            .interrupted
            .take()
            .filter(|(interrupted, _)| interrupted == tokens)
            .map_or(0, |(_, layers)| layers);
        for layers in layers_done + 1..=Self::LAYERS {
            self.clock.set(
                self.clock.get() + self.ms_per_token * tokens.len() as f64 / Self::LAYERS as f64,
            );
            self.longest_ms = self.longest_ms.max(self.clock.get() - begin_ms);
            if layers < Self::LAYERS && pause() {
                self.interrupted = Some((tokens.to_vec(), layers));
                return Ok(StepOutcome::Paused(layers as f32 / Self::LAYERS as f32));
            }
        }
        self.cache.extend_from_slice(tokens);
        self.longest_cache = self.longest_cache.max(self.cache.len());
        self.chunks.push(tokens.len());
        let Some(sampler) = sampler else {
            return Ok(StepOutcome::Done(None));
        };
        let next = self.script.pop_front().expect("the script has ended");
        let mut logits = vec![if next == Self::NAN { f32::NAN } else { 0.0 }; self.vocab_size];
        if let Some(logit) = logits.get_mut(next as usize) {
            *logit = 10.0;
        }
        Ok(StepOutcome::Done(Some(sampler.sample(&mut logits)?)))
    }
    fn import_slot(&mut self, _state: &SlotState) -> Result<()> {
        unreachable!("nothing is kept")
    }
    fn max_draft(&self, _sampler: &Sampler) -> usize {
        0
    }
    async fn check_draft(
        &mut self,
        _tokens: &[u32],
        _check: &mut impl FnMut(Checked<'_>) -> Result<bool>,
    ) -> Result<()> {
        unreachable!("it checks no drafts")
    }
    async fn step_all(
        &mut self,
        _tokens: &[u32],
        _logits: &mut Vec<f32>,
        _pause: &mut impl FnMut() -> bool,
    ) -> Result<StepOutcome> {
        unreachable!("it checks no drafts")
    }
}
