//! One camera from detections to events: joins riders, tracks, reads signals, asks the rules, writes down passages.
//!
//! Deterministic: the same frames and detections give the same events in the same order. Rules that depend on the
//! scene's geometry rest when the stream's shape does not fit the scene; passages are still made.

mod events;
mod incidents;
pub mod recording;
mod trajectory;
mod vehicle;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use stopline_types::{
    BoxPx, CameraId, CaptureTime, Detection, Event, Frame, RuleKind, SignalState, SizePx, UtcUs, VehicleClass,
    Versions, Violation,
};

use crate::law::Catalogue;
use crate::rules::{self, Context, History, Point};
use crate::scene::{Guard, GuardMemory, Scene, ViewFault};
use crate::signal::{ControllerReading, PhaseLog, Signals};
use crate::track::{RiderMerger, Tracker};
use events::Judge;
use incidents::Incidents;
use vehicle::Vehicle;

/// A pause in the media longer than this ends all tracks, seconds.
const PAUSE_S: f64 = 5.0;
/// Frame times kept for the analysed rate.
const FRAMES_KEPT: usize = 128;
/// Violations remembered to tell a second track of the same vehicle.
const RECENT_KEPT: usize = 32;
/// Two violations of a rule nearer than this in time and place are one vehicle followed as two tracks: riders in a
/// bunch are farther apart than that.
const SAME_S: f64 = 0.35;
const SAME_IOU: f32 = 0.5;
/// Or two tracks that lay in one another in most of the frames they share within this time.
const TOGETHER_S: f64 = 1.5;
const TOGETHER: f32 = 0.6;
/// Or, of a vehicle that stands, a track that begins this soon after the accused one was lost and this near to where it
/// was, metres. Of moving ones that cannot be said: in dense traffic the next rider begins there too.
const AGAIN_S: f64 = 10.0;
const AGAIN_EARLY_S: f64 = 0.5;
const AGAIN_M: f64 = 1.5;
const STANDING: [RuleKind; 3] = [RuleKind::StopLine, RuleKind::NoStopping, RuleKind::NoParking];
/// A track not seen for longer than this is not shown live, seconds.
const SHOWN_S: f64 = 0.5;

/// Analyses one camera.
#[derive(Debug)]
pub struct Analyzer {
    camera: CameraId,
    scene: Arc<Scene>,
    /// No scene was drawn: an empty one takes the stream's frame.
    undrawn: bool,
    catalogue: Arc<Catalogue>,
    versions: Versions,
    merger: RiderMerger,
    tracker: Tracker,
    vehicles: BTreeMap<u64, Vehicle>,
    signals: Signals,
    /// Watches the view; none without a scene.
    guard: Option<Guard>,
    frames: VecDeque<f64>,
    recent: VecDeque<Recent>,
    incidents: Incidents,
    source: Option<Source>,
    /// When the last frame was taken.
    frames_utc: Option<UtcUs>,
}

/// A violation that was given out.
#[derive(Debug, Clone, Copy)]
struct Recent {
    rule: RuleKind,
    track: u64,
    act_s: f64,
    /// Pixels of the stream's frame.
    bbox: BoxPx,
    /// Where its track was last seen, once it has ended.
    lost: Option<Point>,
}

impl Recent {
    /// Whether a track begins where and when this one was lost: the same standing vehicle, seen again.
    fn goes_on_as(&self, history: &History, alive: Option<&History>) -> bool {
        let lost = self.lost.or(alive.and_then(|h| h.last().copied()));
        let (Some(lost), Some(first)) = (lost, history.first()) else { return false };
        let gap = first.t_s - lost.t_s;
        history.track != self.track && (-AGAIN_EARLY_S..=AGAIN_S).contains(&gap) && lost.distance_m(first) <= AGAIN_M
    }
}

/// The stream the frames come from.
#[derive(Debug, Clone)]
struct Source {
    size: SizePx,
    /// Factors from its pixels to the scene's.
    scale: (f64, f64),
    misfit: Option<String>,
}

/// A moment of a camera as shown over its picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Live {
    /// When; `None` before the first frame.
    pub time: Option<CaptureTime>,
    /// Road users seen within the last half second.
    pub tracks: Vec<LiveTrack>,
    /// Signal heads.
    pub signals: Vec<LiveSignal>,
    /// Why the rules of this camera rest, if they do.
    pub suspended: Option<String>,
}

