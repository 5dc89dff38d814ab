//! `stopline bench detector-recall`: how many of the road users in a rendered clip the vehicle detector finds, frame by
//! frame, without tracks, votes or crops. The same definition as `python -m gen recall` of `scenes/`.
//!
//! Asked for are road users at least half visible and 60 % in the picture. A car, bus or truck counts as found by a box of
//! any of the three; a motorcycle or bicycle with its riders by a motorcycle, bicycle or person box, on the whole or on
//! its upper 70 % (the rider) or lower 60 % (the machine) alone.

use std::collections::BTreeMap;

use anyhow::Context as _;
use comfy_table::{Table, presets::UTF8_BORDERS_ONLY};
use serde::Serialize;
use stopline_ingest::{AnalysePlan, RingLimits, replay::FileCamera};
use stopline_types::{BoxPx, CameraId, Detection, VehicleClass};

use super::{say, say_json};
use crate::{
    Outcome,
    cli::RecallArgs,
    config::EngineConfig,
    engine::detection,
    score::{Sighting, Truth},
};

/// A box that shares so much with the truth's is on it.
const ON_IT_IOU: f32 = 0.4;
/// The part of a motorcycle's box, from above, that its riders take, and that from below of the machine.
const RIDER: f32 = 0.7;
const MACHINE: f32 = 0.6;
const FAIR_VISIBLE: f32 = 0.5;
const FAIR_INSIDE: f32 = 0.6;
/// Heights are told apart at these, in pixels of a picture 1080 high.
const HEIGHTS_PX: [f32; 3] = [30.0, 45.0, 90.0];

/// Found and all, of each class taller than each of the heights.
#[derive(Debug, Serialize)]
struct Figures {
    clip: String,
    model: String,
    score: f32,
    frames: usize,
    taller_than_px: [f32; 3],
    found_and_all: BTreeMap<VehicleClass, [[usize; 2]; 3]>,
}

pub(crate) fn run(args: &RecallArgs, config: &EngineConfig) -> anyhow::Result<Outcome> {
    let truth = Truth::load(&args.truth)?;
    anyhow::ensure!(!truth.vehicles.is_empty(), "{}: it does not know the road users", args.truth.display());
    let mut detector = detection::detectors(config, 1)?.pop().context("no detector")?;
    let plan = AnalysePlan { fit: detector.input(), max_fps: 0.0, crops: Vec::new(), region: None };
    let limits = RingLimits { seconds: 1.0, bytes: 1 << 20 };
    let mut file = FileCamera::open(&args.video, CameraId::new("recall")?, None, plan, limits)?;
    let mut figures = Figures {
        clip: args.video.display().to_string(),
        model: detector.version().to_owned(),
        score: args.score,
        frames: 0,
        taller_than_px: HEIGHTS_PX,
        found_and_all: BTreeMap::new(),
    };
    while let Some(frame) = file.next()? {
        if frame.seq % u64::from(args.every) != 0 {
            continue;
        }
        figures.frames += 1;
        let mut found = detector.detect(&[&frame])?.pop().context("the detector gave no result")?;
        found.retain(|detection| detection.score >= args.score);
        // Boxes come in pixels of the clip's own frame.
        let scale = truth.frame_px.w as f32 / frame.source.w as f32;
        found.iter_mut().for_each(|detection| detection.bbox = detection.bbox.scaled(scale, scale));
        for vehicle in &truth.vehicles {
            let seen = vehicle.track.at(frame.media_s);
            if let Some(seen) = seen.filter(|seen| seen.visible >= FAIR_VISIBLE && seen.inside >= FAIR_INSIDE) {
                figures.count(vehicle.class, seen, &found, truth.frame_px.h as f32);
            }
        }
    }
    if args.json {
        say_json(&figures)?
    } else {
        say(table(&figures))?
    }
    Ok(Outcome::Success)
}

impl Figures {
    fn count(&mut self, class: VehicleClass, seen: &Sighting, found: &[Detection], frame_h: f32) {
        let hit = found.iter().any(|detection| finds(class, &seen.bbox, detection));
        let row = self.found_and_all.entry(class).or_default();
        for (least_px, [found, all]) in HEIGHTS_PX.iter().zip(row) {
            if seen.bbox.h >= least_px * frame_h / 1080.0 {
                *all += 1;
                *found += usize::from(hit);
            }
        }
    }
}

/// Whether `detection` is of the road user in `truth`.
pub(super) fn finds(class: VehicleClass, truth: &BoxPx, detection: &Detection) -> bool {
    use VehicleClass::{Bicycle, Bus, Car, Motorcycle, Pedestrian, Truck};
    let on = |part: &BoxPx| part.iou(&detection.bbox) >= ON_IT_IOU;
    match class {
        Car | Bus | Truck => matches!(detection.class, Car | Bus | Truck) && on(truth),
        Pedestrian => detection.class == Pedestrian && on(truth),
        Motorcycle | Bicycle => {
            let rider = BoxPx { h: truth.h * RIDER, ..*truth };
            let machine = BoxPx { y: truth.y + truth.h * (1.0 - MACHINE), h: truth.h * MACHINE, ..*truth };
            matches!(detection.class, Motorcycle | Bicycle | Pedestrian) && [*truth, rider, machine].iter().any(on)
        }
    }
}

fn table(figures: &Figures) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    let heights = figures.taller_than_px.map(|px| format!("taller than {px:.0} of 1080 px"));
    table.set_header(["class".to_owned()].into_iter().chain(heights));
    for (class, row) in &figures.found_and_all {
        let cells = row.map(|[found, all]| match all {
            0 => "–".to_owned(),
            all => format!("{found} of {all} ({:.1} %)", 100.0 * found as f64 / all as f64),
        });
        table.add_row([class.to_string()].into_iter().chain(cells));
    }
    let Figures { clip, model, score, frames, .. } = figures;
    format!("{table}\n{model}, scores of {score} and more, {frames} frames of {clip}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rider_alone_finds_the_motorcycle_and_a_car_does_not() {
        let truth = BoxPx::from([100.0, 100.0, 50.0, 120.0]);
        let of = |class, bbox: [f32; 4]| Detection { class, score: 0.9, bbox: bbox.into() };
        let motorcycle = |detection| finds(VehicleClass::Motorcycle, &truth, &detection);
        assert!(motorcycle(of(VehicleClass::Motorcycle, [100.0, 100.0, 50.0, 120.0])));
        assert!(motorcycle(of(VehicleClass::Pedestrian, [110.0, 100.0, 30.0, 84.0])));
        assert!(motorcycle(of(VehicleClass::Bicycle, [100.0, 150.0, 50.0, 70.0])));
        assert!(!motorcycle(of(VehicleClass::Car, [100.0, 100.0, 50.0, 120.0])));
        assert!(!motorcycle(of(VehicleClass::Pedestrian, [160.0, 100.0, 30.0, 84.0])));
        assert!(!finds(VehicleClass::Car, &truth, &of(VehicleClass::Pedestrian, [100.0, 100.0, 50.0, 120.0])));
        assert!(finds(VehicleClass::Bus, &truth, &of(VehicleClass::Truck, [100.0, 100.0, 50.0, 120.0])));
    }
}
