//! Crossing the stop line on red and going on.
//!
//! The act is the frame in which the rear is past the line: then the whole vehicle is. Asked is whether the *front*
//! crossed on red, and was before the line when red began: who was on or past the line when the light changed may
//! leave the junction (Law 36/2024/QH15, Art. 11 cl. 4). Decided when the vehicle passes the `beyond` line, or when
//! its track ends on the way there.

use stopline_types::RuleKind;

use super::heading::{Ahead, headings};
use super::reach::{past_m, reach_m};
use super::{Context, Match, is_red, quantities};
use crate::scene::geometry::inside;
use crate::scene::{StopLine, Turn, TurnOnRed};

/// How far behind the stop line a vehicle has gone on, where the scene draws no `beyond` line, metres.
const BEYOND_M: f64 = 3.0;
/// How far beside the end of a line a foot point still counts as crossing it, metres.
const BESIDE_M: f64 = 0.5;
/// The rear must have been this far before the line, so that the jitter of a box cannot cross it, metres.
const CLEAR_M: f64 = 0.3;
/// Where a turn on red is allowed: heading measured over this way, metres; it turns when it heads so far aside, degrees;
/// a track that ends while it heads aside by this much may have turned, and accuses nobody.
const HEADING_M: f64 = 2.0;
const TURNS_DEG: f64 = 40.0;
const MAY_TURN_DEG: f64 = 20.0;
/// Who has gone so far past the line, metres, or for so long, seconds, and has not turned, goes straight on.
const STRAIGHT_ON_M: f64 = 14.0;
const DECIDED_S: f64 = 6.0;
/// When the track ends short of the `beyond` line, it must have covered this share of the way and be moving.
const MOST_OF_THE_WAY: f64 = 0.4;

pub(super) fn check(context: Context<'_>) -> Option<Match> {
    context.scene.stop_lines.iter().find_map(|line| check_line(context, line))
}

fn check_line(context: Context<'_>, stop: &StopLine) -> Option<Match> {
    let Context { scene, history, .. } = context;
    if history.class == stopline_types::VehicleClass::Pedestrian {
        return None;
    }
    let rule = scene.rules.red_light;
    let log = context.phases.get(stop.signal)?;
    let past = |p: &super::Point| past_m(&stop.line, stop.line_ground.as_ref(), p);
    let beyond = |p: &super::Point| match &stop.beyond {
        Some(far) => past_m(&far.line, far.line_ground.as_ref(), p).distance,
        None => past(p).distance - BEYOND_M,
    };

    let last = history.last()?;
    let (went_on, reached) = (past(last).distance, beyond(last));
    if went_on <= 0.0 || !(reached > 0.0 || context.ended) {
        return None;
    }
    // The last time the rear came over the line, having been clearly before it.
    let mut points = history.points().rev().take_while(|p| last.t_s - p.t_s <= rule.go_on_within_s + 1.0);
    let mut after = points.next()?;
    let mut crossed = None;
    for before in points {
        let (b, a) = (past(before), past(after));
        if b.distance <= 0.0 && a.distance > 0.0 {
            crossed = (a.outside.min(b.outside) <= BESIDE_M).then_some((*before, *after));
            break;
        }
        after = before;
    }
    let (before, act) = crossed?;
    if last.t_s - act.t_s > rule.go_on_within_s
        || !history.points().take_while(|p| p.t_s <= before.t_s).any(|p| past(p).distance <= -CLEAR_M)
    {
        return None;
    }
    if !is_red(log, act.t_s) {
        return None;
    }
    let red = *log.at(act.t_s)?;

    // Where the front was.
    let (reach, spread) = reach_m(history.class, &stop.line);
    let front = |p: &super::Point| past(p).distance + reach;
    let rear_s = interpolate(before.t_s, act.t_s, past(&before).distance, past(&act).distance);
    let mut certainty = 1.0;
    let earlier = history.points().rev().skip_while(|p| p.t_s > before.t_s);
    let front_s = if front(&before) <= 0.0 {
        interpolate(before.t_s, act.t_s, front(&before), front(&act))
    } else if let Some((a, b)) = earlier.clone().skip(1).zip(earlier).find(|(a, _)| front(a) <= 0.0) {
        interpolate(a.t_s, b.t_s, front(a), front(b))
    } else {
        // It was over when the track began.
        certainty *= 0.7;
        history.first()?.t_s
    };
    if front_s < red.from_s + rule.after_red_s {
        return None;
    }
    // A vehicle that stood with its front about at the line when red began.
    if let Some(p) = history.points().rev().find(|p| p.t_s <= red.from_s)
        && front(p) > -spread * 0.5
    {
        certainty *= 0.7;
    }

    let way = beyond(&act).abs() + went_on.max(0.0);
    if reached <= 0.0 {
        let moving = history.pace_m_s(last.t_s, 0.7).is_some_and(|pace| pace > 1.0);
        if !moving || (last.t_s - act.t_s) < 0.2 || went_on < MOST_OF_THE_WAY * way {
            return None;
        }
        certainty *= 0.6;
    }
    let past_beyond_s = history.points().find(|p| p.t_s >= act.t_s && beyond(p) > 0.0).map(|p| p.t_s);
    let before_s = (front_s - 0.3).max(red.from_s).min(before.t_s);
    let after_s = past_beyond_s.unwrap_or(last.t_s).min(act.t_s + 3.0);
    if history.leaps(before_s, after_s) || turns_as_allowed(context, stop, act.t_s) != Some(false) {
        return None;
    }
    let entered_on_red = past_beyond_s.is_some_and(|t| is_red(log, t));
    if !entered_on_red {
        certainty *= 0.8;
    }
    if scene.ground.is_none() {
        certainty *= 0.85;
    }
    let mut measured = quantities([
        ("red_for_s", rear_s - red.from_s),
        ("front_red_for_s", front_s - red.from_s),
        ("past_line_m", went_on),
        ("entered_on_red", f64::from(u8::from(entered_on_red))),
    ]);
    if let Some(t) = past_beyond_s {
        measured.extend(quantities([("beyond_after_s", t - act.t_s)]));
    }
    Some(Match {
        before_s,
        after_s,
        measured,
        limit: quantities([("red_for_s", rule.after_red_s)]),
        signal: Some(stop.signal),
        lane: before.lane,
        certainty,
        ..Match::at(RuleKind::RedLight, act.t_s)
    })
}

