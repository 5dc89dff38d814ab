//! The rules. Each is a pure function of a track's [`History`] in scene coordinates and the signals' phases: no
//! pictures, no clock, no memory of its own. Each says what it measured and what would have been allowed.
//!
//! A rule is asked after every frame in which the track was seen, and once more when the track ends; the caller
//! keeps one match a track and rule (the first).

mod emergency_lane;
mod forbidden_turn;
mod heading;
mod history;
pub mod incidents;
mod no_entry;
mod no_parking;
mod no_stopping;
mod pavement;
mod reach;
mod red_light;
pub mod section_pairs;
pub mod section_speed;
mod solid_line;
mod speed;
mod stop_line;
mod turns;
mod u_turn;
mod wrong_lane;
mod wrong_way;
mod zones;

#[cfg(test)]
mod made;
#[cfg(test)]
mod made_speed;
#[cfg(test)]
mod thresholds;

pub use history::{History, Point};
pub use speed::{Speed, measure as measure_speed};

use stopline_types::{Quantities, RuleKind, RuleMode, SignalState, VehicleClass};

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
    /// Which act of the rule, where the law tells several apart: a left turn.
    pub variant: Option<&'static str>,
}

impl Match {
    /// A match in which all is left to be said but the moment.
    fn at(rule: RuleKind, act_s: f64) -> Self {
        Self {
            rule,
            act_s,
            shown_s: None,
            before_s: act_s,
            after_s: act_s,
            measured: Quantities::new(),
            limit: Quantities::new(),
            signal: None,
            lane: None,
            certainty: 1.0,
            excess_kmh: None,
            variant: None,
        }
    }
}

/// Pairs of rules that one act may break at once, the graver first: the vehicle is accused of one of them only (Decree
/// 168/2024: the points on signs and markings hold where no other point does). Acts nearer than `ONE_ACT_S` are one.
const ONE_ACT: [(RuleKind, RuleKind); 16] = [
    (RuleKind::RedLight, RuleKind::StopLine),
    (RuleKind::RedLight, RuleKind::SolidLine),
    (RuleKind::WrongWay, RuleKind::SolidLine),
    (RuleKind::WrongLane, RuleKind::SolidLine),
    (RuleKind::ForbiddenTurn, RuleKind::SolidLine),
    (RuleKind::UTurn, RuleKind::SolidLine),
    (RuleKind::Pavement, RuleKind::SolidLine),
    (RuleKind::EmergencyLane, RuleKind::SolidLine),
    (RuleKind::NoEntry, RuleKind::SolidLine),
    (RuleKind::UTurn, RuleKind::ForbiddenTurn),
    (RuleKind::UTurn, RuleKind::WrongWay),
    (RuleKind::WrongWay, RuleKind::NoEntry),
    (RuleKind::WrongWay, RuleKind::Pavement),
    (RuleKind::EmergencyLane, RuleKind::WrongLane),
    (RuleKind::NoEntry, RuleKind::WrongLane),
    (RuleKind::NoStopping, RuleKind::NoParking),
];
/// Seconds.
const ONE_ACT_S: f64 = 8.0;

/// Whether a match and an act of another rule are one act.
fn one_act(rule: RuleKind, act_s: f64, other: RuleKind, other_s: f64) -> bool {
    let pair = |(a, b): &(RuleKind, RuleKind)| (*a == rule && *b == other) || (*b == rule && *a == other);
    // Standing lasts: the second limit is passed long after the first.
    let standing = (rule, other) == (RuleKind::NoParking, RuleKind::NoStopping);
    ONE_ACT.iter().any(pair) && (standing || (act_s - other_s).abs() <= ONE_ACT_S)
}

