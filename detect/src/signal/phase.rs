//! Phases over time: single wrong readings change nothing, and each phase keeps the moment of its first reading.
//!
//! A head that cannot be read for a moment holds its state for [`BRIDGE_S`]; after that its phase is unknown (or dark)
//! from the first such reading on. The moment of a change is known to lie between the last reading of the old state and
//! the first of the new: one frame's gap, or as long as the head was hidden.

use std::collections::VecDeque;

use stopline_types::{SignalState, UtcUs};

/// A new state holds once it has been read for this long, seconds, and twice.
const SETTLE_S: f64 = 0.15;
/// Readings that say nothing (unknown or dark: LED flicker, a bus before the lamp) are bridged for this long, seconds.
const BRIDGE_S: f64 = 1.0;
/// Phases kept.
const KEPT: usize = 64;

/// A time in which a head showed one state.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Phase {
    /// What it showed.
    pub state: SignalState,
    /// Its first reading, seconds of the media.
    pub from_s: f64,
    /// The last reading of the state before; the change lies between the two. Equal to `from_s` when it was not seen.
    pub after_s: f64,
    /// Its first reading in UTC.
    pub from: UtcUs,
}

impl Phase {
    /// How much earlier than `from_s` it may have begun, seconds; `None` when its begin was not seen.
    #[must_use]
    pub fn start_error_s(&self) -> Option<f64> {
        (self.after_s < self.from_s).then_some(self.from_s - self.after_s)
    }
}

/// The phases of one head.
#[derive(Debug, Clone, Default)]
pub struct PhaseLog {
    phases: VecDeque<Phase>,
    /// A state read but not settled yet, and its readings.
    candidate: Option<(Phase, u32)>,
    /// The last reading of the latest phase's state.
    held_s: Option<f64>,
}

impl PhaseLog {
    /// Takes a reading in.
    pub fn read(&mut self, t_s: f64, utc: UtcUs, state: SignalState) {
        let empty = is_empty(state);
        let current = self.phases.back().map(|p| p.state);
        if current == Some(state) || (empty && current.is_none()) {
            self.held_s = current.map(|_| t_s);
            self.candidate = None;
            return;
        }
        let before = self.held_s.unwrap_or(t_s);
        // A reading that says nothing does not take back what others said: a lamp may flicker at the camera's rate.
        let said = self.candidate.is_some_and(|(phase, _)| !is_empty(phase.state) && t_s - phase.from_s < BRIDGE_S);
        if empty && said {
            return;
        }
        let same = self.candidate.as_mut().filter(|(phase, _)| phase.state == state);
        let (phase, readings) = match same {
            Some((phase, readings)) => {
                *readings += 1;
                (*phase, *readings)
            }
            None => {
                let phase = Phase { state, from_s: t_s, after_s: before, from: utc };
                self.candidate = Some((phase, 1));
                (phase, 1)
            }
        };
        let needed = if empty { BRIDGE_S } else { SETTLE_S };
        // The very first reading has nothing to be weighed against.
        let first = current.is_none();
        if first || (readings >= 2 && t_s - phase.from_s >= needed - 1e-6) {
            self.candidate = None;
            self.held_s = Some(t_s);
            self.phases.push_back(phase);
            if self.phases.len() > KEPT {
                self.phases.pop_front();
            }
        }
    }

    /// Says that what was taken for other states since `from_s` was `state` all along: a flashing lamp is known as one
    /// only after some flashes. Does nothing if the head showed it already.
    pub(super) fn rename_since(&mut self, from_s: f64, t_s: f64, utc: UtcUs, state: SignalState) {
        if self.phases.back().is_some_and(|p| p.state == state) {
            self.read(t_s, utc, state);
            return;
        }
        let mut after_s = from_s;
        while let Some(phase) = self.phases.pop_back_if(|p| p.from_s >= from_s - 1e-6) {
            after_s = phase.after_s.min(from_s);
        }
        self.phases.push_back(Phase { state, from_s, after_s, from: utc.plus_s(from_s - t_s) });
        self.candidate = None;
        self.held_s = Some(t_s);
    }

    /// The phase at a time; `None` before the first and when the time is older than what is kept.
    #[must_use]
    pub fn at(&self, t_s: f64) -> Option<&Phase> {
        self.phases.iter().rev().find(|p| p.from_s <= t_s)
    }

    /// The state at a time.
    #[must_use]
    pub fn state_at(&self, t_s: f64) -> SignalState {
        self.at(t_s).map_or(SignalState::Unknown, |p| p.state)
    }

    /// When the phase at a time ended, if it has.
    #[must_use]
    pub fn ended_s(&self, t_s: f64) -> Option<f64> {
        self.phases.iter().find(|p| p.from_s > t_s).map(|p| p.from_s)
    }

    /// The latest phase.
    #[must_use]
    pub fn latest(&self) -> Option<&Phase> {
        self.phases.back()
    }

    /// All kept phases, oldest first.
    pub fn phases(&self) -> impl DoubleEndedIterator<Item = &Phase> {
        self.phases.iter()
    }
}

fn is_empty(state: SignalState) -> bool {
    matches!(state, SignalState::Unknown | SignalState::Dark)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(readings: &[(f64, SignalState)]) -> Vec<(f64, SignalState)> {
        let mut log = PhaseLog::default();
        for (t, state) in readings {
            log.read(*t, UtcUs(0).plus_s(*t), *state);
        }
        log.phases().map(|p| (p.from_s, p.state)).collect()
    }

    #[test]
    fn one_wrong_reading_changes_nothing_and_a_phase_keeps_its_first() {
        use SignalState::{Dark, Green, Red, Unknown};
        let readings: Vec<_> = (0..60)
            .map(|i| {
                let state = match i {
                    7 => Green,
                    12..15 => Unknown,
                    20 => Dark,
                    30.. => Green,
                    _ => Red,
                };
                (f64::from(i) / 6.0, state)
            })
            .collect();
        assert_eq!(log(&readings), vec![(0.0, Red), (5.0, Green)]);
    }

    #[test]
    fn a_flickering_lamp_settles() {
        use SignalState::{Dark, Green, Red};
        let state = |i: u32| {
            if i < 12 {
                Red
            } else if i.is_multiple_of(2) {
                Green
            } else {
                Dark
            }
        };
        let readings: Vec<_> = (0..40).map(|i| (f64::from(i) / 12.0, state(i))).collect();
        assert_eq!(log(&readings), vec![(0.0, Red), (1.0, Green)]);
    }

    /// Hidden while it changes: the change may lie anywhere in between, and the phase says so.
    #[test]
    fn the_error_of_a_start_is_the_gap() {
        use SignalState::{Green, Red, Unknown};
        let mut log = PhaseLog::default();
        for i in 0..60 {
            let state = match i {
                0..20 => Red,
                20..25 => Unknown,
                25..50 => Green,
                _ => Red,
            };
            log.read(f64::from(i) / 10.0, UtcUs(0), state);
        }
        let errors: Vec<_> = log.phases().map(|p| p.start_error_s().map(|e| (e * 10.0).round() as i32)).collect();
        assert_eq!(errors, [None, Some(6), Some(1)]);
    }

    #[test]
    fn a_head_hidden_for_long_is_unknown() {
        use SignalState::{Red, Unknown};
        let readings: Vec<_> = (0..30).map(|i| (f64::from(i) / 6.0, if i < 12 { Red } else { Unknown })).collect();
        assert_eq!(log(&readings), vec![(0.0, Red), (2.0, Unknown)]);
    }
}
