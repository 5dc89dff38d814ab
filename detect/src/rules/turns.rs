//! A forbidden turn: from a lane to where a sign or an arrow forbids to go, told by the change of heading and, where the
//! scene draws one, by the exit. Decided when the vehicle has ended turning, because a left turn may become a U-turn.

use stopline_types::RuleKind;

use super::heading::{Ahead, Turned, headings};
use super::{Context, Match, quantities, two_wheels};
use crate::scene::geometry::inside;
use crate::scene::{ForbiddenTurn, Turn, TurnRuleConfig};

/// A turn has ended when the heading has changed by less than this over `ENDED_M`.
const ENDED_DEG: f64 = 12.0;
const ENDED_M: f64 = 3.0;
/// A turn is over within this time, seconds.
const WITHIN_S: f64 = 25.0;
/// In its lane a vehicle heads within this of the lane's direction, degrees.
const ALONG_DEG: f64 = 40.0;

/// Slower than this may be a walker, metres a second.
const WALKS_M_S: f64 = 2.0;

/// The turns of a rule: turning back, or the others.
pub(super) fn check(context: Context<'_>, rule: RuleKind, with: TurnRuleConfig) -> Option<Match> {
    let wanted = |t: &&ForbiddenTurn| (t.turn == Turn::UTurn) == (rule == RuleKind::UTurn);
    context.scene.turns.iter().filter(wanted).find_map(|turn| check_turn(context, rule, turn, with))
}

fn check_turn(context: Context<'_>, rule: RuleKind, turn: &ForbiddenTurn, with: TurnRuleConfig) -> Option<Match> {
    let Context { scene, history, .. } = context;
    let last = history.last()?;
    if !turn.concerns(history.class, last.time.utc) {
        return None;
    }
    let in_lane = |p: &&super::Point| p.lane.is_some_and(|lane| turn.from.contains(&lane));
    let left = history.window(last.t_s, WITHIN_S).rev().find(in_lane)?;
    let lane = &scene.lanes[left.lane?];
    let ahead = Ahead { px: lane.direction, ground: lane.direction_ground };
    // The last headings inside the lane tell that it came along it.
    let entered = history.window(left.t_s, WITHIN_S).find(in_lane)?;
    let all = headings(scene, history, ahead, entered.t_s, with.heading_m);
    if !all.iter().any(|h| h.t_s <= left.t_s + 1.0 && h.deg.abs() <= ALONG_DEG) {
        return None;
    }
    let after: Vec<Turned> = all.into_iter().filter(|h| h.t_s >= left.t_s).collect();
    let end = *after.last()?;
    let most = after.iter().fold(0.0, |m: f64, h| if h.deg.abs() > m.abs() { h.deg } else { m });
    let there =
        turn.exit.as_ref().is_none_or(|exit| history.points().any(|p| p.t_s > left.t_s && inside(exit, p.foot)));
    let settled = after.iter().rev().find(|h| end.way_m - h.way_m >= ENDED_M);
    let settled = settled.is_some_and(|h| (h.deg - end.deg).abs() < ENDED_DEG);
    let needed = if turn.turn == Turn::UTurn { with.back_deg } else { with.turn_deg };
    let side = match turn.turn {
        Turn::UTurn => most.abs() >= with.back_deg,
        // It must still head that way: a swerve round an obstacle comes back.
        Turn::Left => -most >= with.turn_deg && most > -with.back_deg && -end.deg >= 0.7 * with.turn_deg,
        Turn::Right => most >= with.turn_deg && most < with.back_deg && end.deg >= 0.7 * with.turn_deg,
    };
    let decided = turn.turn == Turn::UTurn || settled || context.ended || turn.exit.is_some();
    if !(side && there && decided) || history.leaps(left.t_s, end.t_s) {
        return None;
    }
    let act = after.iter().find(|h| h.deg.abs() >= needed)?;
    // A rider's track that went over to a pedestrian on the crossing turns at a walk.
    if two_wheels(history.class) && !history.pace_m_s(end.t_s, 1.0).is_some_and(|pace| pace >= WALKS_M_S) {
        return None;
    }
    Some(Match {
        before_s: left.t_s,
        after_s: end.t_s,
        measured: quantities([("turned_deg", most.abs())]),
        limit: quantities([("turned_deg", needed)]),
        lane: left.lane,
        certainty: if scene.ground.is_some() && settled { 1.0 } else { 0.8 },
        variant: Some(turn.turn.as_str()),
        ..Match::at(rule, act.t_s)
    })
}
