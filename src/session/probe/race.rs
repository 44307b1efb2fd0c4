//! Tells whether the graphics card is faster than the processor, by what tokens take through a
//! layer of the model's own size: one by one, and together.

use super::random_weights::{CONTEXT_TOKENS, Formats, PROMPT, VOCAB, random_model};
use crate::{
    Code, Error, Result,
    backend::{
        Backend,
        cpu::Cpu,
        gpu::{
            Gpu,
            stopwatch::{Timed, best_ms, resolved_ms, warm_up},
        },
    },
    host,
    model::{Model, config::ModelConfig},
};

/// Layers of a timed step, at first and at last: their difference is free of what a step costs by
/// itself.
const DECODE_LAYERS: [usize; 2] = [2, 10];
/// The same of a prompt, whose layers take longer.
const PREFILL_LAYERS: [usize; 2] = [1, 3];
/// Tokens of a timed prompt: those of a tile.
const PREFILL_TOKENS: usize = 32;
/// Where a step's end is seen late, the layers take this many times as long as that, or as many of
/// them are timed as a card would take so long for that keeps up with the processor.
const RESOLVED: f64 = 3.0;
/// The longest difference that a coarse timer asks for: a race by a timer of 100 ms is rough, but
/// it ends.
const MAX_RESOLVED_MS: f64 = 250.0;
/// The most layers of a timed step.
const MAX_LAYERS: usize = 300;
/// What a step costs by itself is little beside a step that takes longer.
const LONG_MS: f64 = 20.0;
/// A step is long beside how late its end is seen if it takes so many times as long.
const LONG: f64 = 10.0;
/// How the processor's speed grows with its threads: with their number to this power.
const THREADS_POWER: f64 = 0.7;

/// How long a token takes through a layer, in milliseconds.
#[derive(Clone, Copy, Debug)]
struct TokenTimes {
    /// A token that comes by itself.
    decode_ms: f64,
    /// A token of a prompt.
    prefill_ms: f64,
}

impl TokenTimes {
    /// Returns what a token of a prompt and one of an answer take: a chat has about as many of the
    /// ones as of the others.
    fn sum_ms(self) -> f64 {
        self.decode_ms + self.prefill_ms
    }

    /// Refuses a card that takes longer than the processor.
    ///
    /// # Errors
    /// `gpu_slower`
    fn check(self, processor: Self) -> Result<()> {
        let (card_ms, processor_ms) = (self.sum_ms(), processor.sum_ms());
        if card_ms <= processor_ms {
            return Ok(());
        }
        let message = format!(
            "The processor computes faster than the GPU here: {processor_ms:.2} ms a layer in \
             place of {card_ms:.2} ms."
        );
        Err(Error::new(Code::GpuSlower, message))
    }
}

/// A race of the card with threads of the processor.
pub(super) struct Race<'a> {
    gpu: &'a Gpu,
    /// One layer of the model's own size.
    config: ModelConfig,
    formats: &'a Formats,
    threads: usize,
    /// What the processor takes, once it was timed.
    processor: Option<TokenTimes>,
    card: Option<(Model<Gpu>, f64)>,
}

impl<'a> Race<'a> {
    /// Makes a race on a layer of this config, with `threads` threads of the processor; with 0 the
    /// card wins unseen.
    pub(super) fn new(
        gpu: &'a Gpu,
        mut config: ModelConfig,
        formats: &'a Formats,
        threads: usize,
    ) -> Self {
        config.dims.vocab = VOCAB;
        Self {
            gpu,
            config,
            formats,
            threads,
            processor: None,
            card: None,
        }
    }