/// A road user as shown.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveTrack {
    /// Number of its track.
    pub track: u64,
    /// What it is, as judged by now.
    pub class: VehicleClass,
    /// Where it was last seen, pixels of the stream's frame.
    pub bbox: BoxPx,
    /// Mean score.
    pub confidence: f64,
    /// Speed, if the camera is calibrated.
    pub speed_kmh: Option<f64>,
}

/// A signal head as shown.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveSignal {
    /// Its name.
    pub name: String,
    /// What it shows.
    pub state: SignalState,
    /// Since when.
    pub since: Option<UtcUs>,
    /// How much earlier it may have begun, seconds; `None` when its begin was not seen.
    pub since_error_s: Option<f64>,
    /// Why the picture tells nothing now, if it does not.
    pub unsure: Option<String>,
    /// What the signal controller says, if one is heard.
    pub controller: Option<SignalState>,
}

impl Analyzer {
    /// For one camera; without a scene there are passages only. `model_version` is `name@first 12 digits of sha256` of the detector.
    #[must_use]
    pub fn new(camera: CameraId, scene: Option<Arc<Scene>>, catalogue: Arc<Catalogue>, model_version: String) -> Self {
        let undrawn = scene.is_none();
        let scene = scene.unwrap_or_else(|| Arc::new(Scene::empty(SizePx { w: 1, h: 1 })));
        let engine = env!("CARGO_PKG_VERSION").to_owned();
        let versions = Versions { model: model_version, scene: scene.version().to_owned(), engine };
        let signals = Signals::new(scene.signals.len());
        let guard = (!undrawn).then(|| Guard::new(scene.calibration(), None));
        Self {
            camera,
            scene,
            undrawn,
            catalogue,
            versions,
            merger: RiderMerger::default(),
            tracker: Tracker::default(),
            vehicles: BTreeMap::new(),
            signals,
            guard,
            frames: VecDeque::new(),
            recent: VecDeque::new(),
            incidents: Incidents::default(),
            source: None,
            frames_utc: None,
        }
    }

    /// Takes a frame with what the detector saw in it (boxes in pixels of the stream's own frame). Returns the
    /// violations decided by it and the passages of the tracks that ended with it, in order of time. A frame not
    /// later than the one before is taken for the start of a new session.
    pub fn observe(&mut self, frame: &Frame, detections: Vec<Detection>) -> Vec<Event> {
        let mut events = Vec::new();
        let t_s = frame.media_s;
        let fits = self.source.as_ref().is_some_and(|source| source.size == frame.source);
        let follows = self.frames.back().is_none_or(|last| t_s > *last && t_s - last <= PAUSE_S);
        if !fits || !follows {
            events = self.finish();
            if self.undrawn {
                self.scene = Arc::new(Scene::empty(frame.source));
            }
            self.source = Some(self.source_of(frame.source));
            if let Some(guard) = &mut self.guard {
                guard.restart();
            }
        }
        let Some(source) = self.source.clone() else { return events };
        self.frames.push_back(t_s);
        self.frames_utc = Some(frame.time.utc);
        if self.frames.len() > FRAMES_KEPT {
            self.frames.pop_front();
        }
        if let Some(guard) = &mut self.guard {
            guard.look(t_s, &frame.image);
        }
        if self.suspended().is_none() {
            self.signals.observe(&self.scene, frame, source.scale);
        } else {
            self.signals.observe_nothing(t_s, frame.time.utc);
        }

        let (sx, sy) = (source.scale.0 as f32, source.scale.1 as f32);
        let shown = frame.seen().scaled(sx, sy);
        let in_scene: Vec<Detection> =
            detections.into_iter().map(|d| Detection { bbox: d.bbox.scaled(sx, sy), ..d }).collect();
        let objects = self.merger.merge(&in_scene);
        let step = self.tracker.step(t_s, &objects);
        let mut ended = Vec::new();
        for seen in &step.seen {
            let object = &objects[seen.observation];
            let vehicle = self.vehicles.entry(seen.track).or_insert_with(|| Vehicle::new(seen.track, object.class));
            vehicle.see(&self.scene, &shown, (t_s, frame.time), object, seen);
        }
        for seen in step.seen.iter().filter(|seen| seen.confirmed) {
            self.ask(seen.track, t_s, false, &mut events);
        }
        for track in step.ended {
            self.ask(track, t_s, true, &mut events);
            let vehicle = self.vehicles.remove(&track);
            let lost = vehicle.as_ref().and_then(|v| v.history.last().copied());
            for recent in self.recent.iter_mut().filter(|recent| recent.track == track) {
                recent.lost = lost;
            }
            ended.extend(vehicle);
        }
        events.extend(ended.iter().filter_map(|vehicle| self.judge().passage(vehicle)).map(Event::Passage));
        if source.misfit.is_none() {
            let tracks = self.vehicles.values().filter(|v| v.confirmed).map(|v| &v.history);
            let found = self.incidents.look(&self.camera, &self.scene, tracks, t_s, frame.time);
            events.extend(found.into_iter().map(Event::Incident));
        }
        in_order(&mut events);
        events
    }

