//! A running site without a socket, and people who ask it.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    http::{Request, Response, StatusCode, header},
};
use serde_json::Value;
use stopline_types::CameraId;
use stopline_web::{CameraInfo, Role, Web, WebConfig};
use tower::ServiceExt;

use super::{made, memory::Memory};

pub const PASSWORD: &str = "correct horse battery";

pub const USERS: [(&str, Role); 8] = [
    ("vi", Role::Viewer),
    ("an", Role::Reviewer),
    ("binh", Role::Reviewer),
    ("lan", Role::Approver),
    ("phan", Role::Analyst),
    ("toan", Role::Operator),
    ("kiem", Role::Auditor),
    ("quan", Role::Admin),
];

pub struct Site {
    pub memory: Arc<Memory>,
    pub web: Web,
    pub dir: tempfile::TempDir,
}

/// Ten violations at cameras `gate-1` (site Bồ Xuyên) and `gate-2` (site Phúc Khánh); users `vi` (viewer), `an` and
/// `binh` (reviewers), `lan` (approver), `phan` (analyst), `toan` (operator), `kiem` (auditor), `quan` (admin).
pub fn site() -> Site {
    site_with(|_| {})
}

pub fn site_with(change: impl FnOnce(&mut WebConfig)) -> Site {
    let dir = tempfile::tempdir().unwrap();
    let memory = Memory::new(dir.path().join("evidence"));
    for n in 0..10 {
        memory.happen(made::event(n));
    }
    let web = open(&dir, &memory, change);
    for (camera, site) in [("gate-1", "Bồ Xuyên"), ("gate-2", "Phúc Khánh")] {
        memory.infos.lock().unwrap().push(CameraInfo {
            camera: CameraId::new(camera).unwrap(),
            name: camera.to_owned(),
            site: site.to_owned(),
            position: None,
            device: None,
        });
    }
    for (name, role) in USERS {
        web.users().add(name, role, PASSWORD).unwrap();
    }
    Site { memory, web, dir }
}

pub fn open(dir: &tempfile::TempDir, memory: &Arc<Memory>, change: impl FnOnce(&mut WebConfig)) -> Web {
    let mut config = WebConfig::new(dir.path().join("web"));
    config.secure_cookies = false;
    change(&mut config);
    Web::new(config, memory.clone()).unwrap()
}

impl Site {
    /// Somebody who is not signed in.
    pub fn stranger(&self) -> Person {
        Person { router: self.web.router(), cookie: None }
    }

    pub async fn person(&self, name: &str) -> Person {
        let mut person = self.stranger();
        let answer = person.post("/api/login", &format!(r#"{{"name":"{name}","password":"{PASSWORD}"}}"#)).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        person.keep_cookie(&answer);
        person
    }
}

pub struct Person {
    pub router: Router,
    pub cookie: Option<String>,
}

pub struct Told {
    pub status: StatusCode,
    pub headers: axum::http::HeaderMap,
    /// The body as JSON; null when it is none.
    pub body: Value,
    pub bytes: Vec<u8>,
}

impl Told {
    /// The word after `urn:stopline:`.
    pub fn kind(&self) -> &str {
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json", "{}", self.body);
        assert_eq!(self.body["status"], self.status.as_u16());
        self.body["type"].as_str().and_then(|kind| kind.strip_prefix("urn:stopline:")).expect("a kind")
    }

    /// The name of the refused value.
    pub fn field(&self) -> &str {
        assert_eq!(self.kind(), "invalid");
        self.body["errors"][0]["field"].as_str().expect("a field")
    }
}

impl Person {
    pub fn keep_cookie(&mut self, told: &Told) {
        let cookie = told.headers[header::SET_COOKIE].to_str().unwrap();
        self.cookie = Some(cookie.split(';').next().unwrap().to_owned());
    }

    pub fn request(&self, method: &str, path: &str) -> axum::http::request::Builder {
        let request = Request::builder().method(method).uri(path).header(header::HOST, "localhost");
        match &self.cookie {
            Some(cookie) => request.header(header::COOKIE, cookie),
            None => request,
        }
    }

    pub async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub async fn ask(&self, request: Request<Body>) -> Told {
        let response = self.send(request).await;
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 16 << 20).await.unwrap().to_vec();
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        Told { status: parts.status, headers: parts.headers, body, bytes }
    }

    pub async fn get(&self, path: &str) -> Told {
        self.ask(self.request("GET", path).body(Body::empty()).unwrap()).await
    }

    pub async fn post(&self, path: &str, body: &str) -> Told {
        let request = self.request("POST", path);
        let request = request.header("x-stopline-request", "1").header(header::CONTENT_TYPE, "application/json");
        self.ask(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    /// Decides about the `n`th violation.
    pub async fn decide(&self, n: u32, verdict: &str, reason: Option<&str>, revision: u32) -> Told {
        let reason = reason.map_or(String::new(), |reason| format!(r#","reason":"{reason}""#));
        let body = format!(r#"{{"verdict":"{verdict}","revision":{revision}{reason}}}"#);
        self.post(&format!("/api/cases/{}/decision", made::violation(n).id), &body).await
    }
}
