//! Every route × every role × in and out of scope, from the API's own description: a route without a rule here fails.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::collections::BTreeMap;

use axum::{
    body::Body,
    http::{StatusCode, header},
};
use common::{
    made,
    site::{PASSWORD, Person, Site, USERS, site, site_with},
};
use serde_json::{Value, json};
use stopline_types::UtcUs;
use stopline_web::{NewGrant, RateLimit, Role, Web};

/// What each role may do, said a second time on purpose: a change of the program's table must be meant.
const ALLOWED: [(Role, &[&str]); 7] = [
    (Role::Viewer, &["watch", "read_cases", "read_figures"]),
    (Role::Reviewer, &["watch", "read_cases", "decide", "read_history", "search_plates", "unmask", "read_figures"]),
    (
        Role::Approver,
        &[
            "watch",
            "read_cases",
            "decide",
            "approve",
            "reopen_any",
            "transfer",
            "read_history",
            "search_plates",
            "unmask",
            "read_figures",
            "export",
        ],
    ),
    (Role::Analyst, &["watch", "read_history", "read_figures", "export"]),
    (Role::Operator, &["watch", "read_figures", "operate"]),
    (Role::Auditor, &["read_audit"]),
    (Role::Admin, &["watch", "read_figures", "manage_users"]),
];

/// The right of every route, said a second time on purpose.
const ROUTES: &[(&str, &str, &str)] = &[
    ("POST", "/api/login", "none"),
    ("POST", "/api/login/link", "none"),
    ("POST", "/api/logout", "none"),
    ("GET", "/api/me", "signed_in"),
    ("POST", "/api/me/password", "session"),
    ("GET", "/api/me/sessions", "session"),
    ("DELETE", "/api/me/sessions/{id}", "session"),
    ("GET", "/api/me/tokens", "session"),
    ("POST", "/api/me/tokens", "session"),
    ("DELETE", "/api/me/tokens/{id}", "session"),
    ("GET", "/api/users", "manage_users"),
    ("POST", "/api/users", "manage_users"),
    ("PATCH", "/api/users/{name}", "manage_users"),
    ("POST", "/api/users/{name}/grants", "manage_users"),
    ("DELETE", "/api/users/{name}/grants/{id}", "manage_users"),
    ("DELETE", "/api/users/{name}/sessions", "manage_users"),
    ("POST", "/api/users/{name}/link", "manage_users"),
    ("GET", "/api/agencies", "signed_in"),
    ("PUT", "/api/agencies/{code}", "manage_users"),
    ("PUT", "/api/site-groups/{code}", "manage_users"),
    ("DELETE", "/api/site-groups/{code}", "manage_users"),
    ("GET", "/api/audit", "read_audit"),
    ("GET", "/api/audit/check", "read_audit"),
    ("GET", "/api/reasons", "signed_in"),
    ("GET", "/api/cases", "read_cases"),
    ("GET", "/api/queue", "read_cases"),
    ("GET", "/api/cases/{id}", "read_cases"),
    ("GET", "/api/cases/{id}/related", "read_cases"),
    ("GET", "/api/cases/{id}/evidence/{file}", "read_cases"),
    ("POST", "/api/cases/{id}/decision", "decide"),
    ("POST", "/api/cases/{id}/lease", "decide"),
    ("DELETE", "/api/cases/{id}/lease", "decide"),
    ("POST", "/api/cases/{id}/plate", "decide"),
    ("POST", "/api/cases/{id}/accident", "decide"),
    ("POST", "/api/cases/{id}/escalate", "decide"),
    ("POST", "/api/cases/{id}/duplicate", "decide"),
    ("POST", "/api/cases/{id}/transfer", "transfer"),
    ("GET", "/api/precision", "read_figures"),
    ("GET", "/api/passages", "read_history"),
    ("GET", "/api/counts", "read_figures"),
    ("GET", "/api/traffic", "read_figures"),
    ("GET", "/api/tally", "read_figures"),
    ("GET", "/api/offenders", "search_plates"),
    ("GET", "/api/scorecard", "read_figures"),
    ("GET", "/api/export/cases.csv", "export"),
    ("GET", "/api/export/passages.csv", "export"),
    ("GET", "/api/export/tally.csv", "export"),
    ("GET", "/api/cameras", "watch"),
    ("GET", "/api/cameras/{camera}/image", "watch"),
    ("GET", "/api/cameras/{camera}/live", "watch"),
    ("GET", "/api/cameras/{camera}/scene", "watch"),
    ("PUT", "/api/cameras/{camera}/scene", "operate"),
    ("POST", "/api/cameras/{camera}/scene/check", "operate"),
    ("GET", "/api/sites", "signed_in"),
    ("GET", "/api/health", "signed_in"),
    ("GET", "/api/storage", "operate"),
    ("GET", "/api/events", "watch"),
];

