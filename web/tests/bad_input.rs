//! Every route of the API's own description, fed what no client sends: wrong types, sizes, encodings, SQL and script. The
//! answer is a problem that a program can read, never a fault, and nothing has changed.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use common::{
    made,
    site::{Person, Site, site_with},
};
use serde_json::{Value, json};
use stopline_web::{RateLimit, Web};

const NASTY: [&str; 9] = [
    "%27%3B%20DROP%20TABLE%20users%3B--",
    "%22%20OR%201%3D1%20--",
    "%3Cscript%3Ealert(1)%3C%2Fscript%3E",
    "..%2F..%2F..%2Fetc%2Fpasswd",
    "%00",
    "%FF%FE",
    "%F0%9F%9A%A6%E2%80%AE",
    "-9223372036854775809",
    "1e400",
];

struct Route {
    method: String,
    path: String,
    right: String,
    queries: Vec<String>,
    /// Names of the body's fields; `None`: no body.
    fields: Option<Vec<String>>,
}

fn routes() -> Vec<Route> {
    let description: Value = serde_json::from_str(&Web::openapi()).unwrap();
    let mut found = Vec::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let queries = operation["parameters"].as_array().into_iter().flatten().filter(|p| p["in"] == "query");
            let schema = operation.pointer("/requestBody/content/application~1json/schema");
            let fields = schema.map(|schema| {
                let named = schema["$ref"]
                    .as_str()
                    .map(|to| &description["components"]["schemas"][to.rsplit('/').next().unwrap()]);
                let properties = named.unwrap_or(schema)["properties"].as_object();
                properties.map(|of| of.keys().cloned().collect()).unwrap_or_default()
            });
            found.push(Route {
                method: method.to_uppercase(),
                path: path.clone(),
                right: operation["x-stopline-right"].as_str().unwrap_or_default().to_owned(),
                queries: queries.map(|p| p["name"].as_str().unwrap().to_owned()).collect(),
                fields,
            });
        }
    }
    found
}

struct People {
    site: Site,
    all: Vec<Person>,
}

impl People {
    async fn new() -> Self {
        let site = site_with(|config| {
            config.per_user = RateLimit { burst: 1e9, per_s: 1e9 };
            config.per_address = RateLimit { burst: 1e9, per_s: 1e9 };
        });
        let mut all = Vec::new();
        for name in ["lan", "toan", "quan", "kiem"] {
            all.push(site.person(name).await);
        }
        Self { site, all }
    }

    /// Whoever may use the route.
    fn for_right(&self, right: &str) -> &Person {
        match right {
            "operate" => &self.all[1],
            "manage_users" => &self.all[2],
            "read_audit" => &self.all[3],
            _ => &self.all[0],
        }
    }

    /// All that a request could have changed.
    async fn state(&self) -> String {
        let [lan, _, quan, _] = &self.all[..] else { panic!("four people") };
        let mut told = Vec::new();
        for (person, path) in
            [(lan, "/api/cases"), (lan, "/api/me/tokens"), (quan, "/api/users"), (quan, "/api/agencies")]
        {
            told.push(person.get(path).await.body.to_string());
        }
        format!("{told:?} {:?}", self.site.memory.scenes.lock().unwrap())
    }
}

/// Sends it and judges the answer: no fault, and a refusal is a problem.
async fn judged(person: &Person, what: &str, request: Result<Request<Body>, axum::http::Error>) -> StatusCode {
    // What cannot even be written as a request cannot be sent.
    let Ok(request) = request else { return StatusCode::BAD_REQUEST };
    let response = person.send(request).await;
    let status = response.status();
    assert!(!status.is_server_error() || status == StatusCode::SERVICE_UNAVAILABLE, "{what}: {status}");
    let kind = response.headers().get(header::CONTENT_TYPE).map(|kind| kind.to_str().unwrap().to_owned());
    if status.is_client_error() && status != StatusCode::UPGRADE_REQUIRED {
        let told = what.contains("/scene") && status == StatusCode::UNPROCESSABLE_ENTITY;
        assert!(told || kind.as_deref() == Some("application/problem+json"), "{what}: {status} as {kind:?}");
    }
    assert!(kind.as_deref().is_none_or(|kind| !kind.starts_with("text/html")), "{what}: answered as a page");
    status
}

fn skipped(route: &Route) -> bool {
    // These end the session the test goes by, or never end.
    matches!(route.path.as_str(), "/api/logout" | "/api/events" | "/api/cameras/{camera}/live")
}

fn filled(path: &str) -> String {
    let id = if path.contains("/cases/") { made::violation(0).id.to_string() } else { "999".to_owned() };
    path.replace("{camera}", "gate-1")
        .replace("{file}", "act.jpg")
        .replace("{name}", "nobody")
        .replace("{code}", "none")
        .replace("{id}", &id)
}

