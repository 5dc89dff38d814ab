//! `[kafka]`: only where cameras and ClickHouse are on different machines.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use stopline_store::kafka::{KafkaConfig, Layout, Tls};

use super::{Fault, engine::secret};

/// The table as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KafkaRaw {
    /// `host:port`, one or more.
    brokers: Vec<String>,
    /// Topic of events.
    topic: Option<String>,
    /// Consumer group of sinks.
    group: Option<String>,
    /// Make the topic where it is missing; false: whoever runs the brokers does.
    #[serde(default = "make_topic")]
    make_topic: bool,
    /// Partitions of the topic, where we make it: as many sinks can share the work.
    #[serde(default = "partitions")]
    partitions: i32,
    /// Copies of each partition, where we make the topic; at most the number of brokers.
    #[serde(default = "replication")]
    replication: i32,
    /// A member of the group that is silent for so long is taken for dead.
    #[serde(default = "session_timeout_s")]
    session_timeout_s: u64,
    /// Speak TLS.
    #[serde(default)]
    tls: bool,
    /// Trust these certificates (PEM) instead of the system's.
    ca_file: Option<PathBuf>,
    /// SASL user (SCRAM-SHA-512).
    user: Option<String>,
    password_env: Option<String>,
    password_file: Option<PathBuf>,
    /// Cameras come from a topic and are shared out among the edges.
    sharing: Option<SharingRaw>,
}

/// `[kafka.sharing]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SharingRaw {
    /// Topic of cameras.
    topic: Option<String>,
    /// Consumer group of edges.
    group: Option<String>,
    /// Partitions of the topic, where we make it: cameras are moved by the partition, so several for each edge.
    #[serde(default = "camera_partitions")]
    partitions: i32,
}

/// Events and cameras.
pub(super) struct Kafka {
    pub events: KafkaConfig,
    pub cameras: Option<KafkaConfig>,
}

fn camera_partitions() -> i32 {
    48
}

fn make_topic() -> bool {
    true
}

fn partitions() -> i32 {
    12
}

fn replication() -> i32 {
    3
}

fn session_timeout_s() -> u64 {
    10
}

pub(super) fn resolve(raw: KafkaRaw, file: &Path, dir: &Path) -> Result<Kafka, Fault> {
    let fault = |key: &str, reason: String| Fault::new(file, format!("kafka.{key}"), reason);
    if raw.brokers.is_empty() {
        return Err(fault("brokers", "expected one or more \"host:port\"".into()));
    }
    for broker in &raw.brokers {
        let port = broker.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
        if broker.contains('@') || port.is_none_or(|(host, _)| host.is_empty()) {
            return Err(fault("brokers", "expected \"host:port\" without credentials".into()));
        }
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let sharing = raw.sharing.clone().unwrap_or_default();
    let names = [("topic", &raw.topic), ("group", &raw.group)];
    for (key, name) in names.into_iter().chain([("sharing.topic", &sharing.topic), ("sharing.group", &sharing.group)]) {
        if let Some(name) = name
            && (!(1..=200).contains(&name.len()) || !name.chars().all(plain))
        {
            return Err(fault(key, format!("expected 1 to 200 letters, digits, '.', '_' or '-', found {name:?}")));
        }
    }
    let camera_partitions = raw.sharing.as_ref().map_or(1, |sharing| sharing.partitions);
    for (key, value, most) in [
        ("partitions", raw.partitions, 10_000),
        ("replication", raw.replication, 15),
        ("sharing.partitions", camera_partitions, 10_000),
    ] {
        if !(1..=most).contains(&value) {
            return Err(fault(key, format!("expected 1 to {most}, found {value}")));
        }
    }
    if !(6..=300).contains(&raw.session_timeout_s) {
        return Err(fault("session_timeout_s", "expected 6 to 300".into()));
    }
    let ca_file = raw.ca_file.map(|path| dir.join(path));
    if let Some(path) = ca_file.as_ref().filter(|path| !path.is_file()) {
        return Err(fault("ca_file", format!("{}: no such file", path.display())));
    }
    if !raw.tls && (ca_file.is_some() || raw.user.is_some()) {
        return Err(fault("tls", "expected true beside ca_file or user: no password goes over plain TCP".into()));
    }
    let password = secret(raw.password_env, raw.password_file, dir).map_err(|(key, reason)| fault(key, reason))?;
    let login = match (raw.user, password) {
        (Some(user), Some(password)) => Some((user, password)),
        (None, None) => None,
        (Some(_), None) => return Err(fault("user", "given without password_env or password_file".into())),
        (None, Some(_)) => return Err(fault("password_env", "given without user".into())),
    };
    let usual = KafkaConfig::new(raw.brokers);
    let events = KafkaConfig {
        topic: raw.topic.unwrap_or(usual.topic),
        group: raw.group.unwrap_or(usual.group),
        tls: raw.tls.then_some(Tls { ca_file }),
        login,
        session_timeout: Duration::from_secs(raw.session_timeout_s),
        layout: raw.make_topic.then_some(Layout { partitions: raw.partitions, replication: raw.replication }),
        compacted: false,
        brokers: usual.brokers,
    };
    let cameras = raw.sharing.map(|sharing| {
        let usual = events.of_cameras();
        KafkaConfig {
            topic: sharing.topic.unwrap_or(usual.topic),
            group: sharing.group.unwrap_or(usual.group),
            layout: usual.layout.map(|layout| Layout { partitions: sharing.partitions, ..layout }),
            ..events.of_cameras()
        }
    });
    if cameras.as_ref().is_some_and(|cameras| cameras.topic == events.topic || cameras.group == events.group) {
        return Err(fault("sharing", "expected another topic and another group than those of events".into()));
    }
    Ok(Kafka { events, cameras })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Kafka, String> {
        let raw = toml::from_str(text).map_err(|error| error.to_string())?;
        resolve(raw, Path::new("stopline.toml"), Path::new(".")).map_err(|fault| fault.to_string())
    }

    #[test]
    fn faults_name_their_key() {
        let kafka = load("brokers = [\"a:9092\", \"[::1]:9093\"]").map_err(|_| ()).expect("usual names");
        assert_eq!((kafka.events.topic.as_str(), kafka.events.brokers.len()), ("stopline.events", 2));
        assert!(kafka.cameras.is_none());
        let cameras =
            load("brokers = [\"a:1\"]\n[sharing]").map_err(|_| ()).expect("usual names").cameras.expect("asked");
        assert_eq!((cameras.topic.as_str(), cameras.group.as_str()), ("stopline.cameras", "stopline-edge"));
        for (text, said) in [
            ("brokers = []", "kafka.brokers"),
            ("brokers = [\"a\"]", "kafka.brokers"),
            ("brokers = [\"u:secret@a:1\"]", "without credentials"),
            ("brokers = [\"a:1\"]\ntopic = \"a b\"", "kafka.topic"),
            ("brokers = [\"a:1\"]\nuser = \"x\"", "kafka.tls"),
            ("brokers = [\"a:1\"]\ntls = true\nuser = \"x\"", "kafka.user"),
            ("brokers = [\"a:1\"]\nreplication = 0", "kafka.replication"),
            ("brokers = [\"a:1\"]\n[sharing]\npartitions = 0", "kafka.sharing.partitions"),
            ("brokers = [\"a:1\"]\n[sharing]\ngroup = \"stopline-sink\"", "kafka.sharing"),
        ] {
            let fault = load(text).map(|_| ()).expect_err(text);
            assert!(fault.contains(said) && !fault.contains("secret"), "{text}: {fault}");
        }
    }
}