/// Method and path of every described route, with the right the description names.
fn described() -> Vec<(String, String, String)> {
    let description: Value = serde_json::from_str(&Web::openapi()).unwrap();
    let mut found = Vec::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let right = operation["x-stopline-right"].as_str().unwrap_or_default();
            found.push((method.to_uppercase(), path.clone(), right.to_owned()));
        }
    }
    found
}

fn without_limits() -> Site {
    site_with(|config| {
        config.per_user = RateLimit { burst: 1e9, per_s: 1e9 };
        config.per_address = RateLimit { burst: 1e9, per_s: 1e9 };
    })
}

/// A body that each writing route understands, so that what answers is the rule and not the reader of bodies.
fn body(path: &str) -> Value {
    match path.rsplit('/').next().unwrap() {
        "decision" => json!({ "verdict": "reopened", "revision": 7 }),
        "plate" => json!({ "plate": null }),
        "accident" => json!({ "accident": false }),
        "escalate" => json!({ "withdraw": true }),
        "transfer" => json!({ "agency": null }),
        "duplicate" => json!({ "of": "0".repeat(32), "revision": 7 }),
        "password" => json!({ "old": "not it at all", "new": "not it at all" }),
        "tokens" => json!({ "name": "x", "rights": [], "days": 1 }),
        "users" => json!({ "name": "?", "password": "x" }),
        "grants" => json!({ "role": "viewer", "agency": "none" }),
        _ => json!({}),
    }
}

async fn call(person: &Person, method: &str, path: &str) -> StatusCode {
    let request = person.request(method, path).header("x-stopline-request", "1");
    let request = match method {
        "GET" | "DELETE" => request.body(Body::empty()).unwrap(),
        _ => request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body(path).to_string())).unwrap(),
    };
    person.send(request).await.status()
}

fn filled(path: &str, camera: u32) -> String {
    let camera_name = if camera == 0 { "gate-1" } else { "gate-2" };
    path.replace("{camera}", camera_name)
        .replace("{file}", "act.jpg")
        .replace("{name}", "nobody")
        .replace("{code}", "none")
        .replace(
            "{id}",
            &if path.contains("/cases/") { made::violation(camera).id.to_string() } else { "999".to_owned() },
        )
}

#[test]
fn every_described_route_has_its_rule_and_no_other() {
    let wanted: BTreeMap<(&str, &str), &str> = ROUTES.iter().map(|(m, p, right)| ((*m, *p), *right)).collect();
    let found = described();
    for (method, path, right) in &found {
        assert_eq!(wanted.get(&(method.as_str(), path.as_str())), Some(&right.as_str()), "{method} {path}");
    }
    assert_eq!(found.len(), wanted.len(), "a rule here has no route");
    for (role, rights) in ALLOWED {
        let mut told: Vec<&str> = role.rights().iter().map(|right| right.as_str()).collect();
        let mut rights = rights.to_vec();
        told.sort_unstable();
        rights.sort_unstable();
        assert_eq!(told, rights, "{role:?}");
    }
}

#[tokio::test]
async fn every_route_lets_in_whom_it_should_and_nobody_else() {
    let site = without_limits();
    let stranger = site.stranger();
    let mut tried = 0;
    for (name, role) in USERS {
        let person = site.person(name).await;
        let rights = ALLOWED.iter().find(|(known, _)| *known == role).unwrap().1;
        for (method, path, right) in described() {
            if path == "/api/logout" || path == "/api/me/password" {
                continue;
            }
            let address = filled(&path, 0);
            let allowed =
                matches!(right.as_str(), "none" | "signed_in" | "session") || rights.contains(&right.as_str());
            let status = call(&person, &method, &address).await;
            let refused = status == StatusCode::FORBIDDEN;
            assert_eq!(refused, !allowed, "{name} ({role:?}) {method} {path}: {status}");
            assert!(
                status.as_u16() < 500 || status == StatusCode::SERVICE_UNAVAILABLE,
                "{name} {method} {path}: {status}"
            );
            tried += 1;
            if name == "vi" {
                let status = call(&stranger, &method, &address).await;
                if right != "none" {
                    assert_eq!(status, StatusCode::UNAUTHORIZED, "nobody {method} {path}");
                }
            }
        }
    }
    assert!(tried > 350, "{tried}");
}