#[tokio::test]
async fn addresses_and_queries_are_taken_as_text_or_refused() {
    let people = People::new().await;
    let before = people.state().await;
    let mut tried = 0;
    for route in routes().iter().filter(|route| !skipped(route)) {
        let person = people.for_right(&route.right);
        let mut addresses = Vec::new();
        for nasty in NASTY.iter().map(|n| (*n).to_owned()).chain(["A".repeat(20_000)]) {
            for part in ["{camera}", "{file}", "{name}", "{code}", "{id}"] {
                if route.path.contains(part) {
                    addresses.push(filled(&route.path.replace(part, &nasty)));
                }
            }
            if route.method == "GET" {
                addresses.extend(route.queries.iter().map(|name| format!("{}?{name}={nasty}", filled(&route.path))));
                addresses.push(format!("{}?unknown={nasty}", filled(&route.path)));
            }
        }
        for address in addresses {
            let request = person.request(&route.method, &address).header("x-stopline-request", "1");
            let request = request.header(header::CONTENT_TYPE, "application/json").body(Body::from("{}"));
            let what: String = format!("{} {address}", route.method).chars().take(200).collect();
            judged(person, &what, request).await;
            tried += 1;
        }
    }
    assert!(tried > 800, "{tried}");
    assert_eq!(people.state().await, before, "nothing has changed");
}

#[tokio::test]
async fn bodies_of_the_wrong_shape_are_refused_and_change_nothing() {
    let people = People::new().await;
    let before = people.state().await;
    // `[]` too, which serde would take for a body whose fields may all be left out.
    let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    let shapes: Vec<Vec<u8>> =
        ["", "null", "[]", "\"x\"", "7", "{", "{\"a\":", "{\"unknown\":1}", "\u{feff}{}", "{\"\\ud800\":1}"]
            .map(|text| text.as_bytes().to_vec())
            .into_iter()
            .chain([b"{\"name\":\"\xff\xfe\"}".to_vec(), deep.into_bytes(), vec![b' '; 2 << 20]])
            .collect();
    let mut tried = 0;
    for route in routes().iter().filter(|route| route.fields.is_some() && !skipped(route)) {
        // A scene is any object: what is in it is judged by the engine.
        let any_object = route.path.contains("/scene");
        let person = people.for_right(&route.right);
        for shape in &shapes {
            if any_object && (shape.starts_with(b"{\"unknown") || shape == b"{}") {
                continue;
            }
            let request = person.request(&route.method, &filled(&route.path)).header("x-stopline-request", "1");
            let request = request.header(header::CONTENT_TYPE, "application/json").body(Body::from(shape.clone()));
            let what =
                format!("{} {} {:?}", route.method, route.path, String::from_utf8_lossy(&shape[..shape.len().min(40)]));
            let status = judged(person, &what, request).await;
            // A scene that is only checked is answered with its faults.
            let answered = route.path.ends_with("/check") && status == StatusCode::OK;
            assert!(answered || status.is_client_error(), "{what}: {status}");
            tried += 1;
        }
        for (kind, sent) in
            [("text/plain", "{}"), ("multipart/form-data; boundary=x", "--x--"), ("application/xml", "<a/>")]
        {
            let request = person.request(&route.method, &filled(&route.path)).header("x-stopline-request", "1");
            let request = request.header(header::CONTENT_TYPE, kind).body(Body::from(sent));
            let what = format!("{} {} as {kind}", route.method, route.path);
            assert!(judged(person, &what, request).await.is_client_error(), "{what}");
        }
    }
    assert!(tried > 150, "{tried}");
    assert_eq!(people.state().await, before, "nothing has changed");
}

#[tokio::test]
async fn fields_of_any_type_and_size_cause_no_fault() {
    let people = People::new().await;
    let values = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1e308),
        json!(18_446_744_073_709_551_615_u64),
        json!([]),
        json!({}),
        json!(""),
        json!("x".repeat(100_000)),
        json!("\u{0}\u{202e}<img src=x onerror=alert(1)>"),
        json!("'; DROP TABLE decisions; --"),
        json!("9999-99-99T99:99:99Z"),
    ];
    for route in routes().iter().filter(|route| !skipped(route)) {
        let person = people.for_right(&route.right);
        for field in route.fields.iter().flatten() {
            for value in &values {
                let request = person.request(&route.method, &filled(&route.path)).header("x-stopline-request", "1");
                let request = request.header(header::CONTENT_TYPE, "application/json");
                let what: String =
                    format!("{} {} {field}={value}", route.method, route.path).chars().take(200).collect();
                judged(person, &what, request.body(Body::from(json!({ field: value }).to_string()))).await;
            }
        }
    }
}
