//! How many steps to keep under way, so that reading a token back never holds up the next.

use std::collections::VecDeque;

/// SampledToken tokens that wait to be read, at most.
pub const MOST_STEPS: usize = 16;
/// At least: one to read, one to do meanwhile.
const LEAST_STEPS: usize = 2;
/// And where the browser is nudged, which hands several over at once: as measured with lavapipe in Firefox.
const LEAST_POLLED_STEPS: usize = 4;
/// The time of a step is taken over so many of them: browsers deliver readings in bunches.
const WINDOW: usize = 8;

/// A reading takes `latency_ms` beyond the step that it reads (0.5 ms in Chromium, some 5 ms in Firefox). While one is on its way the device
/// should always have a step to do, but no more than that: what runs ahead of a stop is lost.
#[derive(Clone, Debug)]
pub struct Depth {
    latency_ms: f64,
    /// When the last tokens were read, `[WINDOW]` at most.
    read_ms: VecDeque<f64>,
    /// The shortest so far: with too few under way, the time between two tokens is mostly waiting.
    step_ms: f64,
    least_steps: usize,
    steps: usize,
}

impl Depth {
    pub fn new(latency_ms: f64, is_polled: bool) -> Self {
        let least_steps = if is_polled {
            LEAST_POLLED_STEPS
        } else {
            LEAST_STEPS
        };
        Self {
            latency_ms,
            read_ms: VecDeque::new(),
            step_ms: f64::INFINITY,
            least_steps,
            steps: least_steps,
        }
    }

    pub fn steps(&self) -> usize {
        self.steps
    }

    /// A new chain begins: the time until its first token is that of the prompt.
    pub fn begin(&mut self) {
        self.read_ms.clear();
    }

    /// A token was read.
    pub fn observe(&mut self, now_ms: f64) {
        self.read_ms.push_back(now_ms);
        if self.read_ms.len() > WINDOW
            && let Some(first_ms) = self.read_ms.pop_front()
        {
            self.step_ms = self.step_ms.min((now_ms - first_ms) / WINDOW as f64);
            let hidden = if self.step_ms > 0.0 {
                (self.latency_ms / self.step_ms).ceil()
            } else {
                MOST_STEPS as f64
            };
            self.steps = (hidden as usize + 1).clamp(self.least_steps, MOST_STEPS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A device whose steps take `step_ms` and whose tokens arrive `latency_ms` after them.
    fn settle(latency_ms: f64, step_ms: f64) -> usize {
        let mut depth = Depth::new(latency_ms, false);
        let mut now_ms = 0.0;
        for _ in 0..200 {
            now_ms += step_ms.max((latency_ms + step_ms) / depth.steps() as f64);
            depth.observe(now_ms);
        }
        depth.steps()
    }

    #[test]
    fn as_many_steps_as_hide_the_reading() {
        assert_eq!(settle(0.5, 10.0), 2);
        assert_eq!(settle(5.0, 2.0), 4);
        assert_eq!(settle(100.0, 5.0), MOST_STEPS);
    }
}
