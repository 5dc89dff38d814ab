//! `stopline.toml`: where things lie and how much they may use. Every key has a default; a missing file is an empty
//! one.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use stopline_detect::rules::section_speed::SectionConfig;
use stopline_ingest::RingLimits;
use stopline_store::{evidence::BucketConfig, kafka::KafkaConfig, retention::Retention};
use stopline_types::{RuleKind, UtcUs, Violation};

use super::{
    Fault, Faults,
    bucket::{self, BucketRaw},
    kafka::{self, KafkaRaw},
};

/// The file as written. Relative paths are relative to the file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Raw {
    data_dir: PathBuf,
    runtime: RuntimeRaw,
    detector: DetectorConfig,
    ring: RingConfig,
    spool: SpoolConfig,
    retention: Retention,
    store: Option<StoreRaw>,
    web: WebConfig,
    metrics: MetricsConfig,
    evidence: EvidenceRaw,
    plates: PlatesConfig,
    section: Vec<SectionConfig>,
    kafka: Option<KafkaRaw>,
}

impl Default for Raw {
    fn default() -> Self {
        Self {
            data_dir: "data".into(),
            runtime: RuntimeRaw::default(),
            detector: DetectorConfig::default(),
            ring: RingConfig::default(),
            spool: SpoolConfig::default(),
            retention: Retention::default(),
            store: None,
            web: WebConfig::default(),
            metrics: MetricsConfig::default(),
            evidence: EvidenceRaw::default(),
            plates: PlatesConfig::default(),
            section: Vec::new(),
            kafka: None,
        }
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RuntimeRaw {
    onnxruntime: Option<PathBuf>,
    chdb: Option<PathBuf>,
    models_dir: Option<PathBuf>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoreRaw {
    url: String,
    #[serde(default = "default_database")]
    database: String,
    user: Option<String>,
    password_env: Option<String>,
    password_file: Option<PathBuf>,
    /// For https: trust these certificates (PEM) instead of the system's.
    ca_file: Option<PathBuf>,
    /// Refused with a reason: tables on a cluster are not built yet.
    cluster: Option<String>,
}

/// Longest time from the first moment that evidence shows to the decision of a rule: five seconds before the act, and
/// ten in which a vehicle may still go on.
const DECIDED_WITHIN_S: f64 = 15.0;

fn default_database() -> String {
    "stopline".to_owned()
}

/// `[detector]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DetectorConfig {
    /// A name of `models/manifest.toml`.
    pub model: String,
    /// Inference threads; 0: one for each core.
    pub workers: usize,
    /// Frames a second looked at for each camera, at most.
    pub max_fps: f64,
    /// Frames in one model call, at most; only models with a free batch size take more than one. On a CPU one is
    /// fastest (benches/RESULTS.md): the caches hold one picture's layers, not four's.
    pub max_batch: usize,
    /// Look again only where the picture changed, with models that take parts of it.
    pub spare: bool,
}

impl Default for DetectorConfig {
    fn default() -> Self {
        Self { model: "nanodet-g".into(), workers: 0, max_fps: 12.5, max_batch: 1, spare: true }
    }
}

/// `[ring]`: encoded packets kept in memory for each stream.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RingConfig {
    /// At least so long, as far as the bytes allow.
    pub seconds: u32,
    /// At most so much.
    pub megabytes: u32,
}

impl Default for RingConfig {
    fn default() -> Self {
        Self { seconds: 24, megabytes: 48 }
    }
}

impl RingConfig {
    /// As `ingest` takes them.
    pub(crate) fn limits(self) -> RingLimits {
        RingLimits { seconds: f64::from(self.seconds), bytes: (self.megabytes as usize) << 20 }
    }
}

/// `[spool]`: events on disk until ClickHouse has them.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SpoolConfig {
    /// At most so much; when full, passages are shed first and counted, violations never.
    pub megabytes: u32,
}

impl Default for SpoolConfig {
    fn default() -> Self {
        Self { megabytes: 2048 }
    }
}

/// `[metrics]`.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct MetricsConfig {
    /// Address and port of `/metrics`, e.g. `127.0.0.1:9420`; not served unless given. It asks for no log-in and names
    /// cameras: keep it where only the monitoring reaches it.
    pub listen: Option<SocketAddr>,
}

