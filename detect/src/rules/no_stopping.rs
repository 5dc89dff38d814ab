//! Standing in a no-stopping zone longer than its dwell limit: temporary standstill, for boarding or loading (Law
//! 36/2024/QH15, Art. 18).

use stopline_types::RuleKind;

use super::{Context, Match, zones};
use crate::scene::ZoneKind;

pub(super) fn check(context: Context<'_>) -> Option<Match> {
    zones::stands(context, RuleKind::NoStopping, ZoneKind::NoStopping, context.scene.rules.no_stopping)
}
