//! How long work takes by a clock that may be coarse: browsers round their timers to 0.1 ms, 1 ms
//! or 100 ms.

use crate::{Result, host};

/// A difference of two times is this many of the timer's steps, so that rounding is 5% of it.
const STEPS: f64 = 20.0;
/// Clocks of devices, and of processors, rise within this time.
const WARM_UP_MS: f64 = 200.0;
/// A warm-up ends after this many turns where the time stands still.
const WARM_UP_TURNS: usize = 1000;
/// The number of times that a work is timed: other programs can only slow it down, so that the
/// best time counts.
const TRIES: usize = 3;
/// The looks at the timer after which it does not move at all.
const LOOKS: usize = 1_000_000;

/// Work that can be done as often as wanted.
pub(crate) trait Timed {
    /// Does the work `count` times in a row, and returns the milliseconds that it took.
    ///
    /// # Errors
    /// Those of the device.
    fn time_ms(&mut self, count: usize) -> impl Future<Output = Result<f64>>;
}

/// Returns the difference of two times that the timer resolves, in milliseconds.
pub(crate) fn resolved_ms(timer_step_ms: f64) -> f64 {
    STEPS * timer_step_ms
}

/// Returns the milliseconds between two readings of the timer that differ; infinity where it
/// stands still.
pub(crate) fn timer_step_ms() -> f64 {
    timer_step_of(host::now_ms)
}

fn timer_step_of(mut now_ms: impl FnMut() -> f64) -> f64 {
    let mut next = |before_ms: f64| {
        let mut looks = (0..LOOKS).map(|_| now_ms());
        looks.find(|&now_ms| now_ms > before_ms)
    };
    // The first step began before anyone looked.
    let Some(first_ms) = next(f64::MIN).and_then(&mut next) else {
        return f64::INFINITY;
    };
    next(first_ms).map_or(f64::INFINITY, |second_ms| second_ms - first_ms)
}

/// Does the work `count` times in a row until clocks have risen. The first turn, which compiles
/// what is used first, does not count.
///
/// # Errors
/// Those of the device.
pub(crate) async fn warm_up(work: &mut impl Timed, count: usize) -> Result<()> {
    work.time_ms(count).await?;
    let mut warm_ms = 0.0;
    for _ in 0..WARM_UP_TURNS {
        warm_ms += work.time_ms(count).await?;
        if warm_ms >= WARM_UP_MS {
            break;
        }
    }
    Ok(())
}

/// Returns the least of three times that the work takes `count` times in a row.
///
/// # Errors
/// Those of the device.
pub(crate) async fn best_ms(work: &mut impl Timed, count: usize) -> Result<f64> {
    let mut best_ms = f64::INFINITY;
    for _ in 0..TRIES {
        best_ms = best_ms.min(work.time_ms(count).await?);
    }
    Ok(best_ms)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::{cell::Cell, rc::Rc};

    /// A clock that work lets go on, and that is read in whole steps.
    #[derive(Clone, Default)]
    pub(crate) struct Clock {
        pub(crate) step_ms: f64,
        now_ms: Rc<Cell<f64>>,
    }

    impl Clock {
        pub(crate) fn new(step_ms: f64) -> Self {
            let now_ms = Rc::new(Cell::new(0.3 * step_ms));
            Self { step_ms, now_ms }
        }

        pub(crate) fn now_ms(&self) -> f64 {
            match self.step_ms > 0.0 {
                true => (self.now_ms.get() / self.step_ms).floor() * self.step_ms,
                false => self.now_ms.get(),
            }
        }

        /// Returns how long something seems to take that takes `ms`.
        pub(crate) fn pass(&self, ms: f64) -> f64 {
            let start_ms = self.now_ms();
            self.now_ms.set(self.now_ms.get() + ms);
            self.now_ms() - start_ms
        }
    }

    #[test]
    fn the_step_of_a_timer_is_found() {
        for step_ms in [0.1, 1.0, 100.0] {
            let clock = Clock::new(step_ms);
            let found_ms = timer_step_of(|| {
                clock.pass(0.013);
                clock.now_ms()
            });
            assert!((found_ms - step_ms).abs() < 1e-6, "{found_ms}, {step_ms}");
        }
        assert_eq!(timer_step_of(|| 0.0), f64::INFINITY);
    }
}
