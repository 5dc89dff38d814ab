//! Asks a camera's signal controller what its heads show, and tells the analyzer.
//!
//! One thread a controller; a GET of `url` every `every_s` seconds, answered with JSON:
//!
//! ```json
//! {"time": "2026-11-21T07:30:00.250Z",
//!  "heads": {"A1": {"state": "red", "since": "2026-11-21T07:29:58.100Z"}}}
//! ```
//!
//! `state` is `red`, `yellow`, `green`, `flashing_yellow`, `dark` or `unknown`; `time` (when the answer was made) and
//! `since` are RFC 3339 and may be left out: then the moment the answer came counts. Other keys are ignored. An answer
//! that fails or cannot be read tells nothing; after three seconds without one the controller counts as silent.

use std::{
    collections::BTreeMap,
    sync::Weak,
    time::{Duration, SystemTime},
};

use serde::Deserialize;
use stopline_detect::signal::ControllerReading;
use stopline_types::{SignalState, UtcUs};

use super::cameras::Entry;
use crate::config::ControllerConfig;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Longest answer, bytes.
const LONGEST: u64 = 64 << 10;
/// A controller whose clock is off by more than this is not believed about time, seconds.
const CLOCK_S: f64 = 60.0;

#[derive(Debug, Deserialize)]
struct Answer {
    time: Option<UtcUs>,
    heads: BTreeMap<String, Said>,
}

#[derive(Debug, Deserialize)]
struct Said {
    state: SignalState,
    since: Option<UtcUs>,
}

/// Asks on behalf of one camera until that is gone.
pub(super) fn ask(controller: ControllerConfig, camera: Weak<Entry>) -> std::io::Result<()> {
    let body = move || {
        let agent = agent();
        let mut failing = false;
        loop {
            let said = fetch(&agent, &controller);
            let Some(entry) = camera.upgrade() else { return };
            let camera = entry.camera.id();
            match said {
                Ok(said) => {
                    if failing {
                        tracing::info!(%camera, "the signal controller answers again");
                    }
                    failing = false;
                    tell(&entry, &controller, said);
                }
                Err(reason) => {
                    if !failing {
                        tracing::warn!(%camera, "the signal controller is silent: {reason}");
                    }
                    failing = true;
                }
            }
            drop(entry);
            std::thread::sleep(Duration::from_secs_f64(controller.every_s));
        }
    };
    std::thread::Builder::new().name("controller".into()).spawn(body).map(drop)
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).max_redirects(0).build();
    ureq::Agent::new_with_config(config)
}

fn fetch(agent: &ureq::Agent, controller: &ControllerConfig) -> Result<Answer, String> {
    let mut response = agent.get(controller.url.as_str()).call().map_err(|e| e.to_string())?;
    if !response.status().is_success() {
        return Err(format!("it answered {}", response.status()));
    }
    let text = response.body_mut().with_config().limit(LONGEST).read_to_string().map_err(|e| e.to_string())?;
    parse(&text)
}

fn parse(text: &str) -> Result<Answer, String> {
    serde_json::from_str(text).map_err(|e| format!("expected {{\"heads\": {{NAME: {{\"state\": …}}}}}}: {e}"))
}

fn tell(entry: &Entry, controller: &ControllerConfig, answer: Answer) {
    let readings = readings(controller, answer, SystemTime::now().into());
    entry.analyze(|analyzer| {
        for (reading, name) in readings {
            analyzer.controller_says(&name, reading);
        }
    });
}

/// What the answer says of each head of the scene, by the scene's names.
fn readings(controller: &ControllerConfig, answer: Answer, now: UtcUs) -> Vec<(ControllerReading, String)> {
    let at = answer.time.filter(|time| now.since_s(*time).abs() <= CLOCK_S).unwrap_or(now);
    let reading = |(theirs, said): (String, Said)| {
        let ours = controller.heads.iter().find(|(_, name)| **name == theirs).map(|(ours, _)| ours.clone());
        // Without a table the names are the scene's.
        let ours = ours.or_else(|| controller.heads.is_empty().then_some(theirs))?;
        let since = said.since.filter(|since| *since <= at).unwrap_or(at);
        Some((ControllerReading { state: said.state, since, at, error_ms: controller.error_ms }, ours))
    };
    answer.heads.into_iter().filter_map(reading).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};

    fn controller(url: &str, heads: &[(&str, &str)]) -> ControllerConfig {
        ControllerConfig {
            url: url.parse().expect("an address"),
            every_s: 0.5,
            error_ms: 200.0,
            heads: heads.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(),
        }
    }

    const GOOD: &str = r#"{"time": "2026-11-21T07:30:00.250Z", "firmware": "7.1",
        "heads": {"A1": {"state": "red", "since": "2026-11-21T07:29:58Z"}, "B1": {"state": "green"}}}"#;

    #[test]
    fn heads_go_by_the_scenes_names() {
        let now = UtcUs::parse("2026-11-21T07:30:00.400Z").expect("an instant");
        let named = readings(&controller("http://c/", &[("near", "A1")]), parse(GOOD).expect("good"), now);
        assert_eq!(named.len(), 1);
        assert_eq!((named[0].1.as_str(), named[0].0.state), ("near", SignalState::Red));
        assert!((named[0].0.at.since_s(named[0].0.since) - 2.25).abs() < 1e-6);
        let all = readings(&controller("http://c/", &[]), parse(GOOD).expect("good"), now);
        assert_eq!(all.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>(), ["A1", "B1"]);
        // A clock that is far off is not believed.
        let later = readings(&controller("http://c/", &[]), parse(GOOD).expect("good"), now.plus_s(3600.0));
        assert_eq!(later[0].0.at, now.plus_s(3600.0));
    }

    #[test]
    fn bad_answers_say_what_was_expected() {
        for bad in ["", "[]", "{}", r#"{"heads": {"A": {"state": "purple"}}}"#, r#"{"heads": {"A": {"state": 1}}}"#] {
            let error = parse(bad).expect_err("bad");
            assert!(error.starts_with("expected {\"heads\""), "{error}");
        }
    }

    /// Over a socket: a good answer, an error, one that is too long.
    #[test]
    fn answers_come_over_http() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let served = std::thread::spawn(move || {
            let long = format!("{{\"heads\": {{}}, \"pad\": \"{}\"}}", "x".repeat(100_000));
            for (status, body) in [("200 OK", GOOD.to_owned()), ("503 Busy", String::new()), ("200 OK", long)] {
                let (mut stream, _) = listener.accept().expect("a caller");
                let mut request = [0; 2048];
                assert!(stream.read(&mut request).expect("a request") > 0);
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                // The reader may hang up on the long one.
                drop(stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())));
            }
        });
        let (agent, controller) = (agent(), controller(&format!("http://{address}/signals"), &[]));
        assert_eq!(fetch(&agent, &controller).expect("good").heads.len(), 2);
        assert!(fetch(&agent, &controller).expect_err("503").contains("503"));
        assert!(fetch(&agent, &controller).is_err(), "too long");
        served.join().expect("served");
        assert!(fetch(&agent, &controller).is_err(), "nobody there");
    }
}
