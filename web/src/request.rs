//! Taking requests apart: every refused value is named.

use axum::{
    Json,
    extract::{FromRequest, FromRequestParts, Query, Request, rejection::JsonRejection},
    http::{HeaderMap, header, request::Parts},
};
use serde::de::DeserializeOwned;
use stopline_types::{CameraId, EventId, UtcUs};

use std::sync::Arc;

use crate::{
    app::App,
    now,
    problem::Problem,
    secret::Secret,
    sessions::{self, Account},
    users::Right,
};

/// Rows of a page when none are asked for.
pub(crate) const PAGE_DEFAULT: u32 = 50;
/// Rows of a page at most.
pub(crate) const PAGE_MAX: u32 = 200;

/// A JSON body.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(value)) => Ok(Self(value)),
            Err(JsonRejection::JsonDataError(e)) => Err(Problem::malformed(e.status(), e.body_text())),
            Err(JsonRejection::JsonSyntaxError(e)) => Err(Problem::malformed(e.status(), e.body_text())),
            Err(e) => Err(Problem::malformed(e.status(), e.body_text())),
        }
    }
}

/// Query parameters.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(Self(value)),
            Err(e) => Err(Problem::malformed(axum::http::StatusCode::BAD_REQUEST, e.body_text())),
        }
    }
}

/// The name of the session cookie. The prefix `__Host-` makes browsers refuse it from other hosts and plain HTTP.
pub(crate) fn cookie_name(secure: bool) -> &'static str {
    if secure { "__Host-stopline" } else { "stopline_session" }
}

/// The session token a request carries.
pub(crate) fn session_token(headers: &HeaderMap, secure: bool) -> Option<Secret> {
    let name = cookie_name(secure);
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|pair| {
            let (key, value) = pair.trim().split_once('=')?;
            Secret::parse(value).filter(|_| key == name)
        })
}

/// The signed-in user, who may look. Further rights are asked for by the handler.
pub(crate) struct SignedIn(pub(crate) Account);

impl SignedIn {
    pub(crate) fn need(&self, right: Right) -> Result<(), Problem> {
        if self.0.may(right) {
            return Ok(());
        }
        let needed = match right {
            Right::Look => "looking",
            Right::Decide => "deciding about violations",
            Right::ReopenAny => "taking back another person's decision",
            Right::ReadAudit => "reading the audit log",
        };
        Err(Problem::forbidden(format!("Role {} does not allow {needed}.", self.0.role.as_str())))
    }
}

impl FromRequestParts<Arc<App>> for SignedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let token = session_token(&parts.headers, app.config.secure_cookies).ok_or_else(Problem::not_signed_in)?;
        let account = app.database.run(move |db| sessions::find(db, &token, now())).await?;
        let signed_in = Self(account.ok_or_else(Problem::not_signed_in)?);
        signed_in.need(Right::Look)?;
        Ok(signed_in)
    }
}

pub(crate) fn event_id(field: &str, text: &str) -> Result<EventId, Problem> {
    EventId::parse(text).map_err(|_| Problem::invalid(field, "expected 32 hexadecimal digits"))
}

pub(crate) fn camera_id(field: &str, text: &str) -> Result<CameraId, Problem> {
    CameraId::new(text).map_err(|_| Problem::invalid(field, "expected 1 to 64 of a-z, 0-9, '-', '_'"))
}

/// A value given by one of a list of words.
pub(crate) fn word<T>(
    field: &str,
    text: Option<&str>,
    all: impl IntoIterator<Item = T>,
    name: impl Fn(&T) -> &'static str,
) -> Result<Option<T>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let mut words = Vec::new();
    for value in all {
        if name(&value) == text {
            return Ok(Some(value));
        }
        words.push(name(&value));
    }
    Err(Problem::invalid(field, format!("expected one of {}", words.join(", "))))
}

/// An instant given as RFC 3339.
pub(crate) fn instant(field: &str, text: Option<&str>) -> Result<Option<UtcUs>, Problem> {
    // A '+' that was not percent-encoded arrives as a space: `…T14:30:00 07:00` can only mean that.
    let Some(text) = text.map(|t| t.replace(' ', "+")) else { return Ok(None) };
    UtcUs::parse(&text)
        .map(Some)
        .map_err(|_| Problem::invalid(field, "expected an RFC 3339 instant such as 2026-11-21T07:30:00Z"))
}

/// A span of time; `from` must come before `to`.
pub(crate) fn span(from: Option<&str>, to: Option<&str>) -> Result<(Option<UtcUs>, Option<UtcUs>), Problem> {
    let (from, to) = (instant("from", from)?, instant("to", to)?);
    match (from, to) {
        (Some(from), Some(to)) if from >= to => Err(Problem::invalid("to", "expected an instant after from")),
        span => Ok(span),
    }
}

pub(crate) fn page_size(limit: Option<u32>) -> Result<u32, Problem> {
    match limit.unwrap_or(PAGE_DEFAULT) {
        n @ 1..=PAGE_MAX => Ok(n),
        _ => Err(Problem::invalid("limit", format!("expected 1 to {PAGE_MAX}"))),
    }
}

/// Where the next page begins, as text: microseconds, a dot, the id.
pub(crate) fn cursor_text(utc: UtcUs, id: EventId) -> String {
    format!("{}.{id}", utc.0)
}

pub(crate) fn cursor(text: Option<&str>) -> Result<Option<(UtcUs, EventId)>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let parsed = text.split_once('.').and_then(|(utc, id)| Some((UtcUs(utc.parse().ok()?), EventId::parse(id).ok()?)));
    parsed.map(Some).ok_or_else(|| Problem::invalid("after", "expected the value of next of an earlier page"))
}
