//! Who may ask what: one rule a route, and no route without one.
//!
//! The rule is applied before the handler runs, so a handler cannot forget it; a route that has no rule is closed to
//! everybody. What a handler still does itself is to keep to the *reach* of the right: the sites at which it holds.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use axum::{
    extract::{ConnectInfo, MatchedPath, Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{
    app::App,
    now,
    problem::Problem,
    request::{Entered, session_token},
    roles::Right,
    sessions::{self, Account},
    tokens,
};

/// What a route asks of who calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Nothing.
    Public,
    /// To be somebody.
    SignedIn,
    /// To be somebody who came by a session: no token may make tokens or change the password.
    Session,
    /// A right, somewhere at least.
    Needs(Right),
}

use Rule::{Needs, Public, Session, SignedIn};

/// Method, path and rule of every route below `/api`.
pub(crate) const RULES: &[(&str, &str, Rule)] = &[
    ("GET", "/api/openapi.json", Public),
    ("POST", "/api/login", Public),
    ("POST", "/api/login/link", Public),
    ("POST", "/api/logout", Public),
    ("GET", "/api/me", SignedIn),
    ("POST", "/api/me/password", Session),
    ("GET", "/api/me/sessions", Session),
    ("DELETE", "/api/me/sessions/{id}", Session),
    ("GET", "/api/me/tokens", Session),
    ("POST", "/api/me/tokens", Session),
    ("DELETE", "/api/me/tokens/{id}", Session),
    ("GET", "/api/users", Needs(Right::ManageUsers)),
    ("POST", "/api/users", Needs(Right::ManageUsers)),
    ("PATCH", "/api/users/{name}", Needs(Right::ManageUsers)),
    ("POST", "/api/users/{name}/grants", Needs(Right::ManageUsers)),
    ("DELETE", "/api/users/{name}/grants/{id}", Needs(Right::ManageUsers)),
    ("DELETE", "/api/users/{name}/sessions", Needs(Right::ManageUsers)),
    ("POST", "/api/users/{name}/link", Needs(Right::ManageUsers)),
    // The names of agencies are no secret: a case is transferred to one of them.
    ("GET", "/api/agencies", SignedIn),
    ("PUT", "/api/agencies/{code}", Needs(Right::ManageUsers)),
    ("PUT", "/api/site-groups/{code}", Needs(Right::ManageUsers)),
    ("DELETE", "/api/site-groups/{code}", Needs(Right::ManageUsers)),
    ("GET", "/api/audit", Needs(Right::ReadAudit)),
    ("GET", "/api/audit/check", Needs(Right::ReadAudit)),
    ("GET", "/api/reasons", SignedIn),
    ("GET", "/api/cases", Needs(Right::ReadCases)),
    ("GET", "/api/queue", Needs(Right::ReadCases)),
    ("GET", "/api/cases/{id}", Needs(Right::ReadCases)),
    ("GET", "/api/cases/{id}/related", Needs(Right::ReadCases)),
    ("GET", "/api/cases/{id}/evidence/{file}", Needs(Right::ReadCases)),
    ("POST", "/api/cases/{id}/decision", Needs(Right::Decide)),
    ("POST", "/api/cases/{id}/lease", Needs(Right::Decide)),
    ("DELETE", "/api/cases/{id}/lease", Needs(Right::Decide)),
    ("POST", "/api/cases/{id}/plate", Needs(Right::Decide)),
    ("POST", "/api/cases/{id}/accident", Needs(Right::Decide)),
    ("POST", "/api/cases/{id}/escalate", Needs(Right::Decide)),
    ("POST", "/api/cases/{id}/duplicate", Needs(Right::Decide)),
    ("POST", "/api/cases/{id}/transfer", Needs(Right::Transfer)),
    ("GET", "/api/precision", Needs(Right::ReadFigures)),
    ("GET", "/api/passages", Needs(Right::ReadHistory)),
    ("GET", "/api/counts", Needs(Right::ReadFigures)),
    ("GET", "/api/traffic", Needs(Right::ReadFigures)),
    ("GET", "/api/tally", Needs(Right::ReadFigures)),
    ("GET", "/api/offenders", Needs(Right::SearchPlates)),
    ("GET", "/api/scorecard", Needs(Right::ReadFigures)),
    ("GET", "/api/export/cases.csv", Needs(Right::Export)),
    ("GET", "/api/export/passages.csv", Needs(Right::Export)),
    ("GET", "/api/export/tally.csv", Needs(Right::Export)),
    ("GET", "/api/export/cases.parquet", Needs(Right::Export)),
    ("GET", "/api/export/passages.parquet", Needs(Right::Export)),
    ("GET", "/api/cameras", Needs(Right::Watch)),
    ("GET", "/api/cameras/{camera}/image", Needs(Right::Watch)),
    ("GET", "/api/cameras/{camera}/live", Needs(Right::Watch)),
    ("GET", "/api/cameras/{camera}/scene", Needs(Right::Watch)),
    ("PUT", "/api/cameras/{camera}/scene", Needs(Right::Operate)),
    ("POST", "/api/cameras/{camera}/scene/check", Needs(Right::Operate)),
    ("GET", "/api/sites", SignedIn),
    ("GET", "/api/health", SignedIn),
    ("GET", "/api/storage", Needs(Right::Operate)),
    ("GET", "/api/events", Needs(Right::Watch)),
];