    /// Times tokens that come one by one.
    ///
    /// # Errors
    /// `gpu_slower` if the card takes longer for them alone than the processor does for them and a
    /// prompt, and those of the device.
    pub(super) async fn decode(&mut self) -> Result<()> {
        if self.threads == 0 {
            return Ok(());
        }
        let expected = match self.processor {
            Some(times) => times,
            None => *self.processor.insert(self.time_processor().await?),
        };
        let mut card = random_model(
            self.gpu.beside(),
            &self.config,
            self.formats,
            CONTEXT_TOKENS,
        )?;
        let decode_ms = self.decode_ms(&mut card, expected.decode_ms).await?;
        self.card = Some((card, decode_ms));
        let found = TokenTimes {
            decode_ms,
            prefill_ms: 0.0,
        };
        found.check(expected)
    }

    /// Times tokens that come together.
    ///
    /// # Errors
    /// `gpu_slower` if the card takes longer for both than the processor does, and those of the
    /// device.
    pub(super) async fn prefill(&mut self) -> Result<()> {
        let (Some(expected), Some((mut card, decode_ms))) = (self.processor, self.card.take())
        else {
            return Ok(());
        };
        let prefill_ms = self.prefill_ms(&mut card, expected.prefill_ms).await?;
        let found = TokenTimes {
            decode_ms,
            prefill_ms,
        };
        found.check(expected)
    }

    async fn time_processor(&self) -> Result<TokenTimes> {
        let mut cpu = random_model(Cpu::default(), &self.config, self.formats, CONTEXT_TOKENS)?;
        let speedup = (self.threads as f64).powf(THREADS_POWER);
        Ok(TokenTimes {
            decode_ms: self.decode_ms(&mut cpu, f64::INFINITY).await? / speedup,
            prefill_ms: self.prefill_ms(&mut cpu, f64::INFINITY).await? / speedup,
        })
    }

    async fn decode_ms<B: Backend>(&self, model: &mut Model<B>, expected_ms: f64) -> Result<f64> {
        let mut layers = Layers::new(model, 1);
        unit_ms(
            &mut layers,
            DECODE_LAYERS,
            self.resolution_ms(),
            expected_ms,
        )
        .await
    }

    async fn prefill_ms<B: Backend>(&self, model: &mut Model<B>, expected_ms: f64) -> Result<f64> {
        let mut layers = Layers::new(model, PREFILL_TOKENS);
        let tokens = PREFILL_TOKENS as f64;
        let (resolution_ms, expected_ms) = (self.resolution_ms(), tokens * expected_ms);
        let all_ms = unit_ms(&mut layers, PREFILL_LAYERS, resolution_ms, expected_ms).await?;
        Ok(all_ms / tokens)
    }

    /// Returns how late the end of a step may be seen, and what the timer resolves.
    fn resolution_ms(&self) -> [f64; 2] {
        let device = self.gpu.device();
        let resolved_ms = resolved_ms(device.timer_step_ms).min(MAX_RESOLVED_MS);
        [device.resolution_ms(), resolved_ms]
    }
}

/// Steps of some tokens through layers, all of them the model's one.
struct Layers<'a, B: Backend> {
    model: &'a mut Model<B>,
    tokens: Vec<u32>,
    logits: Vec<f32>,
}

impl<'a, B: Backend> Layers<'a, B> {
    fn new(model: &'a mut Model<B>, tokens: usize) -> Self {
        Self {
            model,
            tokens: PROMPT.into_iter().cycle().take(tokens).collect(),
            logits: Vec::new(),
        }
    }
}

impl<B: Backend> Timed for Layers<'_, B> {
    async fn time_ms(&mut self, count: usize) -> Result<f64> {
        let start_ms = host::now_ms();
        self.model
            .forward_layers(
                &self.tokens,
                std::iter::repeat_n(0, count),
                &mut self.logits,
            )
            .await?;
        Ok(host::now_ms() - start_ms)
    }
}

