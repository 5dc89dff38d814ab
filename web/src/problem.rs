//! Errors as clients see them: RFC 9457 problem details. Faults are logged here, once; their text stays inside.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use stopline_types::{UtcUs, Verdict};
use utoipa::ToSchema;

use crate::{BackendError, IdentityError};

/// One value that was refused.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct FieldError {
    /// The query parameter or body field.
    pub(crate) field: String,
    /// Why, and what was expected.
    pub(crate) reason: String,
}

/// The decision that stood in the way.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Conflict {
    /// Revision that holds now.
    pub(crate) revision: u32,
    /// The decision; null: nobody has decided.
    pub(crate) verdict: Option<Verdict>,
    /// Who decided; null: nobody.
    pub(crate) user: Option<String>,
    /// When; null: not yet.
    pub(crate) utc: Option<UtcUs>,
}

/// Problem details, media type `application/problem+json`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// `urn:stopline:` and one word a program can go by.
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    /// The kind of problem in plain English.
    pub(crate) title: &'static str,
    /// HTTP status.
    pub(crate) status: u16,
    /// This problem in plain English.
    pub(crate) detail: String,
    /// Values that were refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) errors: Vec<FieldError>,
    /// The decision that stood in the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) conflict: Option<Box<Conflict>>,
    /// Seconds until it is worth trying again; also in the header `Retry-After`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retry_after_s: Option<u64>,
}

impl Problem {
    fn new(status: StatusCode, kind: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind,
            title,
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            conflict: None,
            retry_after_s: None,
        }
    }

    pub(crate) fn not_signed_in() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "urn:stopline:not_signed_in",
            "Not signed in",
            "Sign in first; the session may have ended.",
        )
    }

    pub(crate) fn wrong_login() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "urn:stopline:wrong_login",
            "Log-in refused",
            "User name or password is wrong.",
        )
    }

    pub(crate) fn wrong_link() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "urn:stopline:wrong_link",
            "Log-in refused",
            "This log-in link was used before, has expired or was never made.",
        )
    }

    pub(crate) fn locked(retry_after_s: u64) -> Self {
        let detail = format!("Too many failed attempts for this user name. Try again in {retry_after_s} s.");
        let mut problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "urn:stopline:locked", "Too many attempts", detail);
        problem.retry_after_s = Some(retry_after_s);
        problem
    }

    pub(crate) fn too_many(wait_s: f64) -> Self {
        let detail = format!("Too many requests. Try again in {wait_s:.1} s.");
        let mut problem =
            Self::new(StatusCode::TOO_MANY_REQUESTS, "urn:stopline:too_many", "Too many requests", detail);
        problem.retry_after_s = Some(wait_s.ceil().max(1.0) as u64);
        problem
    }

    pub(crate) fn leased(user: &str, until: UtcUs) -> Self {
        let detail = format!("{user} has this case open until {until}.");
        let mut problem = Self::new(StatusCode::CONFLICT, "urn:stopline:leased", "Open elsewhere", detail);
        let conflict = Conflict { revision: 0, verdict: None, user: Some(user.to_owned()), utc: Some(until) };
        problem.conflict = Some(Box::new(conflict));
        problem
    }

    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "urn:stopline:conflict", "Not as things stand", detail)
    }

    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "urn:stopline:forbidden", "Not allowed", detail)
    }

    pub(crate) fn foreign_request() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "urn:stopline:foreign_request",
            "Request refused",
            "Requests that change something need the header X-Stopline-Request and must come from these pages.",
        )
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "urn:stopline:not_found", "Not found", detail)
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "urn:stopline:method_not_allowed",
            "Method not allowed",
            "This address does not take that method.",
        )
    }

    pub(crate) fn malformed(status: StatusCode, detail: impl Into<String>) -> Self {
        let (kind, title) = match status {
            StatusCode::PAYLOAD_TOO_LARGE => ("urn:stopline:too_large", "Body too large"),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => ("urn:stopline:media_type", "Body is not JSON"),
            _ => ("urn:stopline:malformed", "Request not understood"),
        };
        Self::new(status, kind, title, detail)
    }

    pub(crate) fn invalid(field: &str, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        let mut problem = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "urn:stopline:invalid",
            "Value refused",
            format!("{field}: {reason}"),
        );
        problem.errors.push(FieldError { field: field.to_owned(), reason });
        problem
    }

    pub(crate) fn decided(conflict: Conflict, detail: impl Into<String>) -> Self {
        let mut problem = Self::new(StatusCode::CONFLICT, "urn:stopline:decided", "Decided meanwhile", detail);
        problem.conflict = Some(Box::new(conflict));
        problem
    }

    pub(crate) fn not_confirmable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "urn:stopline:not_confirmable", "Cannot be confirmed", detail)
    }

    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
        let mut problem =
            Self::new(StatusCode::SERVICE_UNAVAILABLE, "urn:stopline:unavailable", "Not available now", detail);
        problem.retry_after_s = Some(5);
        problem
    }

    /// Logs the cause and tells only that something failed.
    pub(crate) fn fault(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "request failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "urn:stopline:fault",
            "Something failed here",
            "The cause is in the log of the engine.",
        )
    }
}

impl From<BackendError> for Problem {
    fn from(error: BackendError) -> Self {
        match error {
            BackendError::NotFound => Self::not_found("There is nothing under this address."),
            BackendError::Unavailable(reason) => Self::unavailable(reason),
            BackendError::Fault(cause) => Self::fault(&cause),
        }
    }
}

impl From<IdentityError> for Problem {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::Refused { field, reason } => Self::invalid(field, reason),
            IdentityError::UserName(_) => Self::invalid("name", "expected 1 to 64 of a-z, 0-9, '.', '_', '-'"),
            IdentityError::UserExists(_) => Self::conflict("There is a user of that name."),
            IdentityError::NoUser(_) => Self::not_found("There is no such user."),
            IdentityError::PasswordLength | IdentityError::PasswordPlain => {
                Self::invalid("password", error.to_string())
            }
            other => Self::fault(&other),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry = self.retry_after_s;
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = retry {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
