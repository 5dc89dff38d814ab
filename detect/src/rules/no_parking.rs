//! Standing in a no-parking zone longer than its dwell limit: longer than boarding or loading takes (Law 36/2024/QH15,
//! Art. 18, knows no number of seconds; the site gives one).

use stopline_types::RuleKind;

use super::{Context, Match, zones};
use crate::scene::ZoneKind;

pub(super) fn check(context: Context<'_>) -> Option<Match> {
    zones::stands(context, RuleKind::NoParking, ZoneKind::NoParking, context.scene.rules.no_parking)
}
