//! Tells a flashing yellow from a yellow phase, at any frame rate.
//!
//! Flashing lamps go about once a second (Vienna-Convention practice, and Vietnam's), so a frame rate of three a second
//! or more sees each flash. Below that, or at a rate that divides the flash rate, the frames may see it steady or in a
//! slow beat; a yellow that lasts longer than any yellow phase is therefore called unknown, never yellow.

use std::collections::VecDeque;

use stopline_types::SignalState;

/// Flashes looked for within this time, seconds.
const WINDOW_S: f64 = 6.0;
/// So many times on, with off in between, make it flashing.
const FLASHES: usize = 3;
/// From the first of them to the last at least so long, seconds: a lamp that flickers at the frames' own rate when it
/// comes on does not.
const LASTING_S: f64 = 1.6;
/// On and off last on average at least so long, seconds (two flashes a second), and no one longer than that.
const LEAST_HALF_S: f64 = 0.2;
const MOST_HALF_S: f64 = 2.2;
/// No yellow phase lasts longer, seconds (three to five are usual).
const LONGEST_YELLOW_S: f64 = 8.0;

/// What the last seconds show.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Pattern {
    /// Nothing of the kind.
    Steady,
    /// On and off since.
    FlashingSince(f64),
    /// On for longer than a yellow phase.
    Lasting,
}

/// Readings of the last seconds as runs of on and off.
#[derive(Debug, Clone, Default)]
pub(super) struct Flash {
    runs: VecDeque<Run>,
    /// Flashing, and since when.
    since_s: Option<f64>,
}

#[derive(Debug, Clone, Copy)]
struct Run {
    on: bool,
    from_s: f64,
    to_s: f64,
}

impl Flash {
    /// Takes a reading in.
    pub(super) fn read(&mut self, t_s: f64, state: SignalState) -> Pattern {
        let on = match state {
            SignalState::Yellow => true,
            SignalState::Dark => false,
            // Hidden: what was seen stands.
            SignalState::Unknown => return self.pattern(t_s),
            _ => {
                *self = Self::default();
                return Pattern::Steady;
            }
        };
        match self.runs.back_mut() {
            Some(run) if run.on == on => run.to_s = t_s,
            _ => self.runs.push_back(Run { on, from_s: t_s, to_s: t_s }),
        }
        // A steady yellow is one long run and stays; of flashes only the last seconds are kept.
        while self.runs.len() > 1 && self.runs[0].to_s < t_s - WINDOW_S {
            self.runs.pop_front();
        }
        self.pattern(t_s)
    }

    fn pattern(&mut self, t_s: f64) -> Pattern {
        let Some(last) = self.runs.back() else { return Pattern::Steady };
        if last.on && last.to_s - last.from_s > LONGEST_YELLOW_S {
            self.since_s = None;
            return Pattern::Lasting;
        }
        let since_change = t_s - last.from_s;
        if since_change > MOST_HALF_S {
            self.since_s = None;
            return Pattern::Steady;
        }
        if let Some(since) = self.since_s {
            return Pattern::FlashingSince(since);
        }
        // From the last on backwards, as long as no half lasts too long.
        let starts: Vec<f64> = self.runs.iter().map(|run| run.from_s).chain([t_s]).collect();
        let first = (0..self.runs.len()).rev().take_while(|i| starts[i + 1] - starts[*i] <= MOST_HALF_S).last();
        let Some(first) = first.and_then(|first| (first..self.runs.len()).find(|i| self.runs[*i].on)) else {
            return Pattern::Steady;
        };
        let flashes = self.runs.range(first..).filter(|run| run.on).count();
        let begun = self.runs[first].from_s;
        let halves = (self.runs.len() - 1 - first) as f64;
        let lasting = last.from_s - begun;
        if flashes >= FLASHES && lasting >= LASTING_S && lasting / halves.max(1.0) >= LEAST_HALF_S {
            self.since_s = Some(begun);
            return Pattern::FlashingSince(begun);
        }
        Pattern::Steady
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use SignalState::{Dark, Green, Red, Yellow};
    use proptest::prelude::*;

    fn last(fps: f64, seconds: f64, state: impl Fn(f64) -> SignalState) -> Pattern {
        let mut flash = Flash::default();
        (0..(seconds * fps) as usize).map(|i| i as f64 / fps).fold(Pattern::Steady, |_, t| flash.read(t, state(t)))
    }

    proptest! {
        /// Whatever the frame rate from 3 a second, the flash rate and how far they are out of step.
        #[test]
        fn flashing_is_seen(fps in 3.0f64..25.0, hz in 0.6f64..1.25, step in 0.0f64..1.0, duty in 0.4f64..0.6) {
            let state = |t: f64| if (t * hz + step).fract() < duty { Yellow } else { Dark };
            let seen = last(fps, 8.0, state);
            prop_assert!(matches!(seen, Pattern::FlashingSince(from) if from < 3.0), "{seen:?}");
        }

        /// A cycle is never taken for it, be its yellow lamp flickering or not.
        #[test]
        fn a_cycle_is_not(fps in 1.0f64..25.0, yellow_s in 3.0f64..5.0, flicker in any::<bool>(), end_s in 0.0f64..40.0) {
            let state = |t: f64| match t % 40.0 {
                t if t < 15.0 => Green,
                t if t < 15.0 + yellow_s && flicker && ((t * fps).round() as u32).is_multiple_of(2) && fps > 6.0 => Dark,
                t if t < 15.0 + yellow_s => Yellow,
                _ => Red,
            };
            prop_assert_eq!(last(fps, end_s, state), Pattern::Steady);
        }
    }

    /// One frame a second sees a lamp of one flash a second always on. That is no yellow phase.
    #[test]
    fn at_the_flash_rate_it_is_unknown() {
        let seen = last(1.0, 12.0, |_| Yellow);
        assert_eq!(seen, Pattern::Lasting);
    }

    #[test]
    fn it_ends_with_the_next_phase_and_with_the_lamp() {
        let mut flash = Flash::default();
        let seen = |flash: &mut Flash, t: f64, state| flash.read(t, state);
        for i in 0..30 {
            let on = (i / 3) % 2 == 0;
            seen(&mut flash, f64::from(i) / 6.0, if on { Yellow } else { Dark });
        }
        assert_eq!(seen(&mut flash, 5.0, Yellow), Pattern::FlashingSince(0.0));
        assert_eq!(seen(&mut flash, 8.0, Dark), Pattern::FlashingSince(0.0));
        assert_eq!(seen(&mut flash, 10.5, Dark), Pattern::Steady);
        assert_eq!(seen(&mut flash, 10.7, Red), Pattern::Steady);
    }
}
