//! How many steps to keep in flight, so that reading a token back never holds up the next step.

use std::collections::VecDeque;

/// The most sampled tokens that wait to be read: what a user stops is lost, up to this many steps.
pub const MAX_STEPS: usize = 16;
/// The fewest steps: one whose token is read, and one that is computed meanwhile.
const MIN_STEPS: usize = 2;
/// The fewest steps where the browser is polled, for it hands several tokens over at once: as
/// measured with lavapipe in Firefox (`./build.sh test gpu_accuracy "readings hold up"`).
const MIN_POLLED_STEPS: usize = 4;
/// The number of steps over which the time of one is taken: browsers deliver readings in bunches.
const WINDOW: usize = 8;

/// Learns how many steps hide the time of a reading.
///
/// A reading takes `latency_ms` beyond the step that it reads. While one is on its way the device
/// should always have a step to do, but no more than that: what runs ahead of a stop is lost.
#[derive(Clone, Debug)]
pub struct RunAhead {
    latency_ms: f64,
    /// The times at which the last tokens were read, at most [`WINDOW`] of them.
    read_ms: VecDeque<f64>,
    /// The shortest time of a step so far: with too few in flight, the time between two tokens is
    /// mostly waiting.
    step_ms: f64,
    min_steps: usize,
    steps: usize,
}

impl RunAhead {
    /// Begins with the fewest steps.
    pub fn new(latency_ms: f64, is_polled: bool) -> Self {
        let min_steps = if is_polled {
            MIN_POLLED_STEPS
        } else {
            MIN_STEPS
        };
        Self {
            latency_ms,
            read_ms: VecDeque::new(),
            step_ms: f64::INFINITY,
            min_steps,
            steps: min_steps,
        }
    }

    /// Returns the number of steps to keep in flight.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// Begins anew: the time until the first token of an answer is that of its prompt.
    pub fn begin(&mut self) {
        self.read_ms.clear();
    }

    /// Takes note that a token was read at this time.
    pub fn observe(&mut self, now_ms: f64) {
        self.read_ms.push_back(now_ms);
        if self.read_ms.len() > WINDOW
            && let Some(first_ms) = self.read_ms.pop_front()
        {
            self.step_ms = self.step_ms.min((now_ms - first_ms) / WINDOW as f64);
            let hidden = if self.step_ms > 0.0 {
                (self.latency_ms / self.step_ms).ceil()
            } else {
                MAX_STEPS as f64
            };
            self.steps = (hidden as usize + 1).clamp(self.min_steps, MAX_STEPS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the steps that a device settles at whose steps take `step_ms` and whose tokens
    /// arrive `latency_ms` after them.
    fn settle(latency_ms: f64, step_ms: f64) -> usize {
        let mut run_ahead = RunAhead::new(latency_ms, false);
        let mut now_ms = 0.0;
        for _ in 0..200 {
            now_ms += step_ms.max((latency_ms + step_ms) / run_ahead.steps() as f64);
            run_ahead.observe(now_ms);
        }
        run_ahead.steps()
    }

    #[test]
    fn as_many_steps_as_hide_the_reading() {
        assert_eq!(settle(0.5, 10.0), 2);
        assert_eq!(settle(5.0, 2.0), 4);
        assert_eq!(settle(100.0, 5.0), MAX_STEPS);
    }
}
