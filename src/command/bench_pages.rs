//! `stopline bench pages`: how fast the pages' server answers people at work, on the embedded store with a long history.
//!
//! Reviewers take cases from the queue one after another, as the review page does; dashboards load what the statistics
//! page loads. All of it by HTTP over loopback, in one process with the server: figures hold both sides' work.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use comfy_table::{Table, presets::UTF8_BORDERS_ONLY};
use serde::Serialize;
use serde_json::{Value, json};
use stopline_store::Endpoint;
use stopline_types::UtcUs;
use stopline_web::{Role, Users};

use super::{say, say_json};
use crate::{
    Outcome,
    cli::BenchPagesArgs,
    config::Config,
    engine::{Duty, Engine, Hooks},
};

const PASSWORD: &str = "one two three bench";
/// Rows made by one statement.
const CHUNK: u64 = 50_000;
/// Days over which the history lies.
const DAYS: f64 = 60.0;
/// Of that, days at the end whose cases nobody has decided.
const WAITING_DAYS: f64 = 3.0;
/// A reviewer's time for a case, the target of a clean one.
const PER_CASE: Duration = Duration::from_secs(8);
/// A dashboard loads again so often.
const DASHBOARD_EVERY: Duration = Duration::from_secs(15);

/// Milliseconds of every request by what it is.
type Times = Arc<Mutex<BTreeMap<&'static str, Vec<f64>>>>;

/// Of one kind of request.
#[derive(Debug, Serialize)]
struct Figures {
    requests: usize,
    p50_ms: f64,
    p95_ms: f64,
    p99_ms: f64,
    most_ms: f64,
}

pub(crate) fn run(args: &BenchPagesArgs) -> anyhow::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let folder = tempfile::tempdir()?;
    let data = args.data.clone().unwrap_or_else(|| folder.path().to_owned());
    let config_dir = folder.path().join("config");
    std::fs::create_dir_all(config_dir.join("cameras"))?;
    std::fs::write(config_dir.join("stopline.toml"), "[web]\nlisten = \"127.0.0.1:0\"\n[plates]\nread = false\n")?;
    let mut config = Config::load(&config_dir)?;
    config.engine.data_dir = std::path::absolute(&data)?;
    config.engine.detector.workers = 1;
    let engine = runtime.block_on(Engine::start(config, Duty::All, Hooks::default()))?;
    let filled = fill(engine.endpoint().context("the store")?, args.violations)?;
    say(format!("{} violations, {:.0} s to make the new ones", args.violations, filled.as_secs_f64()))?;
    if !filled.is_zero() {
        runtime.block_on(roll_up(engine.endpoint().context("the store")?))?;
    }
    let (address, web) = engine.pages().context("the pages")?;
    let pages = format!("http://{address}");
    people(&web.users(), args)?;
    let figures = measure(&pages, args)?;
    runtime.block_on(engine.stop())?;
    if args.json {
        say_json(&figures)?;
    } else {
        say(table(&figures))?;
    }
    let most =
        |kinds: &[&str], ms: f64| figures.iter().filter(|(kind, _)| kinds.contains(kind)).all(|(_, f)| f.p95_ms < ms);
    Ok(Outcome::of(most(&["queue", "lease", "case", "decide"], 150.0) && most(&["figures"], 300.0)))
}

/// Brings the history to `violations`, and as many passages.
fn fill(store: &Endpoint, violations: u64) -> anyhow::Result<Duration> {
    let there: u64 = sql(store, "SELECT count() FROM violations")?.trim().parse().context("a count")?;
    if there >= violations {
        return Ok(Duration::ZERO);
    }
    let began = Instant::now();
    let now = UtcUs::from(std::time::SystemTime::now());
    let begin = now.plus_s(-DAYS * 86_400.0);
    let decided = now.plus_s(-WAITING_DAYS * 86_400.0);
    let step_us = (DAYS * 86_400e6 / violations as f64) as u64;
    for from in (there..violations).step_by(CHUNK as usize) {
        let rows = CHUNK.min(violations - from);
        for statement in history(begin, decided, step_us, from, rows) {
            sql(store, &statement)?;
        }
    }
    Ok(began.elapsed())
}

/// What the shipper and the upkeep do for a history that grows by and by.
async fn roll_up(store: &Endpoint) -> anyhow::Result<()> {
    let marks = "SELECT hour, toDateTime64(1, 3, 'UTC'), max(rolled), 0 FROM hour_marks GROUP BY hour";
    for statement in [
        &format!("CREATE OR REPLACE TABLE bench_marks ENGINE = MergeTree ORDER BY tuple() AS {marks}") as &str,
        "TRUNCATE TABLE hour_marks",
        "INSERT INTO hour_marks SELECT * FROM bench_marks",
        "DROP TABLE bench_marks",
    ] {
        sql(store, statement)?;
    }
    let store = stopline_store::Store::connect(store)?;
    store.lay_cases().await?;
    store.roll_hours().await?;
    Ok(())
}

