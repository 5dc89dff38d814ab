//! Standing over the stop line on red, not going on.
//!
//! The front must stand past the line by more than the vehicle's length may differ from the usual one. Decided when
//! the red phase or the track ends, because a vehicle that goes on has run the light instead.

use stopline_types::{RuleKind, VehicleClass};

use super::reach::{past_m, reach_m};
use super::{Context, Match, Point, is_red, quantities};
use crate::scene::StopLine;

/// Slower than this is standing, metres a second: what the jitter of a standing box looks like.
const STANDS_M_S: f64 = 0.35;
/// How far beside the end of the line a foot point still counts, metres.
const BESIDE_M: f64 = 0.3;
/// How far the rear may be past the line; further on it stands in the junction, metres.
const REAR_PAST_M: f64 = 4.0;
/// Further on than this from its stand, a vehicle has started, metres.
const STARTED_M: f64 = 0.5;

pub(super) fn check(context: Context<'_>) -> Option<Match> {
    context.scene.stop_lines.iter().find_map(|line| check_line(context, line))
}

fn check_line(context: Context<'_>, stop: &StopLine) -> Option<Match> {
    let Context { scene, history, .. } = context;
    if history.class == VehicleClass::Pedestrian {
        return None;
    }
    let rule = scene.rules.stop_line;
    let log = context.phases.get(stop.signal)?;
    // The red phase in question: the one that has just ended, or the one in which the track ended.
    let last = history.last()?;
    let latest = log.latest()?;
    let red = if is_red(log, last.t_s) {
        *log.at(last.t_s)?
    } else {
        *log.phases().filter(|p| p.from_s <= last.t_s).nth_back(1)?
    };
    if red.state != stopline_types::SignalState::Red {
        return None;
    }
    let red_ended = log.ended_s(red.from_s);
    if red_ended.is_none() && !context.ended {
        return None;
    }
    // Asked once, soon after the end of the phase.
    if red_ended.is_some_and(|end| context.now_s - end > 3.0) && latest.from_s > red.from_s {
        return None;
    }
    let red_end = red_ended.unwrap_or(last.t_s);

    let (reach, spread) = reach_m(history.class, &stop.line);
    let past = |p: &Point| past_m(&stop.line, stop.line_ground.as_ref(), p);
    let over = |p: &Point| {
        let at = past(p);
        let front = at.distance + reach;
        front > rule.over_m + spread && at.distance < REAR_PAST_M && at.outside <= BESIDE_M
    };
    let gone_on = |p: &Point| match &stop.beyond {
        Some(far) => past_m(&far.line, far.line_ground.as_ref(), p).distance > 0.0,
        None => past(p).distance > REAR_PAST_M,
    };
    let in_red = || history.points().filter(|p| p.t_s >= red.from_s && p.t_s <= red_end);
    // Who was over the line when red began could not have stopped before it. Where nobody saw red begin, because the
    // session did not, standing over the line is all that can be said.
    let began_unseen = log.phases().next().is_some_and(|p| p.from_s == red.from_s);
    let at_start = history.points().rev().find(|p| p.t_s <= red.from_s);
    let was_over = at_start.is_some_and(|p| past(p).distance + reach > 0.0);
    if (was_over && !began_unseen) || in_red().any(gone_on) {
        return None;
    }
    // The longest stand.
    let mut best: Option<(Point, Point)> = None;
    let mut run: Option<(Point, Point)> = None;
    for p in in_red() {
        let stands = over(p) && history.pace_m_s(p.t_s, 0.7).is_some_and(|pace| pace < STANDS_M_S);
        run = match (run, stands) {
            (Some((from, _)), true) if from.distance_m(p) < 0.8 => Some((from, *p)),
            (_, true) => Some((*p, *p)),
            (_, false) => None,
        };
        let length = |r: &(Point, Point)| r.1.t_s - r.0.t_s;
        if let Some(r) = &run
            && best.as_ref().is_none_or(|b| length(r) > length(b))
        {
            best = run;
        }
    }
    let (from, to) = best.filter(|(from, to)| to.t_s - from.t_s >= rule.stand_s)?;
    // Who starts before the end of red does not stop over the line: that is the red light's case, or nobody's.
    if in_red().next_back().is_some_and(|p| past(p).distance - past(&to).distance > STARTED_M) {
        return None;
    }
    let act = history.nearest(from.t_s + rule.stand_s)?;
    let over_m = past(act).distance + reach;
    let mut certainty = (0.6 + 0.4 * ((over_m - rule.over_m) / spread.max(0.1) - 1.0)).clamp(0.5, 1.0);
    if scene.ground.is_none() {
        certainty *= 0.85;
    }
    if began_unseen {
        certainty *= 0.8;
    }
    Some(Match {
        rule: RuleKind::StopLine,
        act_s: act.t_s,
        before_s: (from.t_s - 1.0).max(history.first()?.t_s),
        after_s: to.t_s,
        shown_s: Some((to.t_s - 1.0).max(act.t_s)),
        measured: quantities([
            ("over_line_m", over_m),
            ("over_line_error_m", spread),
            ("stood_s", to.t_s - from.t_s),
            ("red_for_s", act.t_s - red.from_s),
        ]),
        limit: quantities([("over_line_m", rule.over_m), ("stood_s", rule.stand_s)]),
        signal: Some(stop.signal),
        lane: act.lane,
        certainty,
        excess_kmh: None,
        variant: None,
    })
}
