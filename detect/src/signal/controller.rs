//! What the signal controller says about a head, beside what the camera sees.

use std::collections::VecDeque;

use stopline_types::{SignalState, UtcUs};

use super::PhaseLog;

/// A word of the controller holds for this long; then it counts as silent, seconds.
const FRESH_S: f64 = 3.0;
/// States kept.
const KEPT: usize = 64;
/// Picture and controller may differ for this long around a change, seconds, on top of the errors of both: lamps warm
/// up, frames and words have gaps.
const SLACK_S: f64 = 0.5;

/// One word of the controller about one head.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ControllerReading {
    /// What it says the head shows.
    pub state: SignalState,
    /// Since when; the moment of the word itself where the controller does not say.
    pub since: UtcUs,
    /// When the word was spoken.
    pub at: UtcUs,
    /// Error of both moments, milliseconds.
    pub error_ms: f64,
}

/// Picture and controller contradict each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Doubt {
    /// What the picture shows.
    pub picture: SignalState,
    /// What the controller says.
    pub controller: SignalState,
}

impl std::fmt::Display for Doubt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the picture shows {}, the controller says {}", self.picture, self.controller)
    }
}

/// What the controller said about one head.
#[derive(Debug, Clone, Default)]
pub(super) struct Controller {
    /// Oldest first; a word that repeats the state before only prolongs it.
    spoken: VecDeque<Spoken>,
}

#[derive(Debug, Clone, Copy)]
struct Spoken {
    state: SignalState,
    since: UtcUs,
    last: UtcUs,
    error_s: f64,
}

impl Controller {
    pub(super) fn take(&mut self, reading: ControllerReading) {
        let ControllerReading { state, since, at, error_ms } = reading;
        let error_s = error_ms.max(0.0) / 1000.0;
        if let Some(last) = self.spoken.back_mut() {
            if at < last.last {
                return;
            }
            if last.state == state && at.since_s(last.last) <= FRESH_S {
                last.last = at;
                return;
            }
            // It has only just been heard of; before that the earlier word stood.
            if since > last.last && since.since_s(last.last) <= FRESH_S {
                last.last = since;
            }
        }
        let earliest = self.spoken.back().map_or(since, |last| last.last.min(at));
        self.spoken.push_back(Spoken { state, since: since.max(earliest).min(at), last: at, error_s });
        if self.spoken.len() > KEPT {
            self.spoken.pop_front();
        }
    }

    fn at(&self, at: UtcUs) -> Option<&Spoken> {
        let spoken = self.spoken.iter().rev().find(|s| s.since <= at)?;
        (at.since_s(spoken.last) <= FRESH_S).then_some(spoken)
    }

    pub(super) fn state_at(&self, at: UtcUs) -> Option<SignalState> {
        self.at(at).map(|spoken| spoken.state)
    }

    pub(super) fn doubt(&self, log: &PhaseLog, t_s: f64, at: UtcUs) -> Option<Doubt> {
        let says = |state: SignalState| !matches!(state, SignalState::Unknown | SignalState::Dark);
        let (phase, spoken) = (log.at(t_s)?, self.at(at)?);
        let (picture, controller) = (phase.state, spoken.state);
        if picture == controller || !says(picture) || !says(controller) {
            return None;
        }
        // Near a change of either, the other may already be or still be there.
        let slack = SLACK_S + spoken.error_s;
        let near = |offset_s: f64| {
            self.state_at(at.plus_s(offset_s)) == Some(picture) || log.state_at(t_s + offset_s) == controller
        };
        (!near(-slack) && !near(slack)).then_some(Doubt { picture, controller })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use SignalState::{Green, Red};

    fn at(t_s: f64) -> UtcUs {
        UtcUs(1_000_000_000_000).plus_s(t_s)
    }

    /// The picture is green to 10 s, then red; the controller says so `late_s` later, twice a second.
    fn both(late_s: f64, until_s: f64) -> (PhaseLog, Controller) {
        let (mut log, mut controller) = (PhaseLog::default(), Controller::default());
        for i in 0..240 {
            let t_s = f64::from(i) / 12.0;
            log.read(t_s, at(t_s), if t_s < 10.0 { Green } else { Red });
            if i % 6 == 0 && t_s < until_s {
                let state = if t_s < 10.0 + late_s { Green } else { Red };
                let since = if state == Red { at(10.0 + late_s) } else { at(0.0) };
                controller.take(ControllerReading { state, since, at: at(t_s), error_ms: 100.0 });
            }
        }
        (log, controller)
    }

    #[test]
    fn agreement_and_small_delays_are_no_doubt() {
        for late_s in [0.0, 0.3, -0.3] {
            let (log, controller) = both(late_s, 20.0);
            for t_s in [2.0, 9.9, 10.1, 10.4, 15.0] {
                assert_eq!(controller.doubt(&log, t_s, at(t_s)), None, "{late_s} at {t_s}");
            }
        }
    }

    #[test]
    fn contradiction_is() {
        let (log, controller) = both(4.0, 20.0);
        let doubt = controller.doubt(&log, 12.0, at(12.0)).expect("red against green");
        assert_eq!(doubt.to_string(), "the picture shows red, the controller says green");
        assert_eq!(controller.doubt(&log, 16.0, at(16.0)), None);
    }

    #[test]
    fn a_silent_controller_says_nothing() {
        let (log, controller) = both(40.0, 8.0);
        assert_eq!(controller.state_at(at(9.0)), Some(Green));
        assert_eq!(controller.state_at(at(15.0)), None);
        assert_eq!(controller.doubt(&log, 15.0, at(15.0)), None);
    }
}
