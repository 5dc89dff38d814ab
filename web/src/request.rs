//! Taking requests apart: every refused value is named.

use axum::{
    Json,
    extract::{FromRequest, FromRequestParts, Query, Request},
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use serde::de::DeserializeOwned;
use stopline_types::{CameraId, EventId, UtcUs};

use std::sync::Arc;

use crate::{app::App, grants::Reach, problem::Problem, roles::Right, secret::Secret, sessions::Account};

/// Rows of a page when none are asked for.
pub(crate) const PAGE_DEFAULT: u32 = 50;
/// Rows of a page at most.
pub(crate) const PAGE_MAX: u32 = 200;

/// A JSON body.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        // An object and nothing else: serde would take a list for a struct, field by field.
        match Json::<serde_json::Map<String, serde_json::Value>>::from_request(request, state).await {
            Ok(Json(object)) => serde_json::from_value(object.into())
                .map(Self)
                .map_err(|e| Problem::malformed(StatusCode::UNPROCESSABLE_ENTITY, e.to_string())),
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
            Err(e) => Err(Problem::malformed(StatusCode::BAD_REQUEST, e.body_text())),
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

/// Who asks, and for which right; put there by `access`.
#[derive(Clone)]
pub(crate) struct Entered {
    pub(crate) account: Arc<Account>,
    pub(crate) right: Option<Right>,
}

/// The signed-in user, with the reach of the right that the route asks for.
pub(crate) struct SignedIn(pub(crate) Arc<Account>);

impl FromRequestParts<Arc<App>> for SignedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _app: &Arc<App>) -> Result<Self, Problem> {
        let entered = parts.extensions.get::<Entered>().ok_or_else(Problem::not_signed_in)?;
        Ok(Self(Arc::clone(&entered.account)))
    }
}

/// The cameras within the reach of the right that the route asks for.
#[derive(Clone)]
pub(crate) struct Within {
    cameras: Option<Arc<Vec<CameraId>>>,
}

impl Within {
    /// `None`: all cameras, also such as are no longer configured.
    pub(crate) fn list(&self) -> Option<Vec<CameraId>> {
        self.cameras.as_ref().map(|cameras| cameras.to_vec())
    }

    pub(crate) fn has(&self, camera: &CameraId) -> bool {
        self.cameras.as_ref().is_none_or(|cameras| cameras.contains(camera))
    }

    /// Refuses what lies outside as if it were not there.
    pub(crate) fn need(&self, camera: &CameraId) -> Result<(), Problem> {
        if self.has(camera) { Ok(()) } else { Err(Problem::not_found("There is nothing under this address.")) }
    }

    pub(crate) async fn of(app: &App, account: &Account, right: Right) -> Result<Self, Problem> {
        let reach = account.reach(right);
        if reach == Reach::All {
            return Ok(Self { cameras: None });
        }
        let infos = app.ask(app.backend.camera_infos()).await?;
        let within = infos.into_iter().filter(|info| reach.covers(&info.site)).map(|info| info.camera);
        Ok(Self { cameras: Some(Arc::new(within.collect())) })
    }
}

impl FromRequestParts<Arc<App>> for Within {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let entered = parts.extensions.get::<Entered>().cloned().ok_or_else(Problem::not_signed_in)?;
        let right = entered.right.ok_or_else(|| Problem::fault(&"a route without a right asks for its reach"))?;
        Self::of(app, &entered.account, right).await
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
