//! Driving on the pavement. Who only crosses it to a house may (Decree 168/2024, Art. 6 cl. 6): hence a distance along it.

use stopline_types::RuleKind;

use super::{Context, Match, zones};
use crate::scene::ZoneKind;

pub(super) fn check(context: Context<'_>) -> Option<Match> {
    zones::drives(context, RuleKind::Pavement, ZoneKind::Pavement, context.scene.rules.pavement)
}