    /// Ends all tracks: the end of a file or session.
    pub fn finish(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        let now_s = self.frames.back().copied().unwrap_or_default();
        for track in self.tracker.finish() {
            self.ask(track, now_s, true, &mut events);
        }
        let vehicles = std::mem::take(&mut self.vehicles);
        events.extend(vehicles.values().filter_map(|vehicle| self.judge().passage(vehicle)).map(Event::Passage));
        self.frames.clear();
        self.recent.clear();
        self.incidents = Incidents::default();
        self.signals.restart();
        in_order(&mut events);
        events
    }

    /// What is to be seen now.
    #[must_use]
    pub fn live(&self) -> Live {
        let scale = self.source.as_ref().map_or((1.0, 1.0), |source| source.scale);
        let now_s = self.frames.back().copied().unwrap_or_default();
        let shown = self.vehicles.values().filter(|v| v.confirmed && now_s - v.last_s() <= SHOWN_S);
        let tracks = shown.map(|v| v.live(scale)).collect();
        let now = self.frames_utc;
        let signal = |(i, (head, log)): (usize, (&crate::scene::SignalHead, &PhaseLog))| LiveSignal {
            name: head.name.clone(),
            state: log.latest().map_or(SignalState::Unknown, |p| p.state),
            since: log.latest().map(|p| p.from),
            since_error_s: log.latest().and_then(|p| p.start_error_s()),
            unsure: self.signals.unsure(i).map(|why| why.as_str().to_owned()),
            controller: now.and_then(|now| self.signals.controller_at(i, now)),
        };
        let signals = self.scene.signals.iter().zip(self.signals.phases()).enumerate().map(signal).collect();
        let time = self.vehicles.values().filter_map(Vehicle::last_time).max_by_key(|time| time.utc);
        Live { time, tracks, signals, suspended: self.suspended() }
    }

    /// The road users seen in the latest frame.
    #[must_use]
    pub fn seen(&self) -> Vec<LiveTrack> {
        let scale = self.source.as_ref().map_or((1.0, 1.0), |source| source.scale);
        let Some(now_s) = self.frames.back().copied() else { return Vec::new() };
        let seen = self.vehicles.values().filter(|v| v.confirmed && v.last_s() >= now_s);
        seen.map(|v| v.live(scale)).collect()
    }

    /// The phases of the signal heads, in the order of the scene.
    #[must_use]
    pub fn phases(&self) -> &[PhaseLog] {
        self.signals.phases()
    }

    /// Why the rules of this camera rest, if they do; passages are made all the same.
    #[must_use]
    pub fn suspended(&self) -> Option<String> {
        let misfit = self.source.as_ref().and_then(|source| source.misfit.clone());
        misfit.or_else(|| self.view_fault().map(|fault| fault.to_string()))
    }

    /// What is wrong with the view, if anything.
    #[must_use]
    pub fn view_fault(&self) -> Option<ViewFault> {
        self.guard.as_ref().and_then(Guard::fault)
    }

    /// Whether the guard of the view knows it by now.
    #[must_use]
    pub fn knows_view(&self) -> bool {
        self.guard.as_ref().is_some_and(Guard::has_learned)
    }

    /// What the guard of the view learned, to be kept over a restart.
    #[must_use]
    pub fn guard_memory(&self) -> Option<GuardMemory> {
        self.guard.as_ref().and_then(Guard::memory)
    }

    /// Takes what the guard learned before a restart; ignored if the scene was drawn anew since.
    pub fn remember(&mut self, memory: GuardMemory) {
        if self.guard.is_some() {
            self.guard = Some(Guard::new(self.scene.calibration(), Some(memory)));
        }
    }

    /// Takes what a signal controller says about the head of that name; false if the scene has none.
    pub fn controller_says(&mut self, head: &str, reading: ControllerReading) -> bool {
        let index = self.scene.signals.iter().position(|signal| signal.name == head);
        if let Some(index) = index {
            self.signals.controller_says(index, reading);
        }
        index.is_some()
    }

