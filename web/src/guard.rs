//! What every request and every answer goes through: refusal of foreign writes, bounded bodies, protective headers,
//! compression.

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use tower_http::compression::{
    CompressionLayer,
    predicate::{DefaultPredicate, NotForContentType, Predicate},
};

use crate::{app::App, problem::Problem};

/// Bytes of a request body at most: the largest is a decision with a note.
const BODY_MAX: usize = 16 * 1024;

/// Scripts and styles come from us alone, none of them inline; nothing may frame the pages.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    media-src 'self' blob:; connect-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; \
    frame-ancestors 'none'";

/// A browser lets no other site send this header without asking us first, and we never agree.
const REQUEST_HEADER: HeaderName = HeaderName::from_static("x-stopline-request");

pub(crate) fn wrap(app: &Arc<App>, router: Router) -> Router {
    let compressible = DefaultPredicate::new().and(NotForContentType::const_new("video/"));
    router
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(middleware::from_fn(refuse_foreign_writes))
        .layer(CompressionLayer::new().compress_when(compressible))
        .layer(middleware::from_fn_with_state(app.clone(), protect))
}

async fn refuse_foreign_writes(request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    // A browser opens a socket to wherever a page says and sends our cookie along; only our own pages may.
    let socket = request.headers().contains_key(header::UPGRADE);
    if (socket && !is_our_origin(request.headers())) || (!reads && !is_ours(request.headers())) {
        return Problem::foreign_request().into_response();
    }
    next.run(request).await
}

/// Our own header, and where the browser tells the origin, ours.
fn is_ours(headers: &HeaderMap) -> bool {
    // A token is sent by nobody but who was given it: no other site can make a browser send one.
    if headers.contains_key(header::AUTHORIZATION) {
        return true;
    }
    headers.contains_key(REQUEST_HEADER) && is_our_origin(headers)
}

fn is_our_origin(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if text(HeaderName::from_static("sec-fetch-site")).is_some_and(|site| site != "same-origin" && site != "none") {
        return false;
    }
    match (headers.contains_key(header::ORIGIN), text(header::ORIGIN), text(header::HOST)) {
        (false, ..) => true,
        (true, Some(origin), Some(host)) => origin.split_once("://").is_some_and(|(_, authority)| authority == host),
        _ => false,
    }
}

async fn protect(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let api = request.uri().path().starts_with("/api/");
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| headers.insert(name, HeaderValue::from_static(value));
    set(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(header::REFERRER_POLICY, "no-referrer");
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    set(HeaderName::from_static("permissions-policy"), "camera=(), microphone=(), geolocation=(), payment=(), usb=()");
    if app.config.secure_cookies {
        set(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
    if api {
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    }
    response
}
