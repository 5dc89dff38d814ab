//! Coming in: passwords, lock-out, one-time links, sessions, foreign requests.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::time::Duration;

use axum::{
    body::Body,
    http::{StatusCode, header},
};
use common::site::{PASSWORD, site, site_with};
use stopline_web::{IdentityError, Role};

fn login(name: &str, password: &str) -> String {
    format!(r#"{{"name":"{name}","password":"{password}"}}"#)
}

#[tokio::test]
async fn nobody_looks_without_signing_in() {
    let site = site();
    let stranger = site.stranger();
    for path in ["me", "cases", "passages", "counts", "traffic", "cameras", "health", "events", "audit"] {
        let told = stranger.get(&format!("/api/{path}")).await;
        assert_eq!(told.status, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(told.kind(), "not_signed_in");
    }
    assert_eq!(stranger.decide(0, "confirmed", None, 0).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_session_begins_and_ends_on_the_server() {
    let site = site();
    let stranger = site.stranger();
    let told = stranger.post("/api/login", &login("an", PASSWORD)).await;
    assert_eq!(told.status, StatusCode::OK);
    let cookie = told.headers[header::SET_COOKIE].to_str().unwrap().to_owned();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let an = site.person("an").await;
    let me = an.get("/api/me").await;
    assert_eq!((me.body["name"].as_str(), me.body["roles"][0].as_str()), (Some("an"), Some("reviewer")));
    assert_eq!(an.post("/api/logout", "{}").await.status, StatusCode::NO_CONTENT);
    assert_eq!(an.get("/api/me").await.status, StatusCode::UNAUTHORIZED, "the cookie is worth nothing now");
}

#[tokio::test]
async fn secure_cookies_are_bound_to_the_host() {
    let site = site_with(|config| config.secure_cookies = true);
    let told = site.stranger().post("/api/login", &login("an", PASSWORD)).await;
    let cookie = told.headers[header::SET_COOKIE].to_str().unwrap();
    assert!(cookie.starts_with("__Host-stopline=") && cookie.ends_with("; Secure"), "{cookie}");
    assert!(told.headers.contains_key(header::STRICT_TRANSPORT_SECURITY));
}

#[tokio::test]
async fn unknown_names_and_wrong_passwords_look_alike_and_lock_alike() {
    let site = site();
    let stranger = site.stranger();
    let mut answers = Vec::new();
    for name in ["an", "nobody"] {
        let mut seen = Vec::new();
        for _ in 0..6 {
            let told = stranger.post("/api/login", &login(name, "not the password")).await;
            seen.push((told.status, told.body["detail"].clone()));
        }
        assert_eq!(seen[0].0, StatusCode::UNAUTHORIZED);
        assert_eq!(seen[5].0, StatusCode::TOO_MANY_REQUESTS);
        answers.push(seen.into_iter().map(|(status, _)| status).collect::<Vec<_>>());
    }
    assert_eq!(answers[0], answers[1]);
    let told = stranger.post("/api/login", &login("an", PASSWORD)).await;
    assert_eq!(told.kind(), "locked", "not even with the right password");
    assert!(told.headers.contains_key(header::RETRY_AFTER));
    site.person("binh").await;
    // A one-time link still lets the person in.
    let link = site.web.users().one_time_link("an", Duration::from_secs(60)).unwrap();
    let token = link.path.split("token=").nth(1).unwrap();
    let told = stranger.post("/api/login/link", &format!(r#"{{"token":"{token}"}}"#)).await;
    assert_eq!(told.status, StatusCode::OK);
}

#[tokio::test]
async fn a_link_works_once_and_not_for_ever() {
    let site = site();
    let stranger = site.stranger();
    let users = site.web.users();
    let enter = |path: String| {
        let token = path.split("token=").nth(1).unwrap().to_owned();
        let stranger = &stranger;
        async move { stranger.post("/api/login/link", &format!(r#"{{"token":"{token}"}}"#)).await }
    };
    let link = users.one_time_link("an", Duration::from_secs(60)).unwrap();
    assert!(!format!("{link:?}").contains("token="), "debug output tells no secret");
    assert_eq!(enter(link.path.clone()).await.status, StatusCode::OK);
    assert_eq!(enter(link.path).await.kind(), "wrong_link");
    let expired = users.one_time_link("an", Duration::ZERO).unwrap();
    assert_eq!(enter(expired.path).await.kind(), "wrong_link");
    let shut_out = users.one_time_link("binh", Duration::from_secs(60)).unwrap();
    users.set_disabled("binh", true).unwrap();
    assert_eq!(enter(shut_out.path).await.kind(), "wrong_link");
    for made_up in ["", "zz", &"0".repeat(64)] {
        let told = stranger.post("/api/login/link", &format!(r#"{{"token":"{made_up}"}}"#)).await;
        assert_eq!(told.kind(), "wrong_link", "{made_up:?}");
    }
    assert!(matches!(users.one_time_link("nobody", Duration::ZERO), Err(IdentityError::NoUser(_))));
}

#[tokio::test]
async fn shutting_out_and_new_passwords_end_sessions_at_once() {
    let site = site();
    let (an, binh) = (site.person("an").await, site.person("binh").await);
    site.web.users().set_disabled("an", true).unwrap();
    assert_eq!(an.get("/api/me").await.status, StatusCode::UNAUTHORIZED);
    let told = site.stranger().post("/api/login", &login("an", PASSWORD)).await;
    assert_eq!(told.kind(), "wrong_login");
    site.web.users().set_password("binh", "another long word").unwrap();
    assert_eq!(binh.get("/api/me").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn there_is_no_user_until_one_is_added_and_no_weak_password() {
    let dir = tempfile::tempdir().unwrap();
    let users = stopline_web::Users::open(dir.path()).unwrap();
    assert!(users.list().unwrap().is_empty());
    assert!(matches!(users.add("an", Role::Viewer, "short"), Err(IdentityError::PasswordLength)));
    assert!(matches!(users.add("an", Role::Viewer, &"x".repeat(300)), Err(IdentityError::PasswordLength)));
    assert!(matches!(users.add("an", Role::Viewer, "aaaaaaaaaaaaaaaa"), Err(IdentityError::PasswordPlain)));
    assert!(matches!(users.add("minh", Role::Viewer, "minh-mat-khau-1"), Err(IdentityError::PasswordPlain)));
    assert!(matches!(users.add("../an", Role::Viewer, PASSWORD), Err(IdentityError::UserName(_))));
    users.add("an", Role::Viewer, PASSWORD).unwrap();
    assert!(matches!(users.add("an", Role::Admin, PASSWORD), Err(IdentityError::UserExists(_))));
    let file = std::fs::read(dir.path().join("web.sqlite")).unwrap();
    let wal = std::fs::read(dir.path().join("web.sqlite-wal")).unwrap_or_default();
    for bytes in [file, wal] {
        assert!(!bytes.windows(PASSWORD.len()).any(|part| part == PASSWORD.as_bytes()), "no password in the file");
    }
}

#[tokio::test]
async fn writes_from_elsewhere_are_refused() {
    let site = site();
    let an = site.person("an").await;
    let path = format!("/api/cases/{}/decision", common::made::violation(0).id);
    let body = || Body::from(r#"{"verdict":"confirmed","revision":0}"#);
    let json = |request: axum::http::request::Builder| request.header(header::CONTENT_TYPE, "application/json");
    let bare = an.ask(json(an.request("POST", &path)).body(body()).unwrap()).await;
    assert_eq!(bare.kind(), "foreign_request", "without our header");
    let ours = |origin: &str| {
        json(an.request("POST", &path)).header("x-stopline-request", "1").header(header::ORIGIN, origin).body(body())
    };
    for origin in ["http://evil.example", "null", "http://localhost.evil.example"] {
        assert_eq!(an.ask(ours(origin).unwrap()).await.kind(), "foreign_request", "{origin}");
    }
    let cross =
        json(an.request("POST", &path)).header("x-stopline-request", "1").header("sec-fetch-site", "cross-site");
    assert_eq!(an.ask(cross.body(body()).unwrap()).await.kind(), "foreign_request");
    let told = an.ask(ours("http://localhost").unwrap()).await;
    assert_eq!(told.status, StatusCode::OK, "{}", told.body);
}

#[tokio::test]
async fn every_answer_is_protected() {
    let site = site();
    for path in ["/", "/review/x", "/api/me", "/api/nothing", "/assets/none.js"] {
        let told = site.stranger().get(path).await;
        let policy = told.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(told.headers["x-content-type-options"], "nosniff");
        assert_eq!(told.headers["referrer-policy"], "no-referrer");
    }
    assert_eq!(site.stranger().get("/api/me").await.headers[header::CACHE_CONTROL], "no-store");
    assert_eq!(site.stranger().get("/api/nothing").await.kind(), "not_found");
    assert_eq!(site.stranger().get("/assets/none.js").await.kind(), "not_found");
    let told = site.stranger().ask(site.stranger().request("GET", "/api/login").body(Body::empty()).unwrap()).await;
    assert_eq!(told.kind(), "method_not_allowed");
}

#[tokio::test]
async fn bodies_are_bounded_and_understood() {
    let site = site();
    let stranger = site.stranger();
    let told = stranger.post("/api/login", &login("an", &"x".repeat(20_000))).await;
    assert_eq!((told.status, told.kind()), (StatusCode::PAYLOAD_TOO_LARGE, "too_large"));
    let told = stranger.post("/api/login", &login("an", &"x".repeat(300))).await;
    assert_eq!(told.field(), "password");
    assert_eq!(stranger.post("/api/login", "{").await.kind(), "malformed");
    let told = stranger.post("/api/login", r#"{"name":"an","password":"x","admin":true}"#).await;
    assert!(told.body["detail"].as_str().unwrap().contains("admin"), "the unknown key is named: {}", told.body);
    let request = stranger.request("POST", "/api/login").header("x-stopline-request", "1");
    let told = stranger.ask(request.body(Body::from(login("an", PASSWORD))).unwrap()).await;
    assert_eq!((told.status, told.kind()), (StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type"));
}