/// Whether it turned where a board allows that on red; `None`: not known yet, or too little was seen of it.
fn turns_as_allowed(context: Context<'_>, stop: &StopLine, crossed_s: f64) -> Option<bool> {
    let Context { scene, history, .. } = context;
    let concerns = |t: &&TurnOnRed| t.classes.as_ref().is_none_or(|classes| classes.contains(&history.class));
    let mut allowed = stop.turns_on_red.iter().filter(concerns).peekable();
    if allowed.peek().is_none() {
        return Some(false);
    }
    let ahead = Ahead { px: stop.line.direction, ground: stop.line_ground.as_ref().map(|line| line.direction) };
    let turned = headings(scene, history, ahead, crossed_s - 1.0, HEADING_M);
    let end = turned.last();
    for turn in allowed {
        let to_side = |deg: f64| if turn.turn == Turn::Left { -deg } else { deg };
        let at_exit =
            turn.exit.as_ref().map(|exit| history.points().any(|p| p.t_s > crossed_s && inside(exit, p.foot)));
        let side = end.map_or(0.0, |end| to_side(end.deg));
        if at_exit == Some(true) || (at_exit.is_none() && side >= TURNS_DEG) {
            return Some(true);
        }
        if context.ended && side >= MAY_TURN_DEG {
            return None;
        }
    }
    let last = history.last()?;
    let far = past_m(&stop.line, stop.line_ground.as_ref(), last).distance >= STRAIGHT_ON_M;
    (far || context.ended || last.t_s - crossed_s >= DECIDED_S).then_some(false)
}

/// The time at which a value that is `a` at `t_a` and `b` at `t_b` is 0.
fn interpolate(t_a: f64, t_b: f64, a: f64, b: f64) -> f64 {
    let share = if b - a > 1e-9 { (-a / (b - a)).clamp(0.0, 1.0) } else { 1.0 };
    t_a + share * (t_b - t_a)
}