/// Violations, their reviews and passages as the writer lays them down, made by the database itself.
fn history(begin: UtcUs, decided: UtcUs, step_us: u64, from: u64, rows: u64) -> [String; 3] {
    let rules = ["red_light", "stop_line", "wrong_way", "wrong_lane", "speed", "no_stopping"];
    let rules = rules.map(|rule| format!("'{rule}'")).join(",");
    let made = format!(
        "WITH {begin} + toInt64(number) * {step_us} AS us, fromUnixTimestamp64Micro(us, 'UTC') AS at, \
              MD5(concat('bench', toString(number))) AS key, lower(hex(key)) AS hex, \
              concat('cam-', toString(number % 400)) AS cam, [{rules}][1 + number % 6] AS kind, \
              concat('29B1', leftPad(toString(intHash32(number) % 60000), 5, '0')) AS plate_text, \
              0.5 + (number % 500) / 1000 AS sure, \
              concat(formatDateTime(at, '%Y-%m-%dT%H:%i:%S'), '.', leftPad(toString(us % 1000000), 6, '0'), 'Z') AS iso",
        begin = begin.0,
    );
    let plate = json!({ "text": "@PLATE@", "confidence": 0.93 });
    let moment = json!({ "time": { "utc": "@UTC@", "error_ms": 12.0, "source": "sender_report" }, "box": [812.0, 420.0, 120.0, 210.0], "signal": "red" });
    let versions = json!({ "model": "bench@000000000000", "scene": "0123456789ab", "engine": "0.1.0" });
    let violation = json!({
        "event": "violation", "id": "@ID@", "camera": "@CAM@", "t_s": 1.0, "utc": "@UTC@", "error_ms": 12.0, "track": 1,
        "class": "motorcycle", "box": [812.0, 420.0, 120.0, 210.0], "frame_px": [1920, 1080], "confidence": 0.8,
        "plate": plate, "speed_kmh": null, "rule": "@RULE@", "mode": "live", "measured": { "red_for_s": 3.8 },
        "limit": { "red_for_s": 0.1 }, "signal": "red", "lane": "1",
        "moments": { "before": moment, "act": moment, "after": moment }, "analysed_fps": 8.0, "degraded": false,
        "law": { "code": "MOTO_RED_LIGHT", "article": "ND168/2024 Art.7 cl.7 pt.c", "name_vi": "Không chấp hành hiệu lệnh của đèn tín hiệu giao thông",
                 "name_en": "Not obeying a traffic light", "fine_min_vnd": 4_000_000, "fine_max_vnd": 6_000_000, "points": 4 },
        "versions": versions,
        "evidence": { "path": "bench", "manifest_sha256": "0".repeat(64), "files": ["before.jpg", "act.jpg", "after.jpg", "clip.mp4"] },
    });
    let review = json!({
        "event": "review", "id": "@RID@", "violation": "@ID@", "camera": "@CAM@", "utc": "@UTC@", "revision": 1,
        "verdict": "@VERDICT@", "reason": null, "note": "", "user": "bench",
    });
    let passage = json!({
        "event": "passage", "id": "@ID@", "camera": "@CAM@", "t_s": 1.0, "utc": "@UTC@", "error_ms": 12.0, "track": 1,
        "class": "motorcycle", "box": [812.0, 420.0, 120.0, 210.0], "frame_px": [1920, 1080], "confidence": 0.8,
        "plate": plate, "speed_kmh": 31.0, "lane": "1", "frames": 20, "entered": "@UTC@", "left": "@UTC@",
        "trajectory": [[0.0, 400.0, 900.0], [1.0, 420.0, 700.0], [2.0, 440.0, 500.0]], "versions": versions,
    });
    let body = |template: &Value| {
        let template = template.to_string().replace('\'', "\\'");
        let marks =
            [("@ID@", "hex"), ("@CAM@", "cam"), ("@UTC@", "iso"), ("@RULE@", "kind"), ("@PLATE@", "plate_text")];
        let marks = marks.into_iter().chain([("@RID@", "rhex"), ("@VERDICT@", "said")]);
        marks
            .filter(|(mark, _)| template.contains(mark))
            .fold(format!("'{template}'"), |text, (mark, with)| format!("replaceAll({text}, '{mark}', {with})"))
    };
    let numbers = format!("FROM numbers({from}, {rows})");
    [
        format!(
            "INSERT INTO violations (id, camera, utc, error_ms, track, class, plate, plate_confidence, confidence, rule, mode, \
             signal, law, model, scene, evidence, body, version) \
             {made} SELECT key, cam, at, 12, 1, 'motorcycle', plate_text, 0.93, sure, kind, 'live', 'red', 'MOTO_RED_LIGHT', \
             'bench', '0123456789ab', 'bench', {}, us {numbers}",
            body(&violation),
        ),
        format!(
            "INSERT INTO reviews (id, violation, revision, camera, utc, verdict, reviewer, body, version) \
             {made}, MD5(concat('review', toString(number))) AS rkey, lower(hex(rkey)) AS rhex, \
             if(number % 5 = 0, 'rejected', 'confirmed') AS said \
             SELECT rkey, key, 1, cam, at, said, 'bench', {}, us {numbers} WHERE us < {}",
            body(&review),
            decided.0,
        ),
        format!(
            "INSERT INTO passages (id, camera, utc, error_ms, track, class, plate, plate_confidence, speed_kmh, lane, confidence, \
             frames, model, scene, body, version) \
             {made} SELECT key, cam, at, 12, 1, 'motorcycle', plate_text, 0.93, 31, '1', sure, 20, 'bench', '0123456789ab', {}, \
             us {numbers}",
            body(&passage),
        ),
    ]
}