/// Every role again, bound to the agency of Bồ Xuyên: `gate-1` is within, `gate-2` is not.
#[tokio::test]
async fn out_of_scope_is_as_if_it_were_not_there() {
    let site = without_limits();
    let users = site.web.users();
    let quan = site.person("quan").await;
    assert_eq!(put(&quan, "/api/agencies/H33", json!({ "name": "Hưng Yên" })).await, StatusCode::NO_CONTENT);
    let group = json!({ "name": "Thái Bình cũ", "agency": "H33", "sites": ["Bồ Xuyên"] });
    assert_eq!(put(&quan, "/api/site-groups/bo-xuyen", group).await, StatusCode::NO_CONTENT);
    for (name, role) in USERS {
        users.revoke_grants(name).unwrap();
        users.grant(name, &NewGrant { agency: Some("H33".to_owned()), ..NewGrant::everywhere(role) }).unwrap();
        let person = site.person(name).await;
        let rights = ALLOWED.iter().find(|(known, _)| *known == role).unwrap().1;
        for (method, path, right) in described() {
            let of_one = path.contains("{camera}") || path.contains("/cases/{id}");
            if !of_one || !rights.contains(&right.as_str()) {
                continue;
            }
            let within = call(&person, &method, &filled(&path, 0)).await;
            let outside = call(&person, &method, &filled(&path, 1)).await;
            assert_eq!(outside, StatusCode::NOT_FOUND, "{name} {method} {path}");
            let file = path.ends_with("{file}") || path.ends_with("/image");
            assert!(file || within != StatusCode::NOT_FOUND, "{name} {method} {path}: {within}");
        }
        for path in ["/api/cases", "/api/queue"] {
            if !rights.contains(&"read_cases") {
                continue;
            }
            let listed = person.get(path).await.body;
            let cameras: Vec<_> =
                listed["items"].as_array().unwrap().iter().map(|item| item["violation"]["camera"].clone()).collect();
            assert_eq!(cameras, vec![json!("gate-1"); 5], "{name} {path}");
        }
        if rights.contains(&"read_figures") {
            let tally = person.get("/api/tally?by=camera&from=2026-11-20T00:00:00Z&to=2026-11-22T00:00:00Z").await.body;
            let cameras: Vec<_> =
                tally["violations"].as_array().unwrap().iter().map(|row| row["camera"].clone()).collect();
            assert_eq!(cameras, [json!("gate-1")], "{name}");
            assert_eq!(person.get("/api/counts").await.status, StatusCode::FORBIDDEN, "{name}: figures of all cameras");
        }
    }
}

async fn put(person: &Person, path: &str, body: Value) -> StatusCode {
    let request = person.request("PUT", path).header("x-stopline-request", "1");
    let request = request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body.to_string())).unwrap();
    person.ask(request).await.status
}

#[tokio::test]
async fn roles_hold_between_their_dates_and_while_their_agency_does() {
    let site = site();
    let users = site.web.users();
    let past = Some(UtcUs::parse("2025-07-01T00:00:00Z").unwrap());
    let future = Some(UtcUs::parse("2099-01-01T00:00:00Z").unwrap());
    let an = site.person("an").await;
    let with = |valid_from, valid_to| NewGrant { valid_from, valid_to, ..NewGrant::everywhere(Role::Reviewer) };
    for (grant, allowed) in [(with(None, past), false), (with(future, None), false), (with(past, future), true)] {
        users.revoke_grants("an").unwrap();
        users.grant("an", &grant).unwrap();
        assert_eq!(an.get("/api/cases").await.status == StatusCode::OK, allowed, "{grant:?}");
    }
    // The agency ended when the provinces were merged: what was bound to it reaches nothing.
    let quan = site.person("quan").await;
    put(&quan, "/api/agencies/TB", json!({ "name": "Thái Bình", "valid_to": "2025-07-01T00:00:00Z" })).await;
    put(&quan, "/api/site-groups/tb", json!({ "name": "x", "agency": "TB", "sites": ["Bồ Xuyên"] })).await;
    users.revoke_grants("an").unwrap();
    users.grant("an", &NewGrant { agency: Some("TB".to_owned()), ..NewGrant::everywhere(Role::Reviewer) }).unwrap();
    assert_eq!(an.get("/api/cases").await.body["items"], json!([]));
}

