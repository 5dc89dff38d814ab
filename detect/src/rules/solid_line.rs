//! Crossing a solid line: the middle of the vehicle goes from clearly on one side to clearly on the other, between the
//! ends of the line. Decided a little later than it happens, because it is a residual offence (Decree 168/2024, Art. 6
//! cl. 1 pt. a): a wrong way or a forbidden turn that it was part of takes its place.

use stopline_types::{RuleKind, VehicleClass};

use super::reach::past_m;
use super::{Context, Match, Point, quantities};
use crate::scene::SolidLine;

pub(super) fn check(context: Context<'_>) -> Option<Match> {
    context.scene.solid_lines.iter().find_map(|line| check_line(context, line))
}

fn check_line(context: Context<'_>, solid: &SolidLine) -> Option<Match> {
    let Context { scene, history, .. } = context;
    if history.class == VehicleClass::Pedestrian || solid.crossing_allowed.contains(&history.class) {
        return None;
    }
    let rule = scene.rules.solid_line;
    let last = history.last()?;
    let past = |p: &Point| past_m(&solid.line, solid.line_ground.as_ref(), p);
    // Points that are clearly on a side, in order; the first pair of neighbours on two sides is the crossing.
    let recent = history.window(context.now_s, rule.settle_s + 2.0 * rule.within_s + 1.0);
    let mut clear: Option<(Point, f64)> = None;
    let mut crossed = None;
    for p in recent.filter(|p| !p.cut_off) {
        let at = past(p);
        if at.outside > 0.0 {
            clear = None;
        } else if at.distance.abs() >= rule.clear_m {
            if let Some((before, side)) = clear
                && side * at.distance < 0.0
                && p.t_s - before.t_s <= rule.within_s
            {
                crossed = Some((before, *p, side));
                break;
            }
            clear = Some((*p, at.distance.signum()));
        }
    }
    let (before, after, side) = crossed?;
    if !context.ended && context.now_s - after.t_s < rule.settle_s {
        return None;
    }
    if history.leaps(before.t_s, after.t_s) || before.distance_m(&after) < 2.0 * rule.clear_m {
        return None;
    }
    // It stayed over: a box that jumped aside for a moment came back.
    let back = |p: &&Point| p.t_s > after.t_s && past(p).outside <= 0.0 && past(p).distance * side >= rule.clear_m;
    if history.points().any(|p| back(&p) && p.t_s - after.t_s < rule.settle_s) {
        return None;
    }
    let act = history.points().find(|p| p.t_s > before.t_s && past(p).distance * side <= 0.0)?;
    let farthest = history.window(last.t_s, last.t_s - act.t_s);
    let over_m = farthest.map(|p| -past(p).distance * side).fold(0.0, f64::max);
    Some(Match {
        before_s: before.t_s,
        after_s: after.t_s,
        measured: quantities([("over_line_m", over_m), ("crossing_s", after.t_s - before.t_s)]),
        limit: quantities([("over_line_m", rule.clear_m), ("crossing_s", rule.within_s)]),
        lane: before.lane,
        certainty: if scene.ground.is_some() && !history.guessed { 1.0 } else { 0.8 },
        ..Match::at(RuleKind::SolidLine, act.t_s)
    })
}
