//! Cases, decisions, evidence, live events.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::sync::atomic::Ordering;

use axum::{
    body::Body,
    http::{StatusCode, header},
};
use common::{
    made,
    site::{Site, open, site, site_with},
};
use futures::StreamExt;
use serde_json::{Value, json};
use stopline_types::{Event, EvidenceRef, Review, RuleMode, TimeSource, UtcUs, Verdict};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn ids(page: &Value) -> Vec<String> {
    page["items"].as_array().unwrap().iter().map(|item| item["violation"]["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn pages_follow_one_another_without_gap_or_double() {
    let site = site();
    let vi = site.person("vi").await;
    let (mut seen, mut path) = (Vec::new(), "/api/cases?limit=3".to_owned());
    loop {
        let page = vi.get(&path).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.body);
        seen.extend(ids(&page.body));
        match page.body["next"].as_str() {
            Some(next) => path = format!("/api/cases?limit=3&after={next}"),
            None => break,
        }
    }
    let newest_first: Vec<String> = (0..10).rev().map(|n| made::violation(n).id.to_string()).collect();
    assert_eq!(seen, newest_first);
    let filtered = vi.get("/api/cases?camera=gate-2&from=2026-11-21T14:33:00%2B07:00&to=2026-11-21T07:36:00Z").await;
    let wanted: Vec<String> = [5, 3].map(|n| made::violation(n).id.to_string()).into();
    assert_eq!(ids(&filtered.body), wanted);
}

#[tokio::test]
async fn refused_values_are_named() {
    let site = site();
    let vi = site.person("lan").await;
    for (query, field) in [
        ("cases?limit=0", "limit"),
        ("cases?limit=201", "limit"),
        ("cases?status=open", "status"),
        ("cases?rule=RED", "rule"),
        ("cases?camera=../x", "camera"),
        ("cases?from=yesterday", "from"),
        ("cases?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "to"),
        ("cases?after=1", "after"),
        ("cases?after=1.zz", "after"),
        ("cases/zz", "id"),
        ("passages?class=tank", "class"),
        ("passages?plate=30F%25", "plate"),
        ("passages?plate=30F25658", "purpose"),
        ("counts?from=2020-01-01T00:00:00Z&to=2026-01-01T00:00:00Z", "from"),
        ("traffic?to=x", "to"),
        ("cameras/UPPER/image", "camera"),
    ] {
        let told = vi.get(&format!("/api/{query}")).await;
        assert_eq!((told.status, told.field()), (StatusCode::UNPROCESSABLE_ENTITY, field), "{query}: {}", told.body);
    }
    for query in ["cases?limit=many", "cases?colour=red", "passages?limit=-1"] {
        let told = vi.get(&format!("/api/{query}")).await;
        assert_eq!((told.status, told.kind()), (StatusCode::BAD_REQUEST, "malformed"), "{query}");
    }
    let unknown = vi.get(&format!("/api/cases/{}", "0".repeat(32))).await;
    assert_eq!(unknown.kind(), "not_found");
}

#[tokio::test]
async fn a_case_tells_deadline_and_decisions() {
    let site = site();
    let an = site.person("an").await;
    let path = format!("/api/cases/{}", made::violation(0).id);
    let case = an.get(&path).await.body;
    assert_eq!((case["status"].as_str(), case["revision"].as_u64()), (Some("waiting"), Some(0)));
    assert_eq!(case["deadline"], "2026-12-01T17:00:00.000000Z", "the tenth day ends at midnight in Vietnam");
    assert_eq!(case["obstacles"], json!([]));
    let told = an.decide(0, "rejected", Some("plate_unreadable"), 0).await;
    assert_eq!((told.status, told.body["status"].as_str()), (StatusCode::OK, Some("rejected")));
    let told = an.decide(0, "reopened", None, 1).await;
    assert_eq!((told.status, told.body["status"].as_str()), (StatusCode::OK, Some("waiting")));
    let told = an.decide(0, "confirmed", None, 2).await;
    assert_eq!((told.status, told.body["revision"].as_u64()), (StatusCode::OK, Some(3)));
    let history = an.get(&path).await.body["history"].clone();
    let verdicts: Vec<_> =
        history.as_array().unwrap().iter().map(|review| review["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["rejected", "reopened", "confirmed"]);
    let kept = site.memory.reviews.lock().unwrap()[&made::violation(0).id].clone();
    assert_eq!((kept.verdict, kept.user.as_str()), (Verdict::Confirmed, "an"));
    assert_eq!(kept.id, Review::id_of(made::violation(0).id, 3));
    let waiting = an.get("/api/cases?status=waiting").await;
    assert_eq!(ids(&waiting.body).len(), 9);
}

#[tokio::test]
async fn roles_limit() {
    let site = site();
    let (vi, an, binh, lan) =
        (site.person("vi").await, site.person("an").await, site.person("binh").await, site.person("lan").await);
    assert_eq!(vi.decide(0, "confirmed", None, 0).await.kind(), "forbidden");
    assert_eq!(vi.get("/api/audit").await.kind(), "forbidden");
    assert_eq!(an.decide(0, "confirmed", None, 0).await.status, StatusCode::OK);
    assert_eq!(binh.decide(0, "reopened", None, 1).await.kind(), "forbidden", "another's decision");
    assert_eq!(lan.decide(0, "reopened", None, 1).await.status, StatusCode::OK);
}

#[tokio::test]
async fn of_two_reviewers_the_second_is_told_who_was_faster() {
    let site = site();
    let (an, binh) = (site.person("an").await, site.person("binh").await);
    let (one, two) =
        tokio::join!(an.decide(0, "confirmed", None, 0), binh.decide(0, "rejected", Some("no_violation"), 0));
    let (won, lost) = if one.status == StatusCode::OK { (one, two) } else { (two, one) };
    assert_eq!(won.status, StatusCode::OK);
    assert_eq!((lost.status, lost.kind()), (StatusCode::CONFLICT, "decided"));
    assert_eq!(lost.body["conflict"]["user"], won.body["review"]["user"]);
    assert_eq!(lost.body["conflict"]["verdict"], won.body["review"]["verdict"]);
    assert_eq!(lost.body["conflict"]["revision"], 1);
    // Who saw the decision still cannot decide over it without taking it back.
    assert_eq!(an.decide(0, "confirmed", None, 1).await.kind(), "decided");
    assert_eq!(an.decide(1, "reopened", None, 0).await.kind(), "decided", "nothing to take back");
}

#[tokio::test]
async fn rejections_need_a_known_reason() {
    let site = site();
    let an = site.person("an").await;
    assert_eq!(an.decide(0, "rejected", None, 0).await.field(), "reason");
    assert_eq!(an.decide(0, "rejected", Some("bored"), 0).await.field(), "reason");
    assert_eq!(an.decide(0, "confirmed", Some("duplicate"), 0).await.field(), "reason");
    assert_eq!(an.decide(0, "rejected", Some("other"), 0).await.field(), "note");
    let long = format!(r#"{{"verdict":"confirmed","revision":0,"note":"{}"}}"#, "ă".repeat(1001));
    assert_eq!(an.post(&format!("/api/cases/{}/decision", made::violation(0).id), &long).await.field(), "note");
    let reasons = an.get("/api/reasons").await.body;
    for reason in reasons.as_array().unwrap() {
        assert!(reason["vi"].is_string() && reason["en"].is_string() && reason["key"].is_u64(), "{reason}");
    }
    assert!(site.memory.reviews.lock().unwrap().is_empty(), "nothing was decided");
}

#[tokio::test]
async fn what_cannot_be_proved_cannot_be_confirmed() {
    let site = site_with(|config| config.max_time_error_ms = Some(500.0));
    let change = |n: u32, change: &dyn Fn(&mut stopline_types::Violation)| {
        change(&mut site.memory.violations.lock().unwrap()[n as usize]);
    };
    change(0, &|v| v.evidence = None);
    change(1, &|v| v.moments.act.time.source = TimeSource::FileNominal);
    change(2, &|v| v.error_ms = None);
    change(3, &|v| v.error_ms = Some(501.0));
    change(4, &|v| v.mode = RuleMode::Shadow);
    let an = site.person("an").await;
    for (n, obstacle) in
        [(0, "no_evidence"), (1, "nominal_time"), (2, "time_error"), (3, "time_error"), (4, "shadow_rule")]
    {
        let case = an.get(&format!("/api/cases/{}", made::violation(n).id)).await.body;
        assert_eq!(case["obstacles"], json!([obstacle]));
        assert_eq!(an.decide(n, "confirmed", None, 0).await.kind(), "not_confirmable");
        assert_eq!(an.decide(n, "rejected", Some("insufficient_evidence"), 0).await.status, StatusCode::OK);
    }
    assert_eq!(an.decide(5, "confirmed", None, 0).await.status, StatusCode::OK);
    let listed = an.get("/api/cases").await;
    assert_eq!(ids(&listed.body).len(), 9, "a rule on trial is reviewed by nobody");
}

#[tokio::test]
async fn a_decision_survives_a_full_spool_and_a_restart() {
    let Site { memory, web, dir } = {
        let site = site();
        site.memory.refuse_reviews.store(true, Ordering::SeqCst);
        let an = site.person("an").await;
        let told = an.decide(0, "confirmed", None, 0).await;
        assert_eq!((told.status, told.body["decision_stored"].as_bool()), (StatusCode::ACCEPTED, Some(false)));
        let binh = site.person("binh").await;
        assert_eq!(binh.decide(0, "rejected", Some("duplicate"), 0).await.kind(), "decided", "it stands all the same");
        assert_eq!(ids(&binh.get("/api/cases?status=waiting").await.body).len(), 9);
        site
    };
    let violation = made::violation(0).id;
    assert!(memory.reviews.lock().unwrap().is_empty());
    drop(web);

    memory.refuse_reviews.store(false, Ordering::SeqCst);
    let web = open(&dir, &memory, |_| {});
    let listener = tokio::net::TcpListener::bind("[::1]:0").await.unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(web.serve(listener, async { stopped.await.unwrap() }));
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    while !memory.reviews.lock().unwrap().contains_key(&violation) {
        assert!(tokio::time::Instant::now() < deadline, "never handed over");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let review = memory.reviews.lock().unwrap()[&violation].clone();
    assert_eq!((review.revision, review.user.as_str(), review.verdict), (1, "an", Verdict::Confirmed));
    stop.send(()).unwrap();
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn decisions_known_only_to_the_store_are_taken_over() {
    let site = site();
    let v = made::violation(0);
    let review = Review {
        id: Review::id_of(v.id, 4),
        violation: v.id,
        camera: v.camera,
        utc: UtcUs(1),
        revision: 4,
        verdict: Verdict::Confirmed,
        reason: None,
        note: String::new(),
        plate: None,
        user: "old".to_owned(),
    };
    site.memory.happen(Event::Review(review));
    let lan = site.person("lan").await;
    let told = lan.decide(0, "rejected", Some("duplicate"), 0).await;
    assert_eq!((told.kind(), told.body["conflict"]["user"].as_str()), ("decided", Some("old")));
    let told = lan.decide(0, "reopened", None, 4).await;
    assert_eq!((told.status, told.body["revision"].as_u64()), (StatusCode::OK, Some(5)));
}

fn with_evidence() -> Site {
    let site = site();
    let folder = site.dir.path().join("evidence/gate/one");
    std::fs::create_dir_all(folder.join("inner")).unwrap();
    std::fs::write(folder.join("clip.mp4"), (0..200_000u32).map(|n| n as u8).collect::<Vec<_>>()).unwrap();
    for name in ["act.jpg", "manifest.json", "unlisted.txt", "inner/act.jpg"] {
        std::fs::write(folder.join(name), name).unwrap();
    }
    std::fs::write(site.dir.path().join("secret"), "secret").unwrap();
    site
}

#[tokio::test]
async fn evidence_comes_whole_and_in_parts() {
    let site = with_evidence();
    let vi = site.person("vi").await;
    let path = format!("/api/cases/{}/evidence", made::violation(0).id);
    let whole = vi.get(&format!("{path}/clip.mp4")).await;
    assert_eq!((whole.status, whole.bytes.len()), (StatusCode::OK, 200_000));
    assert_eq!(
        (&whole.headers[header::CONTENT_TYPE], &whole.headers[header::ACCEPT_RANGES]),
        (&"video/mp4".parse().unwrap(), &"bytes".parse().unwrap())
    );
    assert!(!whole.headers.contains_key(header::CONTENT_ENCODING));
    assert!(whole.headers[header::CACHE_CONTROL].to_str().unwrap().starts_with("private"));
    for (range, first, last) in
        [("bytes=100000-100009", 100_000, 100_009), ("bytes=-5", 199_995, 199_999), ("bytes=199999-", 199_999, 199_999)]
    {
        let request = vi.request("GET", &format!("{path}/clip.mp4")).header(header::RANGE, range);
        let part = vi.ask(request.body(Body::empty()).unwrap()).await;
        assert_eq!(part.status, StatusCode::PARTIAL_CONTENT);
        assert_eq!(part.headers[header::CONTENT_RANGE], format!("bytes {first}-{last}/200000"));
        assert_eq!(part.bytes, whole.bytes[first..=last]);
    }
    let request = vi.request("GET", &format!("{path}/clip.mp4")).header(header::RANGE, "bytes=200000-");
    assert_eq!(vi.ask(request.body(Body::empty()).unwrap()).await.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(vi.get(&format!("{path}/manifest.json")).await.bytes, b"manifest.json");
}

#[tokio::test]
async fn evidence_names_lead_nowhere_else() {
    let site = with_evidence();
    // Even a reference that lists tricks is not followed: names must be plain.
    let tricks = ["../../../secret", "..", "inner/act.jpg", "/etc/passwd", ".hidden", "act.jpg\0"];
    site.memory.violations.lock().unwrap()[0].evidence = Some(EvidenceRef {
        path: "gate/one".to_owned(),
        manifest_sha256: "é".to_owned(),
        files: tricks.map(str::to_owned).into_iter().chain(["act.jpg".to_owned()]).collect(),
    });
    let vi = site.person("vi").await;
    let path = format!("/api/cases/{}/evidence", made::violation(0).id);
    assert_eq!(vi.get(&format!("{path}/act.jpg")).await.bytes, b"act.jpg");
    for name in [
        "..%2F..%2F..%2Fsecret",
        "%2e%2e",
        "inner%2Fact.jpg",
        "%2Fetc%2Fpasswd",
        ".hidden",
        "act.jpg%00",
        "unlisted.txt",
        "ACT.JPG",
        "..%5C..%5Csecret",
        "manifest.json%2F..%2Funlisted.txt",
    ] {
        let told = vi.get(&format!("{path}/{name}")).await;
        assert_eq!((told.status, told.kind()), (StatusCode::NOT_FOUND, "not_found"), "{name}");
    }
    for raw in ["/../secret", "//secret", "/inner/act.jpg"] {
        assert_eq!(vi.get(&format!("{path}{raw}")).await.status, StatusCode::NOT_FOUND, "{raw}");
    }
    assert_eq!(site.stranger().get(&format!("{path}/act.jpg")).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn plates_are_searched_by_pattern_and_the_purpose_is_kept() {
    let site = site();
    for (n, plate) in [(0, Some("29B112345")), (1, Some("30F25658")), (2, None), (3, Some("29X399999"))] {
        site.memory.happen(Event::Passage(made::passage(n, plate)));
    }
    let (an, kiem) = (site.person("an").await, site.person("kiem").await);
    let found = an.get("/api/passages?plate=29-*&purpose=case%2012/2026").await;
    assert_eq!(found.body["items"].as_array().unwrap().len(), 2, "{}", found.body);
    let found = an.get("/api/passages?plate=30f-256.5%3F&purpose=case%2012/2026").await;
    assert_eq!(found.body["items"][0]["plate"]["text"], "30F25658");
    let found = an.get("/api/passages?class=car&limit=1").await;
    assert_eq!((found.body["items"].as_array().unwrap().len(), found.body["next"].is_string()), (1, true));
    let log = kiem.get("/api/audit?limit=200").await.body;
    let searched = log["items"].as_array().unwrap().iter().find(|entry| entry["action"] == "plate_searched").unwrap();
    assert_eq!((searched["user"].as_str(), searched["detail"].as_str()), (Some("an"), Some("case 12/2026")));
    assert_eq!(kiem.get("/api/audit/check").await.body["broken_at"], Value::Null);
    assert!(site.web.verify_audit().unwrap().is_ok());
}

#[tokio::test]
async fn events_arrive_as_they_happen_and_missed_ones_are_told() {
    let site = site();
    let vi = site.person("vi").await;
    let response = vi.send(vi.request("GET", "/api/events").body(Body::empty()).unwrap()).await;
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
    assert!(!response.headers().contains_key(header::CONTENT_ENCODING), "a compressed stream would be held back");
    let mut stream = response.into_body().into_data_stream();
    let mut next = async || {
        let wait = tokio::time::timeout(std::time::Duration::from_secs(30), stream.next());
        String::from_utf8(wait.await.expect("nothing came").unwrap().unwrap().to_vec()).unwrap()
    };
    assert!(next().await.contains("event: hello"));
    site.memory.happen(Event::Passage(made::passage(7, None)));
    let text = next().await;
    assert!(text.contains("event: passage\n"), "{text}");
    let data = text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    let event: Event = serde_json::from_str(data).unwrap();
    assert_eq!(event, Event::Passage(made::passage(7, None)));
    // Far more than the channel holds: the client is told, instead of a silent hole.
    for n in 0..400 {
        site.memory.happen(made::event(100 + n));
    }
    let text = next().await;
    assert!(text.contains("event: missed\ndata: 144\n"), "{text}");
    assert!(next().await.contains("event: violation\n"));
}

#[tokio::test]
async fn an_open_stream_does_not_keep_the_server_from_stopping() {
    let site = site();
    let vi = site.person("vi").await;
    let listener = tokio::net::TcpListener::bind("[::1]:0").await.unwrap();
    let mut line = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(site.web.clone().serve(listener, async { stopped.await.unwrap() }));
    let request =
        format!("GET /api/events HTTP/1.1\r\nHost: localhost\r\nCookie: {}\r\n\r\n", vi.cookie.as_deref().unwrap());
    line.write_all(request.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("event: hello") {
        assert!(line.read_buf(&mut seen).await.unwrap() > 0, "{}", String::from_utf8_lossy(&seen));
    }
    stop.send(()).unwrap();
    let bound = std::time::Duration::from_secs(60);
    tokio::time::timeout(bound, line.read_to_end(&mut seen)).await.expect("the stream ends").unwrap();
    tokio::time::timeout(bound, serving).await.expect("the server stops").unwrap().unwrap();
}

#[tokio::test]
async fn the_description_lists_every_route() {
    let site = site();
    let described = site.stranger().get("/api/openapi.json").await.body;
    assert_eq!(described["openapi"], "3.1.0");
    assert_eq!(described, serde_json::from_str::<Value>(&stopline_web::Web::openapi()).unwrap());
    let paths = described["paths"].as_object().unwrap();
    assert!(paths.len() > 40, "{}", paths.len());
    // Every schema that is referred to is there.
    let text = described.to_string();
    for name in text.split("#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(described["components"]["schemas"].get(name).is_some(), "{name} is missing");
    }
}
