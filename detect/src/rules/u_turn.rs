//! Turning back where the scene forbids it.

use stopline_types::RuleKind;

use super::{Context, Match, turns};

pub(super) fn check(context: Context<'_>) -> Option<Match> {
    turns::check(context, RuleKind::UTurn, context.scene.rules.u_turn)
}
