//! On a road or in an area that is closed to the class, or at that hour (truck hours are such).

use stopline_types::RuleKind;

use super::{Context, Match, zones};
use crate::scene::ZoneKind;

pub(super) fn check(context: Context<'_>) -> Option<Match> {
    zones::drives(context, RuleKind::NoEntry, ZoneKind::NoEntry, context.scene.rules.no_entry)
}