/// Returns how long a layer takes, by steps of few of them and of more. `late_ms` is how late the
/// end of a step is seen, `resolved_ms` what the timer resolves, and `expected_ms` what a layer
/// should take: one that takes less may come out as taking nothing.
async fn unit_ms(
    layers: &mut impl Timed,
    [few, many]: [usize; 2],
    [late_ms, resolved_ms]: [f64; 2],
    expected_ms: f64,
) -> Result<f64> {
    warm_up(layers, few).await?;
    let few_ms = best_ms(layers, few).await?;
    if few_ms >= LONG_MS.max(LONG * late_ms).max(resolved_ms) {
        return Ok(few_ms / few as f64);
    }
    let enough_ms = (RESOLVED * late_ms).max(resolved_ms);
    let most = match expected_ms.is_finite() {
        true => ((enough_ms / expected_ms) as usize).clamp(many, MAX_LAYERS),
        false => MAX_LAYERS,
    };
    let mut count = many;
    loop {
        let more_ms = best_ms(layers, count).await? - few_ms;
        if count >= most || more_ms >= enough_ms {
            return Ok(more_ms.max(0.0) / (count - few) as f64);
        }
        count = most.min(4 * count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::gpu::stopwatch::tests::Clock;

    /// Layers that take so long, after what a step costs by itself.
    struct Fake {
        clock: Clock,
        layer_ms: f64,
        /// How much longer each of the next steps takes.
        held_up_ms: Vec<f64>,
        /// How long the work takes until clocks have risen, during which it takes twice as long.
        cold_ms: f64,
    }

    impl Timed for Fake {
        async fn time_ms(&mut self, count: usize) -> Result<f64> {
            let mut ms = 0.4 + self.layer_ms * count as f64;
            if self.cold_ms > 0.0 {
                self.cold_ms -= ms;
                ms *= 2.0;
            }
            Ok(self
                .clock
                .pass(ms + self.held_up_ms.pop().unwrap_or_default()))
        }
    }

    fn timed_ms(step_ms: f64, layer_ms: f64, held_up_ms: &[f64], cold_ms: f64) -> f64 {
        let mut fake = Fake {
            clock: Clock::new(step_ms),
            layer_ms,
            held_up_ms: held_up_ms.to_vec(),
            cold_ms,
        };
        let resolution_ms = [0.0, resolved_ms(step_ms)];
        let unit_ms = unit_ms(&mut fake, DECODE_LAYERS, resolution_ms, 0.5);
        pollster::block_on(unit_ms).expect("no device")
    }

    #[test]
    fn a_layer_takes_what_it_takes_by_any_timer() {
        for step_ms in [0.0, 0.1, 1.0] {
            for layer_ms in [0.4, 1.0, 30.0] {
                let found_ms = timed_ms(step_ms, layer_ms, &[], 0.0);
                assert!(
                    (found_ms / layer_ms - 1.0).abs() < 0.12,
                    "{found_ms} ms in place of {layer_ms} ms, timer of {step_ms} ms"
                );
            }
        }
    }

    #[test]
    fn slow_samples_and_cold_clocks_refuse_nothing() {
        // What is compiled at first, a hitch in each series of three, and a clock that rises late.
        let mut held_up_ms = vec![0.0; 400];
        for at in (0..400).step_by(3) {
            held_up_ms[at] = 150.0;
        }
        for (held_up_ms, cold_ms) in [(held_up_ms, 0.0), (vec![2000.0], 0.0), (Vec::new(), 90.0)] {
            let found_ms = timed_ms(0.1, 0.5, &held_up_ms, cold_ms);
            assert!((found_ms / 0.5 - 1.0).abs() < 0.12, "{found_ms} ms");
        }
    }

    #[test]
    fn decode_and_prefill_are_weighed_together() {
        let times = |decode_ms, prefill_ms| TokenTimes {
            decode_ms,
            prefill_ms,
        };
        // A card that decodes a little slower and reads prompts much faster is taken.
        assert_eq!(times(1.1, 0.1).check(times(1.0, 0.5)), Ok(()));
        for slower in [times(1.6, 0.0), times(0.9, 0.9)] {
            let refusal = slower.check(times(1.0, 0.5)).expect_err("a slower card");
            assert_eq!(refusal.code, Code::GpuSlower);
        }
    }
}
