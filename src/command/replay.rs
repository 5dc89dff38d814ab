//! `stopline replay`: a file as a camera. The same file and configuration print the same events.

use std::{
    io::{IsTerminal as _, Write as _},
    path::Path,
    time::Instant,
};

use anyhow::Context as _;
use stopline_detect::{
    analyze::{Analyzer, recording},
    inference::SparingDetector,
};
use stopline_ingest::{GateConfig, replay::FileCamera};
use stopline_store::evidence::{Signer, Writer};
use stopline_types::{CameraId, Event, Frame, Violation};

use super::{say, say_json};
use crate::{
    Outcome, WrongUse,
    cli::ReplayArgs,
    config::{CameraConfig, Config, EvidenceConfig},
    engine::{
        detection, evidence,
        moments::Moments,
        plates::{PlateJob, PlateReading, ReplayPlates},
        stills,
    },
};

/// The events of a replayed file.
pub(crate) struct Replayed {
    /// In order of time.
    pub events: Vec<Event>,
    pub frames: u64,
    pub media_s: f64,
    pub wall_s: f64,
    /// Why the file ended early, if it did.
    pub broken: Option<String>,
}

pub(crate) fn run(args: &ReplayArgs) -> anyhow::Result<Outcome> {
    if !args.file.is_file() {
        return Err(WrongUse(format!("{}: no such file", args.file.display())).into());
    }
    let config = Config::load(&args.config.dir)?;
    let camera = CameraId::new(&args.camera).map_err(|e| WrongUse(e.to_string()))?;
    let camera = config.camera(&camera)?;
    let replayed = replay(&config, camera, &args.file, args)?;
    if args.json {
        for event in &replayed.events {
            say_json(event)?;
        }
    } else {
        say(table(&replayed))?;
    }
    match replayed.broken {
        None => Ok(Outcome::Success),
        Some(reason) => anyhow::bail!("{reason}; the events up to there are printed"),
    }
}

/// Runs the whole file through detection, tracking and rules.
pub(crate) fn replay(
    config: &Config,
    camera: &CameraConfig,
    file: &Path,
    args: &ReplayArgs,
) -> anyhow::Result<Replayed> {
    let scene = camera.scene.clone();
    let mut detectors = detection::detectors(&config.engine, config.engine.workers())?;
    let (fit, model) = (detectors[0].input(), detectors[0].version().to_owned());
    let plan = detection::plan(fit, config.engine.detector.max_fps, scene.as_deref());
    let mut source = FileCamera::open(file, camera.id.clone(), args.start, plan, config.engine.ring.limits())?;
    if args.gate {
        source = source.gated(GateConfig::default());
    }
    // What is known of the last picture is known to the next only if they come one after the other.
    if config.engine.detector.spare {
        detectors.truncate(1);
    }
    let (mut detectors, known) = detection::sparing(&config.engine, detectors);
    let mut analyzer = Analyzer::new(camera.id.clone(), scene, detection::law()?, model);
    let mut moments = Moments::default();
    let eye = detection::plate_eye(&config.engine)?;
    let mut plates = eye.map(|eye| ReplayPlates::new(PlateReading::new(eye), config.engine.plate_hold()));
    let mut proofs = Proofs::new(args, camera, config)?;
    let mut record = open_record(args.record.as_deref())?;

    let began = Instant::now();
    let mut progress = Progress::new(source.info().duration_s);
    let (mut events, mut frames, mut media_s, mut broken) = (Vec::new(), 0, 0.0, None);
    while broken.is_none() {
        let mut group = Vec::with_capacity(detectors.len());
        while group.len() < detectors.len() {
            match source.next() {
                Ok(Some(frame)) => group.push(frame),
                Ok(None) => break,
                Err(e) => {
                    broken = Some(e.to_string());
                    break;
                }
            }
        }
        let ended = group.len() < detectors.len();
        for (frame, detections) in detect_side_by_side(&mut detectors, &group)? {
            frames += 1;
            media_s = frame.media_s;
            if let Some(record) = &mut record {
                writeln!(record, "{}", recording::to_line(frame, &detections))?;
            }
            let seen = analyzer.observe(frame, detections);
            let jobs = moments.observed(&analyzer, frame, seen);
            let mut found = match &mut plates {
                Some(plates) => plates.take(jobs, media_s, &source.ring()),
                None => events_of(jobs),
            };
            proofs.take(&mut found, &source);
            events.append(&mut found);
        }
        progress.show(media_s);
        if ended {
            break;
        }
    }
    let jobs = moments.jobs(analyzer.finish());
    let mut found = match &mut plates {
        Some(plates) => {
            let found = plates.finish(jobs, &source.ring());
            tracing::info!("plates: {}", plates.counts());
            found
        }
        None => events_of(jobs),
    };
    proofs.take(&mut found, &source);
    events.append(&mut found);
    events.append(&mut proofs.finish(&source));
    if let Some(record) = &mut record {
        record.flush()?;
    }
    progress.end();
    let (looked, shown) = known.pixels();
    tracing::info!("detector: looked at {:.0} % of the pixels", 100.0 * looked as f64 / shown.max(1) as f64);
    events.sort_by(|a, b| a.utc().cmp(&b.utc()).then_with(|| a.id().cmp(&b.id())));
    let wall_s = began.elapsed().as_secs_f64();
    Ok(Replayed { events, frames, media_s, wall_s, broken })
}

