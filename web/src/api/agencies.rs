//! Agencies and site groups.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde::Deserialize;
use stopline_types::UtcUs;
use utoipa::ToSchema;

use crate::{
    Agency, agencies,
    app::App,
    audit,
    problem::Problem,
    request::{Body, SignedIn},
};

/// All agencies with their site groups, by code.
#[utoipa::path(get, path = "/agencies", tag = "users", responses((status = 200, body = Vec<Agency>)))]
pub(crate) async fn list(State(app): State<Arc<App>>, _signed_in: SignedIn) -> Result<Json<Vec<Agency>>, Problem> {
    Ok(Json(app.database.run(agencies::list).await?))
}

/// An agency.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AgencyBody {
    /// Its name, 1 to 200 characters.
    name: String,
    /// From when it is competent; null: always was.
    valid_from: Option<UtcUs>,
    /// Until when; null: still is. Roles bound to it end with it.
    valid_to: Option<UtcUs>,
}

/// Make an agency or change it.
#[utoipa::path(put, path = "/agencies/{code}", tag = "users", request_body = AgencyBody,
    params(("code" = String, Path, description = "1 to 32 letters, digits, '.', '_', '-'")),
    responses((status = 204, description = "kept"), (status = 422, description = "a value was refused", body = Problem)))]
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    SignedIn(account): SignedIn,
    Path(code): Path<String>,
    Body(body): Body<AgencyBody>,
) -> Result<StatusCode, Problem> {
    app.database
        .run(move |db| {
            agencies::put(db, &code, body.name.trim(), body.valid_from, body.valid_to)?;
            audit::append(db, &account.name, "agency_kept", &code, body.name.trim())
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A site group.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GroupBody {
    /// Its name, 1 to 200 characters.
    name: String,
    /// Code of the agency that owns it.
    agency: String,
    /// Its sites, as camera files name them.
    sites: Vec<String>,
}

/// Make a site group or change it.
#[utoipa::path(put, path = "/site-groups/{code}", tag = "users", request_body = GroupBody,
    params(("code" = String, Path, description = "1 to 32 letters, digits, '.', '_', '-'")),
    responses((status = 204, description = "kept"), (status = 422, description = "a value was refused", body = Problem)))]
pub(crate) async fn put_group(
    State(app): State<Arc<App>>,
    SignedIn(account): SignedIn,
    Path(code): Path<String>,
    Body(body): Body<GroupBody>,
) -> Result<StatusCode, Problem> {
    app.database
        .run(move |db| {
            agencies::put_group(db, &code, body.name.trim(), &body.agency, &body.sites)?;
            let detail = format!("{} {}", body.agency, body.sites.join(", "));
            audit::append(db, &account.name, "site_group_kept", &code, &detail)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Remove a site group that no role is bound to.
#[utoipa::path(delete, path = "/site-groups/{code}", tag = "users",
    params(("code" = String, Path, description = "the group")),
    responses((status = 204, description = "removed"), (status = 404, description = "no such group", body = Problem)))]
pub(crate) async fn remove_group(
    State(app): State<Arc<App>>,
    SignedIn(account): SignedIn,
    Path(code): Path<String>,
) -> Result<StatusCode, Problem> {
    let gone = app
        .database
        .run(move |db| {
            audit::append(db, &account.name, "site_group_removed", &code, "")?;
            agencies::remove_group(db, &code)
        })
        .await?;
    if gone { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::not_found("There is no such site group.")) }
}
