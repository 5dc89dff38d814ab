//! Reading the audit log.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    Right,
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
    /// The first entry that does not fit the one before it; null: the chain is whole.
    broken_at: Option<i64>,
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
    signed_in.need(Right::ReadAudit)?;
    let limit = page_size(params.limit)?;
    let before = params.before.unwrap_or(i64::MAX);
    app.note(&signed_in.0, "audit_read", "", "").await?;
    let page = app
        .database
        .run(move |db| {
            let broken_at = audit::verify(db)?.err();
            Ok(AuditPage { items: audit::read(db, before, limit)?, broken_at })
        })
        .await?;
    Ok(Json(page))
}
