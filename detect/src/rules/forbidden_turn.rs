//! A left or right turn that the scene forbids.

use stopline_types::RuleKind;

use super::{Context, Match, turns};

pub(super) fn check(context: Context<'_>) -> Option<Match> {
    turns::check(context, RuleKind::ForbiddenTurn, context.scene.rules.forbidden_turn)
}