fn sql(store: &Endpoint, statement: &str) -> anyhow::Result<String> {
    let config =
        ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(600))).http_status_as_error(false);
    let agent = ureq::Agent::new_with_config(config.build());
    let mut answer = agent
        .post(&store.url)
        .query("database", &store.database)
        .header("x-clickhouse-user", &store.user)
        .header("x-clickhouse-key", &store.password)
        .send(statement)?;
    let text = answer.body_mut().read_to_string()?;
    anyhow::ensure!(answer.status() == 200, "the store: {}", text.chars().take(600).collect::<String>());
    Ok(text)
}

fn people(users: &Users, args: &BenchPagesArgs) -> anyhow::Result<()> {
    let known: Vec<String> = users.list()?.into_iter().map(|user| user.name).collect();
    let wanted = (0..args.reviewers).map(|n| (format!("reviewer-{n}"), Role::Reviewer));
    for (name, role) in wanted.chain((0..args.dashboards).map(|n| (format!("leader-{n}"), Role::Approver))) {
        if !known.contains(&name) {
            users.add(&name, role, PASSWORD)?;
        }
    }
    Ok(())
}

fn measure(pages: &str, args: &BenchPagesArgs) -> anyhow::Result<BTreeMap<&'static str, Figures>> {
    let times = Times::default();
    let over = Arc::new(AtomicBool::new(false));
    let mut threads = Vec::new();
    for n in 0..args.reviewers {
        let client = Client::log_in(pages, &format!("reviewer-{n}"), &times)?;
        let over = Arc::clone(&over);
        threads.push(std::thread::spawn(move || client.reviews(n, &over)));
    }
    for n in 0..args.dashboards {
        let client = Client::log_in(pages, &format!("leader-{n}"), &times)?;
        let over = Arc::clone(&over);
        threads.push(std::thread::spawn(move || client.looks(n, &over)));
    }
    std::thread::sleep(Duration::from_secs_f64(args.seconds));
    over.store(true, Ordering::Relaxed);
    for thread in threads {
        thread.join().map_err(|_| anyhow::anyhow!("a client panicked"))??;
    }
    let all = times.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(all.iter().map(|(kind, times)| (*kind, figures(times.clone()))).collect())
}

fn figures(mut ms: Vec<f64>) -> Figures {
    ms.sort_by(f64::total_cmp);
    let at = |share: f64| {
        ms.get(((ms.len() as f64 * share) as usize).min(ms.len().saturating_sub(1))).copied().unwrap_or(0.0)
    };
    Figures { requests: ms.len(), p50_ms: at(0.5), p95_ms: at(0.95), p99_ms: at(0.99), most_ms: at(1.0) }
}

fn table(figures: &BTreeMap<&'static str, Figures>) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    table.set_header(["request", "requests", "p50 ms", "p95 ms", "p99 ms", "most ms"]);
    for (kind, f) in figures {
        let ms = |value: f64| format!("{value:.1}");
        table.add_row([
            kind.to_string(),
            f.requests.to_string(),
            ms(f.p50_ms),
            ms(f.p95_ms),
            ms(f.p99_ms),
            ms(f.most_ms),
        ]);
    }
    table.to_string()
}

