//! How well objects are followed: tracks of a recording (`stopline replay … --record FILE`) against rendered truth.
//!
//!     cargo run -p stopline-detect --example track_quality -- RECORDING CAMERA.toml [--truth TRUTH.json]
//!         [--every N] [--events FILE]
//!
//! `--every 2` looks at every second frame only. `--events` runs signals and rules too and writes the events as JSON
//! lines, for `stopline score --events`. Figures, after Bernardin and Stiefelhagen (CLEAR MOT, 2008): a true vehicle is
//! matched with a confirmed track when their boxes overlap by 0.4 (union), staying with the track of the frame before
//! while that holds. Counted are true boxes of 24 px height or more of which 30 % are visible and half lie in the picture.

#![allow(clippy::print_stdout, reason = "a program for the terminal")]

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use stopline_detect::analyze::{Analyzer, recording};
use stopline_detect::law::Catalogue;
use stopline_detect::scene::{Scene, SceneConfig};
use stopline_detect::track::{RiderMerger, Tracker, assign};
use stopline_types::{BoxPx, CameraId, Detection, Event, Frame, RuleKind, SizePx};

const OVERLAP: f32 = 0.4;
const LEAST_HEIGHT_PX: f32 = 24.0;
const LEAST_VISIBLE: f32 = 0.3;
const LEAST_INSIDE: f32 = 0.5;

#[derive(Deserialize)]
struct Camera {
    id: String,
    scene: SceneConfig,
}

#[derive(Deserialize)]
struct Truth {
    image: [u32; 2],
    vehicles: Vec<TrueVehicle>,
    frames: Vec<TrueFrame>,
}

#[derive(Deserialize)]
struct TrueVehicle {
    id: String,
    cls: String,
}

#[derive(Deserialize)]
struct TrueFrame {
    t: f64,
    objects: Vec<TrueObject>,
}

#[derive(Deserialize)]
struct TrueObject {
    id: String,
    #[serde(rename = "box")]
    edges: [f32; 4],
    #[serde(default = "whole")]
    inside: f32,
    #[serde(default = "whole")]
    visible: f32,
}

fn whole() -> f32 {
    1.0
}

type Recording = Vec<(Frame, Vec<Detection>)>;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let mut option = |name: &str| {
        let at = args.iter().position(|a| a == name)?;
        let value = args.get(at + 1).cloned();
        args.drain(at..(at + 2).min(args.len()));
        value
    };
    let (truth, every, events) = (option("--truth"), option("--every"), option("--events"));
    let [recorded, camera] = args.as_slice() else {
        return Err("usage: track_quality RECORDING CAMERA.toml [--truth FILE] [--every N] [--events FILE]".into());
    };
    let camera: Camera = toml::from_str(&std::fs::read_to_string(camera)?)?;
    let id = CameraId::new(&camera.id)?;
    let every: usize = every.map_or(Ok(1), |n| n.parse())?;
    let frames: Recording =
        recording::parse(&id, &std::fs::read_to_string(recorded)?)?.into_iter().step_by(every.max(1)).collect();
    if let Some(path) = truth {
        let truth: Truth = serde_json::from_str(&std::fs::read_to_string(path)?)?;
        let tracks = follow(&frames);
        println!("{}", Quality::of(&frames, &tracks, &truth));
    }
    if let Some(path) = events {
        let scene = Scene::resolve(&camera.scene)
            .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
        judge(&frames, &id, scene, Path::new(&path))?;
    }
    Ok(())
}

/// Boxes of confirmed tracks, frame by frame.
fn follow(frames: &Recording) -> Vec<Vec<(u64, BoxPx)>> {
    let (mut merger, mut tracker) = (RiderMerger::default(), Tracker::default());
    let mut confirmed = std::collections::BTreeSet::new();
    let mut all = Vec::new();
    for (frame, detections) in frames {
        let objects = merger.merge(detections);
        let step = tracker.step(frame.media_s, &objects);
        confirmed.extend(step.seen.iter().filter(|s| s.confirmed).map(|s| s.track));
        all.push(step.seen.iter().map(|s| (s.track, objects[s.observation].bbox)).collect::<Vec<_>>());
    }
    for boxes in &mut all {
        boxes.retain(|(track, _)| confirmed.contains(track));
    }
    all
}

#[derive(Default)]
struct Quality {
    true_boxes: u32,
    found: u32,
    false_boxes: u32,
    double_boxes: u32,
    switches: Vec<(f64, String)>,
    jumps: Vec<(f64, u64, String, String)>,
    fragments: u32,
    tracks_of: BTreeMap<String, Vec<u64>>,
}

