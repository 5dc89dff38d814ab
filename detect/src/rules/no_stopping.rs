//! Standing in a no-stopping zone longer than its dwell limit.

use stopline_types::{RuleKind, VehicleClass};

use super::{Context, Match, quantities};
use crate::scene::geometry::inside;
use crate::scene::{Zone, ZoneKind};

pub(super) fn check(context: Context<'_>) -> Option<Match> {
    let zones = context.scene.zones.iter().filter(|zone| zone.kind == ZoneKind::NoStopping);
    zones.into_iter().find_map(|zone| check_zone(context, zone))
}

fn check_zone(context: Context<'_>, zone: &Zone) -> Option<Match> {
    let Context { scene, history, .. } = context;
    if history.class == VehicleClass::Pedestrian {
        return None;
    }
    let rule = scene.rules.no_stopping;
    let last = history.last()?;
    let first = history.first()?;
    if last.t_s - first.t_s < zone.dwell_s || !inside(&zone.polygon, last.foot) {
        return None;
    }
    let still = |p: &&super::Point| p.distance_m(last) <= rule.still_m && inside(&zone.polygon, p.foot);
    let from = history.points().rev().take_while(still).last()?;
    let dwell = last.t_s - from.t_s;
    if dwell < zone.dwell_s {
        return None;
    }
    Some(Match {
        rule: RuleKind::NoStopping,
        act_s: last.t_s,
        before_s: from.t_s,
        after_s: last.t_s,
        measured: quantities([("dwell_s", dwell)]),
        limit: quantities([("dwell_s", zone.dwell_s)]),
        signal: None,
        lane: last.lane,
        certainty: if scene.ground.is_some() { 1.0 } else { 0.9 },
        shown_s: None,
        excess_kmh: None,
    })
}