#[tokio::test]
async fn tokens_carry_a_part_of_their_makers_rights_until_taken_back() {
    let site = site();
    let an = site.person("an").await;
    let made = an.post("/api/me/tokens", r#"{"name":"bảng số liệu","rights":["read_cases"],"days":30}"#).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let token = made.body["token"].as_str().unwrap().to_owned();
    let with = async |method: &str, path: &str, token: &str| {
        let request = site.stranger().request(method, path).header(header::AUTHORIZATION, format!("Bearer {token}"));
        let request = request.header(header::CONTENT_TYPE, "application/json");
        site.stranger().ask(request.body(Body::from(if method == "GET" { "" } else { "{}" })).unwrap()).await
    };
    assert_eq!(with("GET", "/api/cases", &token).await.status, StatusCode::OK);
    assert_eq!(with("GET", "/api/passages", &token).await.kind(), "forbidden", "not one of its rights");
    assert_eq!(with("GET", "/api/me/tokens", &token).await.kind(), "forbidden", "a token makes no tokens");
    assert_eq!(with("GET", "/api/cases", "stopline_00").await.kind(), "not_signed_in");
    let told = an.post("/api/me/tokens", r#"{"name":"x","rights":["manage_users"],"days":1}"#).await;
    assert_eq!(told.field(), "rights", "nobody gives what they have not");
    let listed = an.get("/api/me/tokens").await.body;
    assert!(!listed.to_string().contains(&token) && listed[0]["seen"].is_string(), "{listed}");
    let path = format!("/api/me/tokens/{}", listed[0]["id"]);
    let request = an.request("DELETE", &path).header("x-stopline-request", "1").body(Body::empty()).unwrap();
    assert_eq!(an.ask(request).await.status, StatusCode::NO_CONTENT);
    assert_eq!(with("GET", "/api/cases", &token).await.kind(), "not_signed_in");
}

#[tokio::test]
async fn sessions_are_listed_and_ended_one_by_one() {
    let site = site();
    let (one, two) = (site.person("an").await, site.person("an").await);
    let listed = one.get("/api/me/sessions").await.body;
    let other = listed.as_array().unwrap().iter().find(|session| session["current"] == false).unwrap();
    let path = format!("/api/me/sessions/{}", other["id"]);
    let end = async |person: &Person| {
        let request = person.request("DELETE", &path).header("x-stopline-request", "1").body(Body::empty()).unwrap();
        person.ask(request).await.status
    };
    assert_eq!(end(&site.person("binh").await).await, StatusCode::NOT_FOUND, "not hers");
    assert_eq!(end(&one).await, StatusCode::NO_CONTENT);
    assert_eq!(two.get("/api/me").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(one.get("/api/me").await.status, StatusCode::OK);
}

#[tokio::test]
async fn too_many_requests_are_told_to_wait() {
    let site = site_with(|config| config.per_user = RateLimit { burst: 5.0, per_s: 0.1 });
    let an = site.person("an").await;
    for _ in 0..5 {
        assert_eq!(an.get("/api/me").await.status, StatusCode::OK);
    }
    let told = an.get("/api/me").await;
    assert_eq!((told.status, told.kind()), (StatusCode::TOO_MANY_REQUESTS, "too_many"));
    assert!(told.headers.contains_key(header::RETRY_AFTER));
    assert_eq!(site.person("binh").await.get("/api/me").await.status, StatusCode::OK, "others go on");
}

#[tokio::test]
async fn users_are_looked_after_and_nobody_raises_themselves() {
    let site = site();
    let quan = site.person("quan").await;
    let told = quan
        .post("/api/users", &json!({ "name": "moi", "password": PASSWORD, "grant": { "role": "viewer" } }).to_string())
        .await;
    assert_eq!(told.status, StatusCode::CREATED, "{}", told.body);
    assert_eq!(
        quan.post("/api/users", &json!({ "name": "moi", "password": PASSWORD }).to_string()).await.kind(),
        "conflict"
    );
    assert_eq!(
        quan.post("/api/users", r#"{"name":"<script>","password":"correct horse battery"}"#).await.field(),
        "name"
    );
    assert_eq!(quan.post("/api/users", r#"{"name":"ai","password":"short"}"#).await.field(), "password");
    assert_eq!(quan.post("/api/users/quan/grants", r#"{"role":"approver"}"#).await.kind(), "conflict");
    assert_eq!(quan.post("/api/users/moi/grants", r#"{"role":"reviewer","agency":"none"}"#).await.field(), "agency");
    let moi = site.person("moi").await;
    assert_eq!(moi.get("/api/cases").await.status, StatusCode::OK);
    let request = quan.request("PATCH", "/api/users/moi").header("x-stopline-request", "1");
    let request = request.header(header::CONTENT_TYPE, "application/json").body(Body::from(r#"{"disabled":true}"#));
    assert_eq!(quan.ask(request.unwrap()).await.status, StatusCode::NO_CONTENT);
    assert_eq!(moi.get("/api/cases").await.status, StatusCode::UNAUTHORIZED);
    let kiem = site.person("kiem").await;
    let log = kiem.get("/api/audit?user=quan&limit=200").await.body;
    let actions: Vec<_> =
        log["items"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert!(actions.contains(&"user_added") && actions.contains(&"user_disabled"), "{actions:?}");
}
