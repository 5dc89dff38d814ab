//! Answers in the words of ClickHouse's HTTP interface.

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode},
};

/// A failed request: ClickHouse's code and text.
#[derive(Debug)]
pub(super) struct Failure {
    code: u32,
    text: String,
}

impl Failure {
    pub(super) fn new(code: u32, name: &str, message: impl std::fmt::Display) -> Self {
        Self { code, text: format!("Code: {code}. DB::Exception: {message}. ({name})") }
    }

    /// From the engine's own text, `Code: N. DB::Exception: …`.
    pub(super) fn from_engine(text: String) -> Self {
        let code = text.strip_prefix("Code: ").and_then(|rest| rest.split('.').next()).and_then(|n| n.parse().ok());
        // 1002: UNKNOWN_EXCEPTION.
        Self { code: code.unwrap_or(1002), text }
    }

    fn status(&self) -> StatusCode {
        match self.code {
            // Names, syntax, values and types the caller got wrong.
            6 | 26 | 27 | 33 | 36 | 38 | 41 | 42 | 43 | 44 | 46 | 47 | 50 | 53 | 62 | 69 | 70 | 72 | 73 | 115 | 117
            | 321 | 349 | 456 | 457 | 469 => StatusCode::BAD_REQUEST,
            // Unknown table, database, and the like.
            60 | 81 => StatusCode::NOT_FOUND,
            // Authentication failed.
            516 => StatusCode::UNAUTHORIZED,
            // Not allowed, read-only.
            164 | 497 => StatusCode::FORBIDDEN,
            // Request too large.
            AS_TOO_LARGE => StatusCode::PAYLOAD_TOO_LARGE,
            // Not implemented.
            48 => StatusCode::NOT_IMPLEMENTED,
            // Too many queries at once.
            202 => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    pub(super) fn into_response(self, query_id: &str) -> Response<Body> {
        let mut response = Response::new(Body::from(format!("{}\n", self.text)));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert("content-type", HeaderValue::from_static("text/plain; charset=UTF-8"));
        headers.insert("x-clickhouse-exception-code", HeaderValue::from(self.code));
        if self.code == 516 {
            headers.insert("www-authenticate", HeaderValue::from_static("Basic realm=\"ClickHouse\""));
        }
        insert(&mut response, "x-clickhouse-query-id", query_id);
        response
    }
}

/// HTTP_LENGTH / limits: ClickHouse's TOO_LARGE_SIZE_COMPRESSED has no better sibling.
pub(super) const AS_TOO_LARGE: u32 = 261;

/// Sets a header unless the value cannot stand in one.
pub(super) fn insert(response: &mut Response<Body>, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// The `Content-Type` of an output format.
pub(super) fn content_type(format: &str) -> &'static str {
    match format {
        "TabSeparated" | "TSV" | "TabSeparatedWithNames" | "TSVWithNames" => "text/tab-separated-values; charset=UTF-8",
        "CSV" | "CSVWithNames" => "text/csv; charset=UTF-8",
        "JSON" | "JSONCompact" => "application/json; charset=UTF-8",
        "JSONEachRow" => "application/x-ndjson; charset=UTF-8",
        _ => "application/octet-stream",
    }
}
