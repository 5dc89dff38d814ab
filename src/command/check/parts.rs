//! The parts on this machine, each tried.

use std::time::{Duration, Instant};

use serde::Serialize;
use stopline_store::evidence::Bucket;
use stopline_types::{BgrImage, CameraId, CaptureTime, Frame, SizePx, StreamRole, TimeSource, UtcUs};

use crate::{
    config::{Config, StoreConfig},
    engine::{History, detection},
    storage,
};

/// Less than this free is a fault: the spool alone may take as much.
const LEAST_FREE_BYTES: u64 = 2 << 30;
const TRIALS: usize = 5;
/// Forecasts beyond this say nothing.
const FAR_DAYS: f64 = 3650.0;

/// One part and how it is.
#[derive(Debug, Serialize)]
pub(super) struct Part {
    pub name: &'static str,
    pub good: bool,
    pub says: String,
}

impl Part {
    fn of(name: &'static str, tried: anyhow::Result<String>) -> Self {
        match tried {
            Ok(says) => Self { name, good: true, says },
            Err(error) => Self { name, good: false, says: format!("{error:#}") },
        }
    }
}

/// Configuration, law, detector, disk. Gives the time of one frame's inference too.
pub(super) fn local(config: &Config) -> (Vec<Part>, Option<Duration>) {
    let scenes = config.cameras.iter().filter(|camera| camera.scene.is_some()).count();
    let found = format!("{} cameras, {scenes} with a scene", config.cameras.len());
    let mut parts = vec![Part { name: "configuration", good: true, says: found }];
    parts.push(Part::of("law", detection::law().map(|law| format!("{} rows", law.len()))));
    let tried = try_detector(config);
    let inference = tried.as_ref().ok().map(|(_, each)| *each);
    parts.push(Part::of("detector", tried.map(|(says, _)| says)));
    parts.push(Part::of("plates", try_plates(config)));
    parts.push(Part::of("disk", free_space(config)));
    (parts, inference)
}

/// Runs the configured model on a grey picture, a few times.
fn try_detector(config: &Config) -> anyhow::Result<(String, Duration)> {
    let mut detectors = detection::detectors(&config.engine, 1)?;
    let detector = &mut detectors[0];
    let frame = grey(detector.input())?;
    let mut times = Vec::with_capacity(TRIALS);
    for _ in 0..TRIALS {
        let began = Instant::now();
        detector.detect(&[&frame])?;
        times.push(began.elapsed());
    }
    times.sort();
    let each = times[TRIALS / 2];
    let workers = config.engine.workers();
    let says =
        format!("{}: {:.0} ms a frame on one core, {workers} workers", detector.version(), each.as_secs_f64() * 1e3);
    Ok((says, each))
}

/// Runs the plate models on a grey picture, a few times.
fn try_plates(config: &Config) -> anyhow::Result<String> {
    let Some(mut eye) = detection::plate_eye(&config.engine)? else { return Ok("not read".to_owned()) };
    let size = SizePx { w: 160, h: 160 };
    let picture = BgrImage { size, data: vec![127; 3 * size.w as usize * size.h as usize] };
    let mut times = Vec::with_capacity(TRIALS);
    for _ in 0..TRIALS {
        let began = Instant::now();
        eye.look(&[&picture])?;
        times.push(began.elapsed());
    }
    times.sort();
    Ok(format!("{}: {:.0} ms a look on one core", eye.version(), times[TRIALS / 2].as_secs_f64() * 1e3))
}

fn grey(size: SizePx) -> anyhow::Result<Frame> {
    let time = CaptureTime { utc: UtcUs(0), error_ms: None, source: TimeSource::FileNominal };
    Ok(Frame {
        camera: CameraId::new("check")?,
        role: StreamRole::Main,
        seq: 0,
        time,
        media_s: 0.0,
        source: size,
        image: BgrImage { size, data: vec![127; 3 * size.w as usize * size.h as usize] },
        crops: Vec::new(),
        part: None,
        received: None,
    })
}

fn free_space(config: &Config) -> anyhow::Result<String> {
    let dir = &config.engine.data_dir;
    std::fs::create_dir_all(dir).map_err(|e| anyhow::anyhow!("{}: {e}", dir.display()))?;
    let stat = rustix::fs::statvfs(dir)?;
    let free = stat.f_bavail * stat.f_frsize;
    let mut says = format!("{}: {:.1} GiB free", dir.display(), free as f64 / (1_u64 << 30) as f64);
    match storage::full_in_days(&storage::measure(dir, &dir.join("evidence"))?) {
        Some(days) if days < FAR_DAYS => says += &format!(", full in {days:.0} days as it grows now"),
        Some(_) => says += &format!(", full in more than {FAR_DAYS:.0} days as it grows now"),
        None => {}
    }
    anyhow::ensure!(free >= LEAST_FREE_BYTES, "{says}; expected at least 2");
    Ok(says)
}

/// The bucket answers, where there is one.
pub(super) fn bucket(config: &Config) -> Option<Part> {
    let bucket = config.engine.bucket.clone()?;
    let says = format!("{bucket}: answers");
    let tried = Bucket::new(bucket).and_then(|bucket| bucket.try_it()).map(|()| says);
    Some(Part::of("evidence copies", tried.map_err(Into::into)))
}

/// The store answers. An embedded one is started in an empty folder: the engine may be using the real one.
pub(super) async fn store(config: &Config) -> Part {
    let tried = async {
        let mut engine = config.engine.clone();
        let scratch = std::env::temp_dir().join(format!("stopline-check-{}", std::process::id()));
        let embedded = matches!(engine.store, StoreConfig::Embedded);
        if embedded {
            engine.data_dir.clone_from(&scratch);
        }
        let history = History::start(&engine).await?;
        let version = history.store.version().await;
        history.stop().await;
        if embedded {
            drop(std::fs::remove_dir_all(&scratch));
        }
        let kind = if embedded { "embedded" } else { "server" };
        anyhow::Ok(format!("ClickHouse {} ({kind})", version?))
    };
    Part::of("store", tried.await)
}