impl Quality {
    fn of(frames: &Recording, tracks: &[Vec<(u64, BoxPx)>], truth: &Truth) -> Self {
        let mut q = Self::default();
        let walkers: Vec<&str> =
            truth.vehicles.iter().filter(|v| v.cls == "pedestrian").map(|v| v.id.as_str()).collect();
        let size: SizePx = truth.image.into();
        let (mut now, mut last_of_track): (BTreeMap<String, u64>, BTreeMap<u64, String>) = Default::default();
        let mut last_of_object: BTreeMap<String, (u64, usize)> = BTreeMap::new();
        for (at, ((frame, _), boxes)) in frames.iter().zip(tracks).enumerate() {
            let off = |f: &&TrueFrame| (f.t - frame.media_s).abs();
            let Some(true_frame) = truth.frames.iter().min_by(|a, b| off(a).total_cmp(&off(b))) else { continue };
            let scale = size.w as f32 / frame.source.w as f32;
            let boxes: Vec<(u64, BoxPx)> = boxes.iter().map(|(t, b)| (*t, b.scaled(scale, scale))).collect();
            let objects: Vec<(&TrueObject, BoxPx)> = true_frame
                .objects
                .iter()
                .map(|o| (o, BoxPx::from_edges(o.edges[0], o.edges[1], o.edges[2], o.edges[3])))
                .collect();
            // Yesterday's pairs that still hold cost least.
            let costs: Vec<Vec<f64>> = objects
                .iter()
                .map(|(o, b)| {
                    let cost = |(track, seen): &(u64, BoxPx)| match b.iou(seen) {
                        iou if iou < OVERLAP => f64::INFINITY,
                        _ if now.get(&o.id) == Some(track) => 0.0,
                        iou => 1.0 - f64::from(iou) / 2.0,
                    };
                    boxes.iter().map(cost).collect()
                })
                .collect();
            let pairs = assign(&costs, boxes.len(), 1.5);
            now.clear();
            for ((object, bbox), pair) in objects.iter().zip(&pairs) {
                let walker = walkers.contains(&object.id.as_str());
                let counts = !walker
                    && bbox.h >= LEAST_HEIGHT_PX
                    && object.visible >= LEAST_VISIBLE
                    && object.inside >= LEAST_INSIDE;
                q.true_boxes += u32::from(counts);
                let Some(track) = pair.map(|p| boxes[p].0) else { continue };
                q.found += u32::from(counts);
                now.insert(object.id.clone(), track);
                if let Some(before) = last_of_track.insert(track, object.id.clone())
                    && before != object.id
                {
                    q.jumps.push((frame.media_s, track, before, object.id.clone()));
                }
                if walker {
                    continue;
                }
                let ids = q.tracks_of.entry(object.id.clone()).or_default();
                if !ids.contains(&track) {
                    ids.push(track);
                }
                if let Some((before, seen)) = last_of_object.insert(object.id.clone(), (track, at)) {
                    if before != track {
                        q.switches.push((frame.media_s, object.id.clone()));
                    } else if at - seen > 1 {
                        q.fragments += 1;
                    }
                }
            }
            for (i, (_, bbox)) in boxes.iter().enumerate().filter(|(i, _)| !pairs.contains(&Some(*i))) {
                let on = |(_, b): &&(&TrueObject, BoxPx)| b.overlap(bbox) > 0.5 * bbox.area().min(b.area());
                match objects.iter().find(on) {
                    Some(_) => q.double_boxes += 1,
                    None => q.false_boxes += 1,
                }
                let _ = i;
            }
        }
        q
    }
}

impl std::fmt::Display for Quality {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let missed = self.true_boxes - self.found;
        let wrong = missed + self.false_boxes + self.double_boxes + self.switches.len() as u32;
        let tracks: usize = self.tracks_of.values().map(Vec::len).sum();
        writeln!(
            f,
            "true boxes {}, found {:.1} %, false {}, second track on one object {}, MOTA {:.3}",
            self.true_boxes,
            100.0 * f64::from(self.found) / f64::from(self.true_boxes.max(1)),
            self.false_boxes,
            self.double_boxes,
            1.0 - f64::from(wrong) / f64::from(self.true_boxes.max(1))
        )?;
        writeln!(
            f,
            "vehicles {}, tracks on them {tracks}; identity switches {}, gaps {}, tracks that jump to another object {}",
            self.tracks_of.len(),
            self.switches.len(),
            self.fragments,
            self.jumps.len()
        )?;
        if std::env::var_os("VERBOSE").is_some() {
            for (t, track, from, to) in &self.jumps {
                writeln!(f, "  jump {t:6.2} track {track}: {from} -> {to}")?;
            }
            for (t, id) in &self.switches {
                writeln!(f, "  switch {t:6.2} {id}")?;
            }
        }
        Ok(())
    }
}

fn judge(frames: &Recording, id: &CameraId, scene: Scene, path: &Path) -> Result<(), Box<dyn Error>> {
    let law = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/law/violations.csv");
    let law = Arc::new(Catalogue::load(&law)?);
    let mut analyzer = Analyzer::new(id.clone(), Some(Arc::new(scene)), law, "recorded".to_owned());
    let mut events: Vec<Event> = Vec::new();
    for (frame, detections) in frames {
        events.extend(analyzer.observe(frame, detections.clone()));
    }
    events.extend(analyzer.finish());
    let mut out = std::io::BufWriter::new(std::fs::File::create(path)?);
    let mut counts: BTreeMap<RuleKind, u32> = BTreeMap::new();
    let mut passages = 0;
    for event in &events {
        writeln!(out, "{}", serde_json::to_string(event)?)?;
        match event {
            Event::Violation(v) => *counts.entry(v.rule).or_default() += 1,
            Event::Passage(_) => passages += 1,
            _ => {}
        }
    }
    let counts: Vec<String> = counts.iter().map(|(rule, n)| format!("{rule} {n}")).collect();
    println!("{passages} passages; {}", counts.join(", "));
    Ok(())
}
