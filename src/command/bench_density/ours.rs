//! The engine as it runs.

use std::{
    collections::BTreeMap,
    fs,
    io::BufReader,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use anyhow::Context as _;

use super::{ANALYSED_FPS, Crowd, STREAM_FPS, cpu_s, end};
use crate::cli::DensityArgs;

/// Until the gate has learned and the quiet begins.
const WARM_UP: Duration = Duration::from_secs(30);
const STARTS_WITHIN: Duration = Duration::from_secs(120);

/// Threads by the begin of their names, and what they do. What is not listed is "everything else".
const STAGES: [(&str, &str); 8] = [
    ("tokio", "receive, rings, pages"),
    ("dec ", "decode and scale"),
    ("detect-", LOOKING),
    ("plates", "plates"),
    ("evidence", "evidence"),
    ("intake", "spool and shipping"),
    ("spool", "spool and shipping"),
    ("shipper", "spool and shipping"),
];
const LOOKING: &str = "detector, tracker, rules";
const STORE: &str = "embedded ClickHouse";
const OTHER: &str = "everything else";

pub(super) struct Ours {
    pub stages: Vec<(&'static str, f64)>,
    pub asked_fps: f64,
    pub analysed_fps: f64,
    pub gated: f64,
    pub resident_mib: f64,
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Its store is a child of its own, which ends with it.
        drop(Command::new("kill").arg(self.0.id().to_string()).status());
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(30) && matches!(self.0.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(100));
        }
        end(&mut self.0);
    }
}

pub(super) fn measure(args: &DensityArgs, crowd: &Crowd, dir: &Path, road: &str) -> anyhow::Result<Ours> {
    let config = dir.join(road);
    configure(args, crowd, &config)?;
    let mut child = Command::new(std::env::current_exe()?)
        .args(["run", "--config"])
        .arg(&config)
        .env("STOPLINE_LOG", "info")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let log = BufReader::new(child.stderr.take().context("piped")?);
    let running = Running(child);
    let metrics = metrics_address(log)?;
    std::thread::sleep(WARM_UP);
    let pid = running.0.id();
    let before = (stages(pid), counters(&metrics)?);
    std::thread::sleep(Duration::from_secs(args.seconds));
    let after = (stages(pid), counters(&metrics)?);
    let came = |name: &str| {
        let of = |counters: &BTreeMap<String, f64>| counters.get(name).copied().unwrap_or_default();
        of(&after.1) - of(&before.1)
    };
    // Both streams of all cameras.
    let film_s = came("stopline_frames_received_total") / (2.0 * STREAM_FPS);
    anyhow::ensure!(film_s > 1.0, "no frames came: the cameras are not there");
    let mut cores: Vec<(&'static str, f64)> = Vec::new();
    let names = STAGES.iter().map(|(_, stage)| *stage).chain([STORE, OTHER]);
    for stage in names {
        if cores.iter().all(|(known, _)| *known != stage) {
            let of = |stages: &BTreeMap<&str, f64>| stages.get(stage).copied().unwrap_or_default();
            cores.push((stage, (of(&after.0) - of(&before.0)).max(0.0) / film_s));
        }
    }
    let quiet = came("stopline_frames_skipped_total quiet");
    // What a busy machine had no time for would have cost as much as what was looked at.
    let (analysed, missed) = (came("stopline_frames_analysed_total"), came("stopline_frames_skipped_total superseded"));
    for (_, cores) in cores.iter_mut().filter(|(stage, _)| *stage == LOOKING) {
        *cores *= (analysed + missed) / analysed.max(1.0);
    }
    Ok(Ours {
        stages: cores,
        asked_fps: (analysed + missed) / film_s,
        analysed_fps: analysed / film_s,
        gated: quiet / (film_s * STREAM_FPS),
        resident_mib: resident_mib(pid) + children(pid).into_iter().map(resident_mib).sum::<f64>(),
    })
}

fn configure(args: &DensityArgs, crowd: &Crowd, config: &Path) -> anyhow::Result<()> {
    let cameras = config.join("cameras");
    fs::create_dir_all(&cameras)?;
    fs::write(
        config.join("stopline.toml"),
        format!(
            "data_dir = \"data\"\n[web]\nlisten = \"127.0.0.1:0\"\n[metrics]\nlisten = \"127.0.0.1:0\"\n\
             [detector]\nmax_fps = {ANALYSED_FPS:.1}\n"
        ),
    )?;
    let example = include_str!("../../../config/examples/junction_day/cameras/junction_day.toml");
    for n in 0..args.cameras {
        let mut table: toml::Table = example.parse()?;
        let stream = |name| toml::Table::from_iter([("url".to_owned(), crowd.url(name, n).into())]);
        let streams = [("main".to_owned(), stream("main").into()), ("sub".to_owned(), stream("sub").into())];
        let gate = [("gate".to_owned(), (!args.ungated).into())];
        table.insert("id".into(), format!("c{n}").into());
        table.insert("streams".into(), toml::Table::from_iter(streams.into_iter().chain(gate)).into());
        table.remove("credentials");
        fs::write(cameras.join(format!("c{n}.toml")), toml::to_string(&table)?)?;
    }
    Ok(())
}

/// Reads the log, and goes on reading it, or its writer would block.
fn metrics_address(log: impl std::io::BufRead + Send + 'static) -> anyhow::Result<String> {
    let (found, address) = mpsc::channel();
    std::thread::spawn(move || {
        for line in log.lines().map_while(Result::ok) {
            if let Some((_, url)) = line.split_once("metrics: ") {
                // Nobody may be waiting any more.
                drop(found.send(url.trim().to_owned()));
            }
        }
    });
    address.recv_timeout(STARTS_WITHIN).context("the engine did not start; run `stopline check`")
}

/// Sums over all cameras; of what was skipped, by its reason.
fn counters(address: &str) -> anyhow::Result<BTreeMap<String, f64>> {
    let text = ureq::get(address).call()?.body_mut().read_to_string()?;
    let mut sums = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (Some((name, labels)), Some((_, value))) = (line.split_once('{'), line.rsplit_once(' ')) else { continue };
        let reason = labels.split_once("reason=\"").and_then(|(_, rest)| rest.split('"').next());
        let key = reason.map_or_else(|| name.to_owned(), |reason| format!("{name} {reason}"));
        *sums.entry(key).or_default() += value.parse::<f64>().unwrap_or_default();
    }
    Ok(sums)
}

/// CPU time of the engine's threads by stage, and of its store.
fn stages(pid: u32) -> BTreeMap<&'static str, f64> {
    let mut sums = BTreeMap::new();
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    for (name, seconds) in threads.filter_map(|thread| cpu_s(&thread.path())) {
        let known = STAGES.iter().find(|(begin, _)| name.starts_with(begin));
        *sums.entry(known.map_or(OTHER, |(_, stage)| *stage)).or_default() += seconds;
    }
    let of_store = children(pid).into_iter().map(super::process_cpu_s).sum();
    sums.insert(STORE, of_store);
    sums
}

fn children(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()).collect()
}

fn resident_mib(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or_default() / 1024.0
}
