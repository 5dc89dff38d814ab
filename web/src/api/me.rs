//! One's own password, sessions and tokens.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use stopline_types::UtcUs;
use utoipa::ToSchema;

use crate::{
    IdentityError, PASSWORD_MAX,
    app::App,
    audit, now,
    problem::Problem,
    request::{Body, SignedIn},
    roles::Right,
    sessions::{self, SessionView},
    tokens::{self, TokenView},
};

/// Longest life of a token, days.
const TOKEN_DAYS_MAX: u32 = 366;

/// A new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordBody {
    /// The present one.
    old: String,
    /// The new one: 12 characters to 256 bytes.
    new: String,
}

/// Change one's own password; ends all of one's sessions, this one too. Wrong guesses of the present one lock as they
/// do when signing in.
#[utoipa::path(post, path = "/me/password", tag = "session", request_body = PasswordBody, responses(
    (status = 204, description = "changed; sign in again"),
    (status = 401, description = "the present password is wrong", body = Problem),
))]
pub(crate) async fn password(
    State(app): State<Arc<App>>,
    SignedIn(account): SignedIn,
    Body(body): Body<PasswordBody>,
) -> Result<StatusCode, Problem> {
    if body.old.len() > PASSWORD_MAX || body.new.len() > PASSWORD_MAX {
        return Err(Problem::invalid("new", format!("expected at most {PASSWORD_MAX} bytes")));
    }
    let name = account.name.clone();
    let attempt = app.database.run(move |db| sessions::begin_attempt(db, &name, now())).await?;
    attempt.map_err(Problem::locked)?;
    let _place = app.hashing.acquire().await.map_err(|e| Problem::fault(&e))?;
    let (users, name) = (app.users.clone(), account.name.clone());
    let changed = tokio::task::spawn_blocking(move || {
        if users.check_password(&name, &body.old)?.is_none() {
            return Ok::<_, IdentityError>(false);
        }
        users.set_password_as(&name, &name, &body.new).map(|()| true)
    });
    if changed.await.map_err(|_| Problem::from(IdentityError::Interrupted))?? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::wrong_login())
    }
}

/// One's own sessions, newest first.
#[utoipa::path(get, path = "/me/sessions", tag = "session", responses((status = 200, body = Vec<SessionView>)))]
pub(crate) async fn list_sessions(
    State(app): State<Arc<App>>,
    SignedIn(account): SignedIn,
) -> Result<Json<Vec<SessionView>>, Problem> {
    let (id, door) = (account.id, account.door);
    Ok(Json(app.database.run(move |db| sessions::list(db, id, door, now())).await?))
}

/// End one of one's own sessions.
#[utoipa::path(delete, path = "/me/sessions/{id}", tag = "session",
    params(("id" = i64, Path, description = "number of the session")),
    responses((status = 204, description = "ended"), (status = 404, description = "no such session", body = Problem)))]
pub(crate) async fn end_session(
    State(app): State<Arc<App>>,
    SignedIn(account): SignedIn,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id = number(&id)?;
    let ended = app
        .database
        .run(move |db| {
            audit::append(db, &account.name, "session_ended", &account.name, &id.to_string())?;
            sessions::revoke_one(db, account.id, id)
        })
        .await?;
    if ended { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::not_found("There is no such session.")) }
}

/// A token to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenBody {
    /// What it is for, 1 to 100 characters.
    name: String,
    /// What it allows: one's own rights or fewer.
    rights: Vec<Right>,
    /// Days until it ends, 1 to 366.
    days: u32,
}

/// A token as made: shown once.
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenMade {
    /// Its number.
    id: i64,
    /// Sent as `Authorization: Bearer …`. It is shown this once.
    token: String,
    /// When it ends.
    expires: UtcUs,
}

/// One's own API tokens, newest first.
#[utoipa::path(get, path = "/me/tokens", tag = "session", responses((status = 200, body = Vec<TokenView>)))]
pub(crate) async fn list_tokens(
    State(app): State<Arc<App>>,
    SignedIn(account): SignedIn,
) -> Result<Json<Vec<TokenView>>, Problem> {
    Ok(Json(app.database.run(move |db| tokens::list(db, account.id)).await?))
}

/// Make an API token with a part of one's own rights.
#[utoipa::path(post, path = "/me/tokens", tag = "session", request_body = TokenBody, responses(
    (status = 201, body = TokenMade),
    (status = 422, description = "a right one does not have, or another value refused", body = Problem),
))]
pub(crate) async fn make_token(
    State(app): State<Arc<App>>,
    SignedIn(account): SignedIn,
    Body(body): Body<TokenBody>,
) -> Result<(StatusCode, Json<TokenMade>), Problem> {
    let name = body.name.trim().to_owned();
    if name.is_empty() || name.chars().count() > 100 {
        return Err(Problem::invalid("name", "expected 1 to 100 characters"));
    }
    if !(1..=TOKEN_DAYS_MAX).contains(&body.days) {
        return Err(Problem::invalid("days", format!("expected 1 to {TOKEN_DAYS_MAX}")));
    }
    if body.rights.is_empty() || body.rights.len() > Right::ALL.len() {
        return Err(Problem::invalid("rights", "expected one or more rights"));
    }
    if let Some(right) = body.rights.iter().find(|&&right| !account.may(right)) {
        return Err(Problem::invalid("rights", format!("{} is not yours to give", right.as_str())));
    }
    let at = now();
    let expires = at.plus_s(f64::from(body.days) * 86_400.0);
    let (id, token) = app
        .database
        .run(move |db| {
            let words: Vec<_> = body.rights.iter().map(|right| right.as_str()).collect();
            audit::append(db, &account.name, "token_made", &name, &words.join(" "))?;
            tokens::create(db, account.id, &name, &body.rights, at, expires)
        })
        .await?;
    Ok((StatusCode::CREATED, Json(TokenMade { id, token, expires })))
}

/// Take an API token back.
#[utoipa::path(delete, path = "/me/tokens/{id}", tag = "session",
    params(("id" = i64, Path, description = "number of the token")),
    responses((status = 204, description = "taken back"), (status = 404, description = "no such token", body = Problem)))]
pub(crate) async fn revoke_token(
    State(app): State<Arc<App>>,
    SignedIn(account): SignedIn,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id = number(&id)?;
    let gone = app
        .database
        .run(move |db| {
            audit::append(db, &account.name, "token_revoked", &id.to_string(), "")?;
            tokens::revoke(db, account.id, id)
        })
        .await?;
    if gone { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::not_found("There is no such token.")) }
}

pub(super) fn number(text: &str) -> Result<i64, Problem> {
    text.parse().map_err(|_| Problem::invalid("id", "expected a whole number"))
}
