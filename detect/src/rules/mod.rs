//! The rules. Each is a pure function of a track's [`History`] in scene coordinates and the signals' phases: no
//! pictures, no clock, no memory of its own. Each says what it measured and what would have been allowed.
//!
//! A rule is asked after every frame in which the track was seen, and once more when the track ends; the caller
//! keeps one match a track and rule (the first).

mod history;
mod no_stopping;
mod reach;
mod red_light;
mod speed;
mod stop_line;
mod wrong_lane;
mod wrong_way;

#[cfg(test)]
mod made;

pub use history::{History, Point};
pub use speed::{Speed, measure as measure_speed};

use stopline_types::{Quantities, RuleKind, RuleMode, SignalState};

use crate::scene::Scene;
use crate::signal::PhaseLog;

/// What a rule is told.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The scene.
    pub scene: &'a Scene,
    /// Phases by signal head, in the order of the scene.
    pub phases: &'a [PhaseLog],
    /// The track.
    pub history: &'a History,
    /// The latest moment known, seconds: that of the last frame, also when the track was not seen in it.
    pub now_s: f64,
    /// True when the track has ended.
    pub ended: bool,
}

/// A rule that matched.
#[derive(Debug, Clone, PartialEq)]
pub struct Match {
    /// The rule.
    pub rule: RuleKind,
    /// The moment of the act, seconds.
    pub act_s: f64,
    /// The moment that pictures show the act at, where it lasted long; else that of the act. The packets of the act's
    /// beginning may be gone when it is decided.
    pub shown_s: Option<f64>,
    /// A moment that shows the vehicle before it.
    pub before_s: f64,
    /// A moment that shows it after.
    pub after_s: f64,
    /// What was measured, units in the names.
    pub measured: Quantities,
    /// What would have been allowed.
    pub limit: Quantities,
    /// The signal head that governs it: an index into the scene's.
    pub signal: Option<usize>,
    /// The lane it happened in: an index into the scene's.
    pub lane: Option<usize>,
    /// 1, or less where the evidence is thin.
    pub certainty: f64,
    /// km/h above the limit, for the law's bands.
    pub excess_kmh: Option<f64>,
}

/// Asks every rule that is not off; `done` tells which have matched this track before.
#[must_use]
pub fn ask(context: Context<'_>, done: impl Fn(RuleKind) -> bool) -> Vec<Match> {
    let wanted = |rule: RuleKind| mode_of(context.scene, rule) != RuleMode::Off && !done(rule);
    let mut found = Vec::new();
    for rule in RuleKind::ALL.into_iter().filter(|rule| wanted(*rule)) {
        let matched = match rule {
            RuleKind::RedLight => red_light::check(context),
            // One act, one violation: who ran the light did not also stop over the line.
            RuleKind::StopLine if done(RuleKind::RedLight) => None,
            RuleKind::StopLine => stop_line::check(context),
            RuleKind::WrongWay => wrong_way::check(context),
            RuleKind::WrongLane => wrong_lane::check(context),
            RuleKind::NoStopping => no_stopping::check(context),
            RuleKind::Speed => speed::check(context),
            _ => None,
        };
        found.extend(matched);
    }
    if found.iter().any(|m| m.rule == RuleKind::RedLight) {
        found.retain(|m| m.rule != RuleKind::StopLine);
    }
    found
}

/// The mode a scene gives a rule.
#[must_use]
pub fn mode_of(scene: &Scene, rule: RuleKind) -> RuleMode {
    let rules = &scene.rules;
    match rule {
        RuleKind::RedLight => rules.red_light.mode,
        RuleKind::StopLine => rules.stop_line.mode,
        RuleKind::WrongWay => rules.wrong_way.mode,
        RuleKind::WrongLane => rules.wrong_lane.mode,
        RuleKind::NoStopping => rules.no_stopping.mode,
        RuleKind::Speed => rules.speed.mode,
        _ => RuleMode::Off,
    }
}

/// Analysed frames a second below which a rule's matches are degraded.
#[must_use]
pub fn min_fps_of(scene: &Scene, rule: RuleKind) -> f64 {
    let rules = &scene.rules;
    match rule {
        RuleKind::RedLight => rules.red_light.min_fps,
        RuleKind::StopLine => rules.stop_line.min_fps,
        RuleKind::WrongWay => rules.wrong_way.min_fps,
        RuleKind::WrongLane => rules.wrong_lane.min_fps,
        RuleKind::NoStopping => rules.no_stopping.min_fps,
        RuleKind::Speed => rules.speed.min_fps,
        _ => 0.0,
    }
}

fn quantities<const N: usize>(list: [(&str, f64); N]) -> Quantities {
    list.into_iter().map(|(name, value)| (name.to_owned(), (value * 1000.0).round() / 1000.0)).collect()
}

fn is_red(log: &PhaseLog, t_s: f64) -> bool {
    log.state_at(t_s) == SignalState::Red
}
