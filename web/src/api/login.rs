//! Coming in and going out.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{AppendHeaders, IntoResponse},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    IdentityError, PASSWORD_MAX, Right, Role, Users,
    app::App,
    audit,
    grants::Reach,
    now,
    problem::Problem,
    request::{Body, SignedIn, cookie_name, session_token},
    secret::Secret,
    sessions::{self, Account, Door},
};

/// Longest wait for a free place to hash a password.
const HASH_QUEUE: Duration = Duration::from_secs(5);

/// Name and password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    /// The user's name.
    name: String,
    /// The password.
    password: String,
}

/// The token of a one-time link.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LinkLogin {
    /// The token, 64 hexadecimal digits.
    token: String,
}

/// The signed-in user.
#[derive(Serialize, ToSchema)]
pub(crate) struct Me {
    /// The user's name.
    name: String,
    /// The roles that hold now.
    roles: Vec<Role>,
    /// What they allow.
    rights: Vec<Right>,
    /// True where every right holds everywhere; false: some hold at some sites only.
    everywhere: bool,
    /// The sites that any right reaches; null: all.
    sites: Option<Vec<String>>,
}

impl From<&Account> for Me {
    fn from(account: &Account) -> Self {
        let widest = account.rights.values().max_by_key(|reach| match reach {
            Reach::All => usize::MAX,
            Reach::Sites(sites) => sites.len(),
        });
        Self {
            name: account.name.clone(),
            roles: account.roles.clone(),
            rights: account.rights.keys().copied().collect(),
            everywhere: account.rights.values().all(|reach| *reach == Reach::All),
            sites: match widest {
                Some(Reach::Sites(sites)) => Some(sites.iter().cloned().collect()),
                Some(Reach::All) | None => None,
            },
        }
    }
}

fn cookie(app: &App, value: &str, max_age_s: u64) -> AppendHeaders<[(header::HeaderName, String); 1]> {
    let secure = app.config.secure_cookies;
    let mut text = format!("{}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={max_age_s}", cookie_name(secure));
    if secure {
        text.push_str("; Secure");
    }
    AppendHeaders([(header::SET_COOKIE, text)])
}

/// Ends the old session of this browser, starts one, and answers with it.
fn welcome(app: &App, account: Account, token: &Secret) -> impl IntoResponse + use<> {
    let max_age_s = (app.config.session_hours * 3600.0) as u64;
    (cookie(app, &token.text(), max_age_s), Json(Me::from(&account)))
}

/// What the browser calls itself.
fn agent(headers: &HeaderMap) -> String {
    headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

/// Sign in by name and password.
#[utoipa::path(post, path = "/login", tag = "session", request_body = Login, responses(
    (status = 200, description = "signed in; sets the session cookie", body = Me),
    (status = 401, description = "name or password wrong", body = Problem),
    (status = 429, description = "locked after repeated failures", body = Problem),
))]
pub(crate) async fn login(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Body(login): Body<Login>,
) -> Result<impl IntoResponse, Problem> {
    if login.name.is_empty() || login.name.len() > 64 {
        return Err(Problem::invalid("name", "expected 1 to 64 characters"));
    }
    if login.password.is_empty() || login.password.len() > PASSWORD_MAX {
        return Err(Problem::invalid("password", format!("expected 1 to {PASSWORD_MAX} bytes")));
    }
    let name = login.name.clone();
    let attempt = app.database.run(move |db| sessions::begin_attempt(db, &name, now())).await?;
    attempt.map_err(Problem::locked)?;

    let checked = {
        let _place = tokio::time::timeout(HASH_QUEUE, app.hashing.acquire())
            .await
            .map_err(|_| Problem::unavailable("Too many people sign in at this moment."))?;
        let users = app.users.clone();
        tokio::task::spawn_blocking(move || users.check_password(&login.name, &login.password))
            .await
            .map_err(|_| Problem::from(IdentityError::Interrupted))??
    };
    let Some(user_id) = checked else {
        tracing::warn!("log-in refused");
        return Err(Problem::wrong_login());
    };
    let old = session_token(&headers, app.config.secure_cookies);
    let agent = agent(&headers);
    let lasts_s = app.config.session_hours * 3600.0;
    let (account, token) = app
        .database
        .run(move |db| {
            let account = sessions::account(db, user_id, Door::Session(0), now())?;
            sessions::attempt_succeeded(db, &account.name)?;
            if let Some(old) = old {
                sessions::revoke(db, &old)?;
            }
            audit::append(db, &account.name, "signed_in", &account.name, "password")?;
            Ok((account, sessions::create(db, user_id, now(), lasts_s, &agent)?))
        })
        .await?;
    Ok(welcome(&app, account, &token))
}

/// Sign in by a one-time link. The page behind the link posts its token here.
#[utoipa::path(post, path = "/login/link", tag = "session", request_body = LinkLogin, responses(
    (status = 200, description = "signed in; sets the session cookie; the link is used up", body = Me),
    (status = 401, description = "used before, expired or never made", body = Problem),
))]
pub(crate) async fn login_by_link(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Body(link): Body<LinkLogin>,
) -> Result<impl IntoResponse, Problem> {
    let token = Secret::parse(&link.token).ok_or_else(Problem::wrong_link)?;
    let old = session_token(&headers, app.config.secure_cookies);
    let agent = agent(&headers);
    let lasts_s = app.config.session_hours * 3600.0;
    let signed_in = app
        .database
        .run(move |db| {
            let Some(user_id) = Users::redeem(db, &token, now())? else { return Ok(None) };
            let account = sessions::account(db, user_id, Door::Session(0), now())?;
            if let Some(old) = old {
                sessions::revoke(db, &old)?;
            }
            audit::append(db, &account.name, "signed_in", &account.name, "one-time link")?;
            Ok(Some((account, sessions::create(db, user_id, now(), lasts_s, &agent)?)))
        })
        .await?;
    let (account, token) = signed_in.ok_or_else(Problem::wrong_link)?;
    Ok(welcome(&app, account, &token))
}

/// Sign out: the session ends on the server, not only in this browser.
#[utoipa::path(post, path = "/logout", tag = "session", responses((status = 204, description = "signed out")))]
pub(crate) async fn logout(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<impl IntoResponse, Problem> {
    if let Some(token) = session_token(&headers, app.config.secure_cookies) {
        app.database
            .run(move |db| {
                if let Some(account) = sessions::find(db, &token, now())? {
                    audit::append(db, &account.name, "signed_out", &account.name, "")?;
                }
                sessions::revoke(db, &token)
            })
            .await?;
    }
    Ok((StatusCode::NO_CONTENT, cookie(&app, "", 0)))
}

/// The signed-in user.
#[utoipa::path(get, path = "/me", tag = "session", responses(
    (status = 200, body = Me),
    (status = 401, description = "not signed in", body = Problem),
))]
pub(crate) async fn me(SignedIn(account): SignedIn) -> Json<Me> {
    Json(account.as_ref().into())
}