/// `[web]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WebConfig {
    /// Address and port of the pages. Loopback unless said otherwise; put TLS in front before opening it.
    pub listen: SocketAddr,
    /// True behind TLS: cookies are then never sent in the clear.
    pub secure_cookies: bool,
    /// Hours after which a session ends.
    pub session_hours: f64,
    /// Calendar days from detection to the notice (Circular 73/2024/TT-BCA Art. 24).
    pub deadline_days: u32,
    /// A violation whose time may be further off cannot be confirmed, milliseconds; not given: any error.
    pub max_time_error_ms: Option<f64>,
    /// Rules whose violations a second person must confirm.
    pub second_approval: Vec<RuleKind>,
    /// And those with a higher highest fine than this, VND.
    pub second_approval_above_vnd: Option<u64>,
    /// Rules whose violations need a device certificate valid on the day of the act.
    pub certified: Vec<RuleKind>,
}

impl Default for WebConfig {
    fn default() -> Self {
        Self {
            listen: ([127, 0, 0, 1], 8420).into(),
            secure_cookies: false,
            session_hours: 12.0,
            deadline_days: 10,
            max_time_error_ms: None,
            second_approval: Vec::new(),
            second_approval_above_vnd: None,
            certified: Vec::new(),
        }
    }
}

impl WebConfig {
    /// As `web` takes it, over the folder of its database.
    pub(crate) fn pages(&self, data_dir: PathBuf) -> stopline_web::WebConfig {
        stopline_web::WebConfig {
            secure_cookies: self.secure_cookies,
            session_hours: self.session_hours,
            deadline_days: self.deadline_days,
            max_time_error_ms: self.max_time_error_ms,
            second_approval: self.second_approval.clone(),
            second_approval_above_vnd: self.second_approval_above_vnd,
            certified: self.certified.clone(),
            ..stopline_web::WebConfig::new(data_dir)
        }
    }
}

/// `[evidence]` as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct EvidenceRaw {
    before_s: f64,
    after_s: f64,
    bucket: Option<BucketRaw>,
}

impl Default for EvidenceRaw {
    fn default() -> Self {
        Self { before_s: 2.0, after_s: 2.0, bucket: None }
    }
}

/// What a clip shows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EvidenceConfig {
    /// Clip before the first moment, seconds.
    pub before_s: f64,
    /// Clip after the last moment, seconds.
    pub after_s: f64,
}

/// `[plates]`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PlatesConfig {
    /// Whether number plates are read.
    pub read: bool,
}

impl Default for PlatesConfig {
    fn default() -> Self {
        Self { read: true }
    }
}

impl EvidenceConfig {
    /// What a violation's proof spans: its moments, with the seconds before and after them.
    pub(crate) fn span(self, violation: &Violation) -> (UtcUs, UtcUs) {
        let moments = &violation.moments;
        let first = moments.before.time.utc.min(moments.act.time.utc);
        let last = moments.after.time.utc.max(moments.act.time.utc);
        (first.plus_s(-self.before_s), last.plus_s(self.after_s))
    }
}

/// Where events go.
#[derive(Debug, Clone)]
pub(crate) enum StoreConfig {
    /// ClickHouse's engine as a child process of ours.
    Embedded,
    /// A ClickHouse server.
    Server(stopline_store::Endpoint),
}

/// The file resolved: absolute paths, secrets read.
#[derive(Debug, Clone)]
pub(crate) struct EngineConfig {
    /// Everything the engine writes lies below.
    pub data_dir: PathBuf,
    /// ONNX Runtime's shared library.
    pub onnxruntime: PathBuf,
    /// chDB's shared library.
    pub chdb: PathBuf,
    /// Where model files lie.
    pub models_dir: PathBuf,
    pub detector: DetectorConfig,
    pub ring: RingConfig,
    pub spool: SpoolConfig,
    pub retention: Retention,
    pub store: StoreConfig,
    pub web: WebConfig,
    pub metrics: MetricsConfig,
    pub evidence: EvidenceConfig,
    /// Where evidence is copied to.
    pub bucket: Option<BucketConfig>,
    pub plates: PlatesConfig,
    pub sections: Vec<SectionConfig>,
    /// Where events travel between machines; none: everything is here.
    pub kafka: Option<KafkaConfig>,
    /// Where an edge's cameras come from; none: its own folder.
    pub sharing: Option<KafkaConfig>,
}

/// The cache that `make setup` fills: `$STOPLINE_CACHE`, else `~/.cache/stopline`.
pub(crate) fn cache_dir() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("STOPLINE_CACHE")
        .unwrap_or_else(|| set("HOME").unwrap_or_else(|| "/root".into()).join(".cache").join("stopline"))
}

impl EngineConfig {
    pub(crate) fn load(dir: &Path) -> Result<Self, Faults> {
        let file = dir.join("stopline.toml");
        let raw = match std::fs::read_to_string(&file) {
            Ok(text) => toml::from_str(&text).map_err(|e| Faults(vec![Fault::toml(&file, &e)]))?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Raw::default(),
            Err(e) => return Err(Faults(vec![Fault::new(&file, "", e.to_string())])),
        };
        Self::resolve(raw, &file, dir)
    }

