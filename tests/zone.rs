//! A zone drawn on the pages becomes the engine's rule: kept in the camera's file, judged by within seconds.
#![allow(missing_docs)]

mod common;

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use common::{ConfigDir, JUNCTION_MAIN, JUNCTION_SUB, Simulator, junction_camera, stopline};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(180);
const PASSWORD: &str = "bon muoi hai cay cau";

struct Engine {
    child: Child,
    events: mpsc::Receiver<Value>,
    pages: String,
}

impl Engine {
    fn start(config: &ConfigDir) -> Self {
        let mut child = stopline()
            .args(["run", "--json", "--config", &config.arg()])
            .env("STOPLINE_LOG", "info")
            .env("NO_COLOR", "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the engine starts");
        let (sender, events) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        std::thread::spawn(move || {
            for event in stdout.lines().map_while(Result::ok).filter_map(|line| serde_json::from_str(&line).ok()) {
                if sender.send(event).is_err() {
                    break;
                }
            }
        });
        let (told, address) = mpsc::channel();
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if let Some(found) = line.split("pages: ").nth(1).and_then(|rest| rest.split(';').next()) {
                    drop(told.send(found.to_owned()));
                }
            }
        });
        let pages = address.recv_timeout(PATIENCE).expect("the engine tells the address of the pages");
        Self { child, events, pages }
    }

    /// The next violation of a rule.
    fn violation(&self, rule: &str) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let event = self.events.recv_timeout(left).unwrap_or_else(|e| panic!("no violation of {rule}: {e}"));
            if event["event"] == "violation" && event["rule"] == rule {
                return event;
            }
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A signed-in person.
struct Person {
    agent: ureq::Agent,
    pages: String,
    cookie: String,
}

impl Person {
    fn log_in(pages: &str, name: &str) -> Self {
        let agent = ureq::Agent::new_with_config(ureq::Agent::config_builder().http_status_as_error(false).build());
        let body = json!({ "name": name, "password": PASSWORD }).to_string();
        let answer = agent
            .post(format!("{pages}/api/login"))
            .header("content-type", "application/json")
            .header("x-stopline-request", "1")
            .send(&body)
            .expect("an answer");
        assert_eq!(answer.status(), 200);
        let cookie =
            answer.headers()["set-cookie"].to_str().expect("text").split(';').next().expect("a cookie").to_owned();
        Self { agent, pages: pages.to_owned(), cookie }
    }

    fn get(&self, path: &str) -> Value {
        let asked = self.agent.get(format!("{}{path}", self.pages)).header("cookie", &self.cookie).call();
        serde_json::from_str(&asked.expect("an answer").body_mut().read_to_string().expect("text")).expect("JSON")
    }

    fn put(&self, path: &str, body: &Value) -> (u16, Value) {
        let mut answer = self
            .agent
            .put(format!("{}{path}", self.pages))
            .header("cookie", &self.cookie)
            .header("content-type", "application/json")
            .header("x-stopline-request", "1")
            .send(&body.to_string())
            .expect("an answer");
        let text = answer.body_mut().read_to_string().expect("text");
        (answer.status().as_u16(), serde_json::from_str(&text).unwrap_or_default())
    }
}

fn user(config: &ConfigDir, name: &str, role: &str) {
    let mut child = stopline()
        .args(["user", "--config", &config.arg(), "add", name, "--role", role])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("the program starts");
    writeln!(child.stdin.take().expect("piped"), "{PASSWORD}").expect("taken");
    assert!(child.wait().expect("ends").success(), "user add {name}");
}

/// The junction without zones, and with no rule but standing in one.
fn camera(simulator: &Simulator) -> String {
    let sub = simulator.url("junction", "sub");
    let main = simulator.url("junction", "main");
    let text = junction_camera("junction", &main, Some(&sub), None);
    let mut table: toml::Table = text.parse().expect("TOML");
    let scene = table["scene"].as_table_mut().expect("a scene");
    scene.remove("zones");
    format!("# junction, as fetched from the depot\n{}", toml::to_string(&table).expect("TOML"))
}

#[test]
fn a_zone_drawn_on_the_pages_finds_its_violation() {
    let simulator = Simulator::start(&[&format!("junction={JUNCTION_MAIN},{JUNCTION_SUB}")], None);
    let config = ConfigDir::new();
    config.engine(
        "data_dir = \"data\"\n[web]\nlisten = \"127.0.0.1:0\"\n[detector]\nmax_fps = 4.0\n[plates]\nread = false\n",
    );
    config.camera("junction", &camera(&simulator));
    user(&config, "toan", "operator");
    user(&config, "khach", "viewer");
    let engine = Engine::start(&config);
    let toan = Person::log_in(&engine.pages, "toan");

    let path = "/api/cameras/junction/scene";
    let mut scene = toan.get(path)["scene"].clone();
    assert_eq!(scene["zones"], json!([]));
    // Where vehicles wait for the light: in this test nobody may stop there.
    let zone = json!({
        "name": "drawn", "kind": "no_stopping", "dwell_s": 3.0,
        "polygon": [[200.0, 600.0], [1300.0, 600.0], [1400.0, 1075.0], [60.0, 1075.0]],
    });
    scene["zones"] = json!([zone]);
    assert_eq!(Person::log_in(&engine.pages, "khach").put(path, &scene).0, 403, "a viewer draws nothing");
    let mut bent = scene.clone();
    bent["zones"][0]["polygon"] = json!([[1.0, 1.0], [2.0, 2.0]]);
    let (status, told) = toan.put(path, &bent);
    assert_eq!((status, told["faults"][0]["key"].as_str()), (422, Some("zones[0].polygon")), "{told}");

    let (status, told) = toan.put(path, &scene);
    assert_eq!((status, &told["faults"]), (200, &json!([])), "{told}");
    let file = std::fs::read_to_string(config.path().join("cameras/junction.toml")).expect("read");
    assert!(file.starts_with("# junction, as fetched from the depot") && file.contains("\"drawn\""), "{file}");

    let violation = engine.violation("no_stopping");
    let corner: Vec<f64> = violation["box"].as_array().expect("a box").iter().filter_map(Value::as_f64).collect();
    let frame: Vec<f64> = violation["frame_px"].as_array().expect("a size").iter().filter_map(Value::as_f64).collect();
    let foot = (corner[1] + corner[3]) / frame[1] * 1080.0;
    assert!((600.0..=1080.0).contains(&foot), "it stands where the zone was drawn: {violation}");
    assert_eq!(toan.get(path)["scene"]["zones"][0]["name"], "drawn");
}