/// The rule of a route.
pub(crate) fn rule(method: &str, path: &str) -> Option<Rule> {
    let method = if method == "HEAD" { "GET" } else { method };
    RULES.iter().find(|(m, p, _)| *m == method && *p == path).map(|(.., rule)| *rule)
}

/// Whether a path is UTF-8 once its `%XX` are taken as bytes.
fn is_text(path: &str) -> bool {
    let mut bytes = path.bytes();
    let mut decoded = Vec::with_capacity(path.len());
    while let Some(byte) = bytes.next() {
        let mut rest = bytes.clone();
        let hex = |digit: Option<u8>| digit.and_then(|digit| (digit as char).to_digit(16));
        match (byte, hex(rest.next()), hex(rest.next())) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high * 16 + low) as u8);
                bytes = rest;
            }
            _ => decoded.push(byte),
        }
    }
    std::str::from_utf8(&decoded).is_ok()
}

/// Applies the rule of the route, and the limits on how often one may ask.
pub(crate) async fn check(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    if !is_text(request.uri().path()) {
        return Problem::malformed(StatusCode::BAD_REQUEST, "the address is not UTF-8".to_owned()).into_response();
    }
    let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str).to_owned();
    let Some(rule) = rule(request.method().as_str(), &path) else {
        // Another method of a known path is answered by the router; anything else here is a route without a rule.
        if RULES.iter().any(|(_, known, _)| *known == path) && *request.method() != Method::HEAD {
            return next.run(request).await;
        }
        return Problem::fault(&format!("route {} {path} has no rule", request.method())).into_response();
    };
    let address = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    let account = match enter(&app, request.headers().clone()).await {
        Ok(account) => account,
        Err(problem) => return problem.into_response(),
    };
    let taken = match &account {
        Some(account) => app.per_user.take(account.id, Instant::now()),
        None => app.per_address.take(address, Instant::now()),
    };
    if let Err(wait_s) = taken {
        return Problem::too_many(wait_s).into_response();
    }
    if rule == Public {
        return next.run(request).await;
    }
    let Some(account) = account else { return Problem::not_signed_in().into_response() };
    let right = match rule {
        Public | SignedIn => None,
        Session if matches!(account.door, sessions::Door::Token(_)) => {
            return Problem::forbidden("An API token cannot do this; sign in by password.").into_response();
        }
        Session => None,
        Needs(right) if !account.may(right) => {
            return Problem::forbidden(format!("This needs the right {:?}.", right.as_str())).into_response();
        }
        Needs(right) => Some(right),
    };
    request.extensions_mut().insert(Entered { account: Arc::new(account), right });
    next.run(request).await
}

/// Who asks: by session cookie, or by token in `Authorization: Bearer`. A token that is none is refused outright, so
/// that nobody takes a public answer for a signed-in one.
async fn enter(app: &App, headers: HeaderMap) -> Result<Option<Account>, Problem> {
    if let Some(given) = headers.get(header::AUTHORIZATION) {
        let token = given.to_str().ok().and_then(|text| text.strip_prefix("Bearer ")).unwrap_or_default().to_owned();
        let found = app.database.run(move |db| tokens::find(db, token.trim(), now())).await?;
        return found.map(Some).ok_or_else(Problem::not_signed_in);
    }
    let Some(token) = session_token(&headers, app.config.secure_cookies) else { return Ok(None) };
    Ok(app.database.run(move |db| sessions::find(db, &token, now())).await?)
}