    fn source_of(&self, size: SizePx) -> Source {
        match self.scene.scale_from(size) {
            Ok(scale) => Source { size, scale, misfit: None },
            Err(reason) => {
                let stretch = |scene: u32, source: u32| f64::from(scene) / f64::from(source.max(1));
                let scale = (stretch(self.scene.frame.w, size.w), stretch(self.scene.frame.h, size.h));
                Source { size, scale, misfit: Some(reason) }
            }
        }
    }

    fn ask(&mut self, track: u64, now_s: f64, ended: bool, events: &mut Vec<Event>) {
        if self.source.is_none() || self.suspended().is_some() {
            return;
        }
        let Some(vehicle) = self.vehicles.get(&track) else { return };
        let context =
            Context { scene: &self.scene, phases: self.signals.phases(), history: &vehicle.history, now_s, ended };
        let matches = rules::ask(context, |rule| vehicle.done.get(&rule).copied());
        for matched in matches {
            let rule = matched.rule;
            let made = self.vehicles.get(&track).and_then(|vehicle| self.judge().violation(vehicle, &matched));
            if let Some(vehicle) = self.vehicles.get_mut(&track) {
                vehicle.done.insert(rule, matched.act_s);
            }
            let Some(mut violation) = made else { continue };
            // Decided now, but it happened while the view was not right.
            if self.guard.as_ref().is_some_and(|guard| !guard.trusts(matched.act_s)) {
                continue;
            }
            if let Some(head) = matched.signal {
                self.hear_controller(&mut violation, head);
            }
            // A rider and the machine may have been followed as two tracks for a while.
            let history = self.vehicles.get(&track).map(|vehicle| &vehicle.history);
            let same = |earlier: &Recent| {
                let near = (earlier.act_s - matched.act_s).abs();
                let other = self.vehicles.get(&earlier.track).map(|vehicle| &vehicle.history);
                earlier.rule == rule
                    && ((near < SAME_S && earlier.bbox.iou(&violation.bbox) > SAME_IOU)
                        || (near < TOGETHER_S
                            && history.zip(other).is_some_and(|(a, b)| go_together(a, b, matched.act_s)))
                        || (STANDING.contains(&rule)
                            && history.is_some_and(|history| earlier.goes_on_as(history, other))))
            };
            if self.recent.iter().any(same) {
                continue;
            }
            self.recent.push_back(Recent { rule, track, act_s: matched.act_s, bbox: violation.bbox, lost: None });
            if self.recent.len() > RECENT_KEPT {
                self.recent.pop_front();
            }
            events.push(Event::Violation(Box::new(violation)));
        }
    }

    /// Notes what the controller said about the act. A contradiction is written down for whoever decides, and the
    /// violation is no surer than a coin.
    fn hear_controller(&self, violation: &mut Violation, head: usize) {
        violation.signal_controller = self.signals.controller_at(head, violation.utc);
        if let Some(doubt) = self.signals.doubt(head, violation.t_s, violation.utc) {
            violation.doubts.push(format!("signal: {doubt}"));
            violation.confidence = violation.confidence.min(0.5);
        }
    }

    fn judge(&self) -> Judge<'_> {
        Judge {
            camera: &self.camera,
            scene: &self.scene,
            catalogue: &self.catalogue,
            versions: &self.versions,
            phases: self.signals.phases(),
            frames: &self.frames,
            size: self.source.as_ref().map_or(self.scene.frame, |source| source.size),
            scale: self.source.as_ref().map_or((1.0, 1.0), |source| source.scale),
        }
    }
}

/// Whether two tracks are one vehicle: within a second and a half around the act, one box lay in the other in at least three
/// shared frames and in most of them.
fn go_together(a: &History, b: &History, act_s: f64) -> bool {
    let (mut shared, mut inside) = (0, 0);
    for p in a.window(act_s + TOGETHER_S / 2.0, TOGETHER_S) {
        let Some(q) = b.nearest(p.t_s).filter(|q| (q.t_s - p.t_s).abs() < 1e-6) else { continue };
        shared += 1;
        let least = p.bbox.area().min(q.bbox.area());
        inside += i32::from(p.bbox.overlap(&q.bbox) > TOGETHER * least);
    }
    inside >= 3 && 2 * inside > shared
}

fn in_order(events: &mut [Event]) {
    events.sort_by_key(|event| (event.utc(), event.kind(), event.id()));
}
