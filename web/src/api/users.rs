//! Looking after users.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::me::number;
use crate::{
    IdentityError, NewGrant, PASSWORD_MAX, User,
    app::App,
    audit, grants,
    problem::Problem,
    request::{Body, SignedIn},
    roles::Role,
    users,
};

/// How long a log-in link works.
const LINK_VALID: Duration = Duration::from_secs(15 * 60);

/// All users, by name.
#[utoipa::path(get, path = "/users", tag = "users", responses((status = 200, body = Vec<User>)))]
pub(crate) async fn list(State(app): State<Arc<App>>, _signed_in: SignedIn) -> Result<Json<Vec<User>>, Problem> {
    let users = app.users.clone();
    Ok(Json(blocking(move || users.list()).await?))
}

/// A user to be added.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserBody {
    /// Unique name: 1 to 64 of `a-z 0-9 . _ -`.
    name: String,
    /// 12 characters to 256 bytes.
    password: String,
    /// The first role; without one the user can sign in and do nothing.
    grant: Option<NewGrant>,
}

/// Add a user.
#[utoipa::path(post, path = "/users", tag = "users", request_body = UserBody, responses(
    (status = 201, description = "added"),
    (status = 409, description = "the name is taken", body = Problem),
    (status = 422, description = "a value was refused", body = Problem),
))]
pub(crate) async fn add(
    State(app): State<Arc<App>>,
    SignedIn(account): SignedIn,
    Body(body): Body<UserBody>,
) -> Result<StatusCode, Problem> {
    if body.password.len() > PASSWORD_MAX {
        return Err(Problem::invalid("password", format!("expected at most {PASSWORD_MAX} bytes")));
    }
    let _place = app.hashing.acquire().await.map_err(|e| Problem::fault(&e))?;
    let (users, database) = (app.users.clone(), app.database.clone());
    blocking(move || {
        // The role of the user's row only says what it began as; what counts are the grants.
        users.add_as(
            &account.name,
            &body.name,
            body.grant.as_ref().map_or(Role::Viewer, |g| g.role),
            &body.password,
        )?;
        database.with(|db| {
            let id = users::id_of(db, &body.name)?;
            db.execute("DELETE FROM grants WHERE user_id = ?1", [id])?;
            if let Some(grant) = &body.grant {
                grants::add(db, id, grant)?;
                audit::append(db, &account.name, "grant_added", &body.name, &grant.words())?;
            }
            Ok(())
        })
    })
    .await?;
    Ok(StatusCode::CREATED)
}

/// What to change about a user.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserChange {
    /// Shut out, or let in again; shutting out ends all sessions and tokens.
    disabled: Option<bool>,
    /// Another password; ends all sessions.
    password: Option<String>,
}

/// Change a user.
#[utoipa::path(patch, path = "/users/{name}", tag = "users", request_body = UserChange,
    params(("name" = String, Path, description = "the user")),
    responses((status = 204, description = "changed"), (status = 404, description = "no such user", body = Problem)))]
pub(crate) async fn change(
    State(app): State<Arc<App>>,
    SignedIn(account): SignedIn,
    Path(name): Path<String>,
    Body(body): Body<UserChange>,
) -> Result<StatusCode, Problem> {
    if body.password.as_ref().is_some_and(|password| password.len() > PASSWORD_MAX) {
        return Err(Problem::invalid("password", format!("expected at most {PASSWORD_MAX} bytes")));
    }
    if body.disabled == Some(true) && name == account.name {
        return Err(Problem::conflict("You cannot shut yourself out."));
    }
    let _place = app.hashing.acquire().await.map_err(|e| Problem::fault(&e))?;
    let users = app.users.clone();
    blocking(move || {
        if let Some(password) = &body.password {
            users.set_password_as(&account.name, &name, password)?;
        }
        match body.disabled {
            Some(disabled) => users.set_disabled_as(&account.name, &name, disabled),
            None => Ok(()),
        }
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give a user a role, within an agency, a site group and two dates.
#[utoipa::path(post, path = "/users/{name}/grants", tag = "users", request_body = NewGrant,
    params(("name" = String, Path, description = "the user")),
    responses((status = 201, description = "given"), (status = 404, description = "no such user", body = Problem)))]
pub(crate) async fn grant(
    State(app): State<Arc<App>>,
    SignedIn(account): SignedIn,
    Path(name): Path<String>,
    Body(grant): Body<NewGrant>,
) -> Result<StatusCode, Problem> {
    if name == account.name {
        return Err(Problem::conflict("You cannot give yourself a role; another administrator must."));
    }
    app.database
        .run(move |db| {
            grants::add(db, users::id_of(db, &name)?, &grant)?;
            audit::append(db, &account.name, "grant_added", &name, &grant.words())
        })
        .await?;
    Ok(StatusCode::CREATED)
}

/// Take a role away.
#[utoipa::path(delete, path = "/users/{name}/grants/{id}", tag = "users",
    params(("name" = String, Path, description = "the user"), ("id" = i64, Path, description = "number of the grant")),
    responses((status = 204, description = "taken away"), (status = 404, description = "no such grant", body = Problem)))]
pub(crate) async fn ungrant(
    State(app): State<Arc<App>>,
    SignedIn(account): SignedIn,
    Path((name, id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let id = number(&id)?;
    if name == account.name {
        return Err(Problem::conflict("You cannot take your own role away; another administrator must."));
    }
    let gone = app
        .database
        .run(move |db| {
            let user = users::id_of(db, &name)?;
            let gone = db.execute("DELETE FROM grants WHERE user_id = ?1 AND id = ?2", [user, id])? == 1;
            audit::append(db, &account.name, "grant_removed", &name, &id.to_string())?;
            Ok(gone)
        })
        .await?;
    if gone { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::not_found("There is no such grant.")) }
}

/// End all sessions of a user and take back all of their tokens.
#[utoipa::path(delete, path = "/users/{name}/sessions", tag = "users",
    params(("name" = String, Path, description = "the user")),
    responses((status = 204, description = "ended"), (status = 404, description = "no such user", body = Problem)))]
pub(crate) async fn end_sessions(
    State(app): State<Arc<App>>,
    SignedIn(account): SignedIn,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    app.database
        .run(move |db| {
            let user = users::id_of(db, &name)?;
            db.execute("DELETE FROM sessions WHERE user_id = ?1", [user])?;
            db.execute("DELETE FROM tokens WHERE user_id = ?1", [user])?;
            audit::append(db, &account.name, "sessions_ended", &name, "")
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A log-in link.
#[derive(Serialize, ToSchema)]
pub(crate) struct Link {
    /// Path and query below the address of the pages. Whoever has it can come in, once.
    path: String,
    /// Until when it works.
    expires: stopline_types::UtcUs,
}

/// Make a link that lets a user in once within 15 minutes.
#[utoipa::path(post, path = "/users/{name}/link", tag = "users",
    params(("name" = String, Path, description = "the user")),
    responses((status = 201, body = Link), (status = 404, description = "no such user", body = Problem)))]
pub(crate) async fn link(
    State(app): State<Arc<App>>,
    SignedIn(account): SignedIn,
    Path(name): Path<String>,
) -> Result<(StatusCode, Json<Link>), Problem> {
    let users = app.users.clone();
    let link = blocking(move || users.link_as(&account.name, &name, LINK_VALID)).await?;
    Ok((StatusCode::CREATED, Json(Link { path: link.path, expires: link.expires })))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, IdentityError> + Send + 'static,
) -> Result<T, Problem> {
    Ok(tokio::task::spawn_blocking(work).await.map_err(|_| IdentityError::Interrupted)??)
}
