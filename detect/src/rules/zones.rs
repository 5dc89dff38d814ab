//! What rules about zones share: a stay of standing, and a stay of driving.

use stopline_types::RuleKind;

use super::{Context, LEAST_HEIGHTS, Match, quantities};
use crate::scene::geometry::inside;
use crate::scene::{DrivesInConfig, NoStoppingConfig, Zone, ZoneKind};

fn of_kind(context: Context<'_>, kind: ZoneKind) -> impl Iterator<Item = &Zone> {
    let Context { scene, history, .. } = context;
    let last = history.last().map(|last| last.time.utc);
    scene
        .zones
        .iter()
        .filter(move |zone| zone.kind == kind && last.is_some_and(|utc| zone.concerns(history.class, utc)))
}

/// Stands in a zone of a kind longer than the zone allows. The hours are those of the moment it became too long.
pub(super) fn stands(context: Context<'_>, rule: RuleKind, kind: ZoneKind, with: NoStoppingConfig) -> Option<Match> {
    of_kind(context, kind).find_map(|zone| stands_in(context, rule, zone, with))
}

fn stands_in(context: Context<'_>, rule: RuleKind, zone: &Zone, with: NoStoppingConfig) -> Option<Match> {
    let Context { scene, history, .. } = context;
    let (first, last) = (history.first()?, history.last()?);
    if last.t_s - first.t_s < zone.dwell_s || !inside(&zone.polygon, last.foot) {
        return None;
    }
    let still = |p: &&super::Point| p.distance_m(last) <= with.still_m && inside(&zone.polygon, p.foot);
    let from = history.points().rev().take_while(still).last()?;
    let dwell = last.t_s - from.t_s;
    (dwell >= zone.dwell_s).then(|| Match {
        before_s: from.t_s,
        measured: quantities([("dwell_s", dwell)]),
        limit: quantities([("dwell_s", zone.dwell_s)]),
        lane: last.lane,
        certainty: if scene.ground.is_some() { 1.0 } else { 0.9 },
        ..Match::at(rule, last.t_s)
    })
}

/// Drives in a zone of a kind over a distance and a time.
pub(super) fn drives(context: Context<'_>, rule: RuleKind, kind: ZoneKind, with: DrivesInConfig) -> Option<Match> {
    of_kind(context, kind).find_map(|zone| drives_in(context, rule, zone, with))
}

fn drives_in(context: Context<'_>, rule: RuleKind, zone: &Zone, with: DrivesInConfig) -> Option<Match> {
    let Context { scene, history, .. } = context;
    let last = history.last()?;
    let from = history.points().rev().take_while(|p| inside(&zone.polygon, p.foot)).last()?;
    let (moved, dt) = (from.distance_m(last), last.t_s - from.t_s);
    let drove = moved >= with.distance_m
        && dt >= with.time_s - 1e-6
        && from.moved_heights(last) >= LEAST_HEIGHTS
        && from.moved_whole(last, history.class)
        && !history.leaps(from.t_s, last.t_s);
    drove.then(|| Match {
        before_s: from.t_s,
        measured: quantities([("in_zone_m", moved), ("in_zone_s", dt)]),
        limit: quantities([("in_zone_m", with.distance_m), ("in_zone_s", with.time_s)]),
        lane: last.lane,
        certainty: if scene.ground.is_some() && !history.guessed { 1.0 } else { 0.8 },
        ..Match::at(rule, last.t_s)
    })
}