    fn resolve(raw: Raw, file: &Path, dir: &Path) -> Result<Self, Faults> {
        let mut faults = Vec::new();
        let mut require = |holds: bool, key: &str, reason: &str| {
            if !holds {
                faults.push(Fault::new(file, key, reason));
            }
        };
        let d = &raw.detector;
        require(d.max_fps > 0.0 && d.max_fps <= 60.0, "detector.max_fps", "expected above 0, up to 60");
        require(d.workers <= 256, "detector.workers", "expected 0 to 256");
        require((1..=64).contains(&d.max_batch), "detector.max_batch", "expected 1 to 64");
        require((4..=600).contains(&raw.ring.seconds), "ring.seconds", "expected 4 to 600");
        require(raw.ring.megabytes >= 1, "ring.megabytes", "expected 1 or more");
        require(raw.spool.megabytes >= 1, "spool.megabytes", "expected 1 or more");
        for (key, value) in [("before_s", raw.evidence.before_s), ("after_s", raw.evidence.after_s)] {
            require((0.0..=30.0).contains(&value), &format!("evidence.{key}"), "expected 0 to 30 seconds");
        }
        let w = &raw.web;
        require((0.1..=168.0).contains(&w.session_hours), "web.session_hours", "expected 0.1 to 168");
        require((1..=365).contains(&w.deadline_days), "web.deadline_days", "expected 1 to 365");
        let error_ms = w.max_time_error_ms;
        require(error_ms.is_none_or(|ms| ms > 0.0), "web.max_time_error_ms", "expected above 0");
        let kept_s = raw.evidence.before_s + raw.evidence.after_s + DECIDED_WITHIN_S;
        require(
            f64::from(raw.ring.seconds) >= kept_s,
            "ring.seconds",
            &format!(
                "expected at least {kept_s:.0}: evidence.before_s + evidence.after_s + {DECIDED_WITHIN_S:.0} s to decide"
            ),
        );
        for (at, section) in raw.section.iter().enumerate() {
            let key = |key: &str| format!("section.{at}.{key}");
            section.faults().into_iter().for_each(|(of, expected)| require(false, &key(of), expected));
            let same = raw.section[..at].iter().any(|other| other.name == section.name);
            require(!same, &key("name"), &format!("{:?} is also the name of an earlier one", section.name));
        }
        require(raw.plates.read || raw.section.is_empty(), "section", "needs plates.read = true: it goes by plates");
        let store = resolve_store(raw.store, file, dir).map_err(|fault| faults.push(fault)).ok();
        let kafka = raw.kafka.map(|raw| kafka::resolve(raw, file, dir)).transpose();
        let kafka = kafka.map_err(|fault| faults.push(fault)).unwrap_or_default();
        let (kafka, sharing) = kafka.map_or((None, None), |kafka| (Some(kafka.events), kafka.cameras));
        let bucket = raw.evidence.bucket.map(|raw| bucket::resolve(raw, file, dir)).transpose();
        let bucket = bucket.map_err(|fault| faults.push(fault)).unwrap_or_default();
        let cache = cache_dir();
        let place = |given: Option<PathBuf>, default: PathBuf| given.map_or(default, |path| dir.join(path));
        match store {
            Some(store) if faults.is_empty() => Ok(Self {
                data_dir: dir.join(raw.data_dir),
                onnxruntime: place(raw.runtime.onnxruntime, cache.join("lib/libonnxruntime.so")),
                chdb: place(raw.runtime.chdb, cache.join("lib/libchdb.so")),
                models_dir: place(raw.runtime.models_dir, cache.join("models")),
                detector: raw.detector,
                ring: raw.ring,
                spool: raw.spool,
                retention: raw.retention,
                store,
                web: raw.web,
                metrics: raw.metrics,
                evidence: EvidenceConfig { before_s: raw.evidence.before_s, after_s: raw.evidence.after_s },
                bucket,
                plates: raw.plates,
                sections: raw.section,
                kafka,
                sharing,
            }),
            _ => Err(Faults(faults)),
        }
    }

    /// How long a violation may wait for its track to end, so that its plate is read once for violation and passage: as far
    /// as the ring keeps more than the proof needs.
    pub(crate) fn plate_hold(&self) -> Duration {
        const LONGEST_S: f64 = 4.0;
        let kept_s = self.evidence.before_s + self.evidence.after_s + DECIDED_WITHIN_S;
        Duration::from_secs_f64((f64::from(self.ring.seconds) - kept_s).clamp(0.0, LONGEST_S))
    }

