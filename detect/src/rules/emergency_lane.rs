//! Driving in the emergency lane or on the hard shoulder of an expressway. Who stands there is no case of this rule.

use stopline_types::RuleKind;

use super::{Context, Match, zones};
use crate::scene::ZoneKind;

pub(super) fn check(context: Context<'_>) -> Option<Match> {
    zones::drives(context, RuleKind::EmergencyLane, ZoneKind::EmergencyLane, context.scene.rules.emergency_lane)
}