fn open_record(path: Option<&Path>) -> anyhow::Result<Option<std::io::BufWriter<std::fs::File>>> {
    let open = |path: &Path| std::fs::File::create(path).with_context(|| format!("{}", path.display()));
    Ok(path.map(open).transpose()?.map(std::io::BufWriter::new))
}

fn events_of(jobs: Vec<PlateJob>) -> Vec<Event> {
    jobs.into_iter().map(|job| job.event).collect()
}

/// Each detector takes one frame of the group, at the same time; results come back in the frames' order.
fn detect_side_by_side<'f>(
    detectors: &mut [SparingDetector],
    group: &'f [Frame],
) -> anyhow::Result<Vec<(&'f Frame, Vec<stopline_types::Detection>)>> {
    std::thread::scope(|scope| {
        let running: Vec<_> = detectors
            .iter_mut()
            .zip(group)
            .map(|(d, frame)| (frame, scope.spawn(move || d.detect(&[frame]))))
            .collect();
        let done = running.into_iter().map(|(frame, thread)| {
            let mut found = thread.join().map_err(|_| anyhow::anyhow!("the detector panicked"))??;
            Ok((frame, found.pop().context("the detector gave no result")?))
        });
        done.collect()
    })
}

/// Violations that wait for the seconds after the act, then get their package or picture.
struct Proofs<'a> {
    camera: &'a CameraConfig,
    writer: Option<Writer>,
    stills: Option<&'a Path>,
    evidence: EvidenceConfig,
    waiting: Vec<Violation>,
    done: Vec<Violation>,
}

impl<'a> Proofs<'a> {
    fn new(args: &'a ReplayArgs, camera: &'a CameraConfig, config: &Config) -> anyhow::Result<Self> {
        let writer = match &args.evidence {
            Some(dir) => Some(Writer::new(dir, Signer::open_or_create(&config.engine.data_dir.join("keys"))?)?),
            None => None,
        };
        if let Some(dir) = &args.stills {
            std::fs::create_dir_all(dir).with_context(|| format!("{}", dir.display()))?;
        }
        let stills = args.stills.as_deref();
        Ok(Self { camera, writer, stills, evidence: config.engine.evidence, waiting: Vec::new(), done: Vec::new() })
    }