    /// Inference threads, with 0 resolved to the cores there are.
    pub(crate) fn workers(&self) -> usize {
        match self.detector.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            n => n,
        }
    }
}

fn resolve_store(raw: Option<StoreRaw>, file: &Path, dir: &Path) -> Result<StoreConfig, Fault> {
    let Some(raw) = raw else { return Ok(StoreConfig::Embedded) };
    let fault = |key: &str, reason: String| Fault::new(file, format!("store.{key}"), reason);
    let url = url::Url::parse(&raw.url).map_err(|e| fault("url", e.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(fault("url", format!("expected http:// or https://, found {}://", url.scheme())));
    }
    let ca_file = raw.ca_file.map(|path| dir.join(path));
    if let Some(path) = &ca_file {
        if url.scheme() == "http" {
            return Err(fault("ca_file", "given, but store.url is http://".into()));
        }
        if !path.is_file() {
            return Err(fault("ca_file", format!("{}: no such file", path.display())));
        }
    }
    if let Some(name) = &raw.cluster {
        let reason =
            format!("{name:?}: tables on a cluster are not built yet; leave it out and name one server in store.url");
        return Err(fault("cluster", reason));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(fault("url", "holds credentials; use store.user and store.password_env or _file".into()));
    }
    let password = secret(raw.password_env, raw.password_file, dir).map_err(|(key, reason)| fault(key, reason))?;
    Ok(StoreConfig::Server(stopline_store::Endpoint {
        url: raw.url,
        database: raw.database,
        user: raw.user.unwrap_or_else(|| "default".to_owned()),
        password: password.unwrap_or_default(),
        ca_file,
    }))
}

/// A password from the environment or a file; `None` where neither is named. The fault is the key and its reason.
pub(super) fn secret(
    env: Option<String>,
    file: Option<PathBuf>,
    dir: &Path,
) -> Result<Option<String>, (&'static str, String)> {
    match (env, file) {
        (Some(_), Some(_)) => Err(("password_env", "given beside password_file; keep one".into())),
        (Some(name), None) => std::env::var(&name)
            .map(Some)
            .map_err(|_| ("password_env", format!("environment variable {name} is not set"))),
        (None, Some(path)) => std::fs::read_to_string(dir.join(&path))
            .map(|text| Some(text.trim_end_matches(['\r', '\n']).to_owned()))
            .map_err(|e| ("password_file", format!("{}: {e}", path.display()))),
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<EngineConfig, Faults> {
        let dir = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(dir.path().join("stopline.toml"), text).expect("written");
        EngineConfig::load(dir.path())
    }

    #[test]
    fn an_empty_file_is_a_working_one() {
        let config = load("").expect("defaults resolve");
        assert!(matches!(config.store, StoreConfig::Embedded));
        assert!(config.web.listen.ip().is_loopback());
        assert!(config.workers() >= 1);
    }

    #[test]
    fn faults_name_key_and_bound() {
        for (text, said) in [
            ("[detector]\nmax_fps = 0", "detector.max_fps: expected above 0"),
            ("[detector]\nmodle = \"x\"", "unknown field `modle`"),
            ("[web]\nsecond_approval = [\"red_lihgt\"]", "unknown variant `red_lihgt`"),
            ("[web]\ndeadline_days = 0", "web.deadline_days: expected 1 to 365"),
            ("[ring]\nseconds = 5", "ring.seconds: expected at least"),
            ("[store]\nurl = \"ftp://x\"", "store.url: expected http"),
            ("[store]\nurl = \"http://a:b@x\"", "store.url: holds credentials"),
            ("[store]\nurl = \"http://x\"\npassword_env = \"STOPLINE_NOT_SET\"", "STOPLINE_NOT_SET is not set"),
            (
                "[plates]\nread = false\n[[section]]\nname = \"s\"\nentry = \"a\"\nexit = \"b\"\nlength_m = 400\nlength_error_m = 5\nlimit_kmh = { default = 80 }",
                "needs plates.read",
            ),
            (
                "[[section]]\nname = \"s\"\nentry = \"a\"\nexit = \"a\"\nlength_m = 400\nlength_error_m = 500\nlimit_kmh = {}",
                "section.0.length_error_m: expected 0 or more",
            ),
            (
                "[store]\nurl = \"http://x\"\ncluster = \"main\"",
                "store.cluster: \"main\": tables on a cluster are not built",
            ),
            ("[web\n", "line 1"),
        ] {
            let error = load(text).expect_err(text).to_string();
            assert!(error.contains(said), "{text}: {error}");
            assert!(error.contains("stopline.toml"), "{error}");
        }
    }
}