/// Asks every rule that is not off; `done` tells when a rule has matched this track before. Of several that one act
/// breaks, only the gravest is given, or the one that was given first.
#[must_use]
pub fn ask(context: Context<'_>, done: impl Fn(RuleKind) -> Option<f64>) -> Vec<Match> {
    let wanted = |rule: RuleKind| mode_of(context.scene, rule) != RuleMode::Off && done(rule).is_none();
    let mut found: Vec<Match> = Vec::new();
    for rule in RuleKind::ALL.into_iter().filter(|rule| wanted(*rule)) {
        let matched = match rule {
            RuleKind::RedLight => red_light::check(context),
            RuleKind::StopLine => stop_line::check(context),
            RuleKind::WrongWay => wrong_way::check(context),
            RuleKind::WrongLane => wrong_lane::check(context),
            RuleKind::SolidLine => solid_line::check(context),
            RuleKind::ForbiddenTurn => forbidden_turn::check(context),
            RuleKind::UTurn => u_turn::check(context),
            RuleKind::NoEntry => no_entry::check(context),
            RuleKind::NoStopping => no_stopping::check(context),
            RuleKind::NoParking => no_parking::check(context),
            RuleKind::EmergencyLane => emergency_lane::check(context),
            RuleKind::Pavement => pavement::check(context),
            RuleKind::Speed => speed::check(context),
            // Between two cameras; and rules without a model.
            RuleKind::SectionSpeed | RuleKind::OverRiders | RuleKind::NoHelmet => None,
        };
        found.extend(matched);
    }
    let before = |m: &Match| {
        RuleKind::ALL.into_iter().any(|other| done(other).is_some_and(|s| one_act(m.rule, m.act_s, other, s)))
    };
    found.retain(|m| !before(m));
    let graver = |m: &Match, of: &[Match]| {
        ONE_ACT.iter().any(|(grave, light)| {
            m.rule == *light && of.iter().any(|o| o.rule == *grave && one_act(m.rule, m.act_s, o.rule, o.act_s))
        })
    };
    let all = found.clone();
    found.retain(|m| !graver(m, &all));
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
        RuleKind::SolidLine => rules.solid_line.mode,
        RuleKind::ForbiddenTurn => rules.forbidden_turn.mode,
        RuleKind::UTurn => rules.u_turn.mode,
        RuleKind::NoEntry => rules.no_entry.mode,
        RuleKind::NoStopping => rules.no_stopping.mode,
        RuleKind::NoParking => rules.no_parking.mode,
        RuleKind::EmergencyLane => rules.emergency_lane.mode,
        RuleKind::Pavement => rules.pavement.mode,
        RuleKind::Speed => rules.speed.mode,
        // Judged where two cameras' passages meet, by settings of their own.
        RuleKind::SectionSpeed => RuleMode::Off,
        RuleKind::OverRiders => rules.over_riders.mode,
        RuleKind::NoHelmet => rules.no_helmet.mode,
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
        RuleKind::SolidLine => rules.solid_line.min_fps,
        RuleKind::ForbiddenTurn => rules.forbidden_turn.min_fps,
        RuleKind::UTurn => rules.u_turn.min_fps,
        RuleKind::NoEntry => rules.no_entry.min_fps,
        RuleKind::NoStopping => rules.no_stopping.min_fps,
        RuleKind::NoParking => rules.no_parking.min_fps,
        RuleKind::EmergencyLane => rules.emergency_lane.min_fps,
        RuleKind::Pavement => rules.pavement.min_fps,
        RuleKind::Speed => rules.speed.min_fps,
        RuleKind::SectionSpeed | RuleKind::OverRiders | RuleKind::NoHelmet => 0.0,
    }
}

/// Who is said to have driven somewhere must have moved this far in the picture too, in heights of its box: far away
/// metres on the ground are less than a box's jitter.
const LEAST_HEIGHTS: f64 = 0.3;

fn quantities<const N: usize>(list: [(&str, f64); N]) -> Quantities {
    list.into_iter().map(|(name, value)| (name.to_owned(), (value * 1000.0).round() / 1000.0)).collect()
}

fn two_wheels(class: VehicleClass) -> bool {
    matches!(class, VehicleClass::Motorcycle | VehicleClass::Bicycle)
}

fn is_red(log: &PhaseLog, t_s: f64) -> bool {
    log.state_at(t_s) == SignalState::Red
}