/// A browser of one person.
struct Client {
    agent: ureq::Agent,
    pages: String,
    cookie: String,
    times: Times,
}

impl Client {
    fn log_in(pages: &str, name: &str, times: &Times) -> anyhow::Result<Self> {
        let config =
            ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(60))).http_status_as_error(false);
        let mut client = Self {
            agent: ureq::Agent::new_with_config(config.build()),
            pages: pages.to_owned(),
            cookie: String::new(),
            times: Arc::clone(times),
        };
        let body = json!({ "name": name, "password": PASSWORD }).to_string();
        let answer = client
            .agent
            .post(format!("{pages}/api/login"))
            .header("content-type", "application/json")
            .header("x-stopline-request", "1")
            .send(&body)?;
        let cookie =
            answer.headers().get("set-cookie").and_then(|value| value.to_str().ok()).context("no cookie came")?;
        client.cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        Ok(client)
    }

    /// Asks, and notes how long the answer took. Answers of 409 are part of the work: two people wanted one case.
    fn ask(&self, kind: &'static str, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.pages))
            .header("cookie", &self.cookie)
            .header("x-stopline-request", "1")
            .header("content-type", "application/json");
        let began = Instant::now();
        let mut answer = match body {
            Some(body) => self.agent.run(request.body(body.to_string())?)?,
            None => self.agent.run(request.body(())?)?,
        };
        let text = answer.body_mut().read_to_string()?;
        let ms = began.elapsed().as_secs_f64() * 1e3;
        self.times.lock().unwrap_or_else(PoisonError::into_inner).entry(kind).or_default().push(ms);
        let status = answer.status().as_u16();
        anyhow::ensure!(status < 300 || status == 409, "{method} {path}: {status}: {text}");
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }

    /// Case after case: the queue, then for each the lease, the case, what belongs to it, the decision.
    fn reviews(&self, n: u32, over: &AtomicBool) -> anyhow::Result<()> {
        // Not all at once.
        pause(PER_CASE.mul_f64(f64::from(n % 50) / 50.0), over);
        while !over.load(Ordering::Relaxed) {
            let queue = self.ask("queue", "GET", "/api/queue?limit=100", None)?;
            let cases = queue["items"].as_array().cloned().unwrap_or_default();
            // Reviewers spread over the queue, as those of different sites do.
            for case in cases.iter().skip(n as usize % 50 * 2).take(5) {
                let began = Instant::now();
                let id = case["violation"]["id"].as_str().context("an id")?;
                self.ask("lease", "POST", &format!("/api/cases/{id}/lease"), Some(&json!({})))?;
                let shown = self.ask("case", "GET", &format!("/api/cases/{id}"), None)?;
                self.ask("related", "GET", &format!("/api/cases/{id}/related"), None)?;
                let decision = json!({ "verdict": "confirmed", "revision": shown["revision"] });
                self.ask("decide", "POST", &format!("/api/cases/{id}/decision"), Some(&decision))?;
                pause(PER_CASE.saturating_sub(began.elapsed()), over);
                if over.load(Ordering::Relaxed) {
                    break;
                }
            }
        }
        Ok(())
    }

    /// What the statistics page loads for the last week, and what the strip above asks.
    fn looks(&self, n: u32, over: &AtomicBool) -> anyhow::Result<()> {
        pause(DASHBOARD_EVERY.mul_f64(f64::from(n % 20) / 20.0), over);
        while !over.load(Ordering::Relaxed) {
            let began = Instant::now();
            let now = UtcUs::from(std::time::SystemTime::now());
            let (from, before) = (now.plus_s(-7.0 * 86_400.0), now.plus_s(-14.0 * 86_400.0));
            let span = format!("from={from}&to={now}");
            for path in [
                format!("/api/counts?{span}"),
                format!("/api/traffic?{span}"),
                format!("/api/tally?{span}&time=hour_of_week"),
                format!("/api/scorecard?{span}"),
                format!("/api/tally?from={before}&to={from}&by=camera"),
                format!("/api/tally?{span}&by=camera"),
                "/api/precision".to_owned(),
                "/api/cameras".to_owned(),
                "/api/health".to_owned(),
            ] {
                self.ask("figures", "GET", &path, None)?;
            }
            self.ask("offenders", "GET", &format!("/api/offenders?{span}"), None)?;
            pause(DASHBOARD_EVERY.saturating_sub(began.elapsed()), over);
        }
        Ok(())
    }
}

/// Waits, but not beyond the end.
fn pause(time: Duration, over: &AtomicBool) {
    let until = Instant::now() + time;
    while Instant::now() < until && !over.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(50).min(until.saturating_duration_since(Instant::now())));
    }
}
