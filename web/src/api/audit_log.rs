//! Reading the audit log.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    app::App,
    audit::{self, Entry},
    problem::Problem,
    request::{Params, SignedIn, page_size},
};

/// Which entries.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditParams {
    /// Only of this user.
    user: Option<String>,
    /// Only of this action, e.g. `plate_searched`.
    action: Option<String>,
    /// Only about this subject.
    subject: Option<String>,
    /// Only entries before this number.
    before: Option<i64>,
    /// Rows, 1 to 200; 50 if not given.
    limit: Option<u32>,
}

/// A page of the audit log, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditPage {
    /// The entries.
    items: Vec<Entry>,
    /// Give it as `before` for the next page; null: this was the last.
    next: Option<i64>,
}

/// Who looked at what and who decided what, newest first.
#[utoipa::path(get, path = "/audit", tag = "audit", params(AuditParams), responses(
    (status = 200, body = AuditPage),
    (status = 403, description = "the role does not allow it", body = Problem),
))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    signed_in: SignedIn,
    Params(params): Params<AuditParams>,
) -> Result<Json<AuditPage>, Problem> {
    let limit = page_size(params.limit)?;
    let short = |text: Option<String>, field| match text.filter(|text| !text.is_empty()) {
        Some(text) if text.chars().count() > 200 => Err(Problem::invalid(field, "expected at most 200 characters")),
        text => Ok(text),
    };
    let wanted = audit::Wanted {
        user: short(params.user, "user")?,
        action: short(params.action, "action")?,
        subject: short(params.subject, "subject")?,
    };
    let before = params.before.unwrap_or(i64::MAX);
    app.note(&signed_in.0, "audit_read", "", "").await?;
    let page = app
        .database
        .run(move |db| {
            let items = audit::read(db, before, limit, &wanted)?;
            let next = items.last().filter(|_| items.len() >= limit as usize).map(|last| last.seq);
            Ok(AuditPage { items, next })
        })
        .await?;
    Ok(Json(page))
}

/// Whether the log is whole.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditCheck {
    /// Entries that were followed.
    entries: i64,
    /// The first entry that does not fit the one before it; null: the chain is whole.
    broken_at: Option<i64>,
}

/// Follows the chain of hashes from the first entry to the last.
#[utoipa::path(get, path = "/audit/check", tag = "audit", responses((status = 200, body = AuditCheck)))]
pub(crate) async fn check(State(app): State<Arc<App>>, signed_in: SignedIn) -> Result<Json<AuditCheck>, Problem> {
    app.note(&signed_in.0, "audit_checked", "", "").await?;
    let found = app.database.run(audit::verify).await?;
    Ok(Json(match found {
        Ok(entries) => AuditCheck { entries, broken_at: None },
        Err(seq) => AuditCheck { entries: seq - 1, broken_at: Some(seq) },
    }))
}