    /// Keeps the violations among `events` back if a proof is wanted, and releases those that are due.
    fn take(&mut self, events: &mut Vec<Event>, source: &FileCamera) {
        if self.writer.is_none() && self.stills.is_none() {
            return;
        }
        for event in std::mem::take(events) {
            match event {
                Event::Violation(violation) => self.waiting.push(*violation),
                other => events.push(other),
            }
        }
        let ring = source.ring();
        let evidence = self.evidence;
        let due: Vec<_> = self.waiting.extract_if(.., |v| ring.covers(evidence.span(v).1)).collect();
        for violation in due {
            self.prove(violation, source);
        }
    }

    fn finish(mut self, source: &FileCamera) -> Vec<Event> {
        for violation in std::mem::take(&mut self.waiting) {
            self.prove(violation, source);
        }
        self.done.into_iter().map(|violation| Event::Violation(Box::new(violation))).collect()
    }

    fn prove(&mut self, mut violation: Violation, source: &FileCamera) {
        let span = self.evidence.span(&violation);
        if let Some(writer) = &self.writer {
            match evidence::package(&violation, &source.ring(), self.camera, writer, span, &[]) {
                Ok(made) => violation.evidence = Some(made),
                Err(error) => tracing::error!(id = %violation.id, "no evidence package: {error:#}"),
            }
        }
        if let Some(dir) = self.stills {
            let path = dir.join(format!("{}-{:07.2}s-{}.jpg", violation.rule, violation.t_s, violation.track));
            let cut = source.ring().cut(span.0, span.1).map_err(anyhow::Error::from);
            if let Err(error) = cut.and_then(|cut| stills::sheet(&cut, &violation, &path)) {
                tracing::error!(id = %violation.id, "no picture: {error:#}");
            }
        }
        self.done.push(violation);
    }
}

/// How far the replay is, on a terminal.
struct Progress {
    total_s: Option<f64>,
    shown: Option<Instant>,
}

impl Progress {
    fn new(total_s: Option<f64>) -> Self {
        Self { total_s, shown: std::io::stderr().is_terminal().then(Instant::now) }
    }

    fn show(&mut self, media_s: f64) {
        if let Some(shown) = self.shown
            && shown.elapsed().as_millis() > 250
        {
            let of = self.total_s.map(|total| format!(" of {total:.0}")).unwrap_or_default();
            drop(write!(std::io::stderr(), "\r{media_s:6.1}{of} s of film "));
            self.shown = Some(Instant::now());
        }
    }

    fn end(&self) {
        if self.shown.is_some() {
            drop(write!(std::io::stderr(), "\r{:40}\r", ""));
        }
    }
}

fn table(replayed: &Replayed) -> String {
    use comfy_table::{Table, presets::UTF8_BORDERS_ONLY};
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    table.set_header(["t", "event", "track", "class", "plate", "lane", "speed", "measured", "limit", "law"]);
    let quantities = |q: &stopline_types::Quantities| {
        q.iter().map(|(name, value)| format!("{name} {value:.1}")).collect::<Vec<_>>().join(", ")
    };
    let mut passages = 0;
    for event in &replayed.events {
        match event {
            Event::Violation(v) => {
                table.add_row([
                    format!("{:.2}", v.t_s),
                    v.rule.to_string(),
                    v.track.to_string(),
                    v.class.to_string(),
                    super::read_plates::shown(v.plate.as_ref()),
                    v.lane.clone().unwrap_or_default(),
                    v.speed_kmh.map(|s| format!("{s:.1}")).unwrap_or_default(),
                    quantities(&v.measured),
                    quantities(&v.limit),
                    v.law.as_ref().map(|law| law.code.clone()).unwrap_or_default(),
                ]);
            }
            Event::Passage(_) => passages += 1,
            Event::Incident(_) | Event::Review(_) => {}
        }
    }
    format!(
        "{table}\n{passages} passages, {} violations; {} frames, {:.1} s of film in {:.1} s",
        replayed.events.len() - passages,
        replayed.frames,
        replayed.media_s,
        replayed.wall_s
    )
}
