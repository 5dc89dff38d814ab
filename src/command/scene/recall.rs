//! `stopline scene recall`: how many of the road users of the truth the detector finds, by class, frame by frame, without
//! tracks: with the scene's region of interest or another.
//!
//! Asked for are objects of which half is visible and 60 % is in the picture, taller than 30 px of the truth's picture
//! (`scenes/README.md`); what finds them is what does for `bench detector-recall`. For truth made by hand, which gives no
//! boxes: whether at each crossing of the line something stands where it was noted.

use std::{collections::BTreeMap, path::Path};

use anyhow::Context as _;
use comfy_table::{Table, presets::UTF8_BORDERS_ONLY};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stopline_detect::inference::Detector;
use stopline_ingest::{AnalysePlan, CropRequest, replay::FileCamera};
use stopline_types::{BoxPx, Detection, Frame, VehicleClass};

use super::super::{detector_recall::finds, say, say_json};
use crate::{
    Outcome, WrongUse,
    config::{CameraConfig, Config},
    engine::detection,
};

const LEAST_PX: f32 = 30.0;
const LEAST_VISIBLE: f64 = 0.5;
const LEAST_INSIDE: f64 = 0.6;
/// How far from the noted place a foot point may be, shares of the frame's width and height.
const BESIDE: f32 = 0.04;
const ALONG: f32 = 0.05;

/// `main`-picture pixels of height from which each column counts.
const HEIGHTS: [f32; 3] = [LEAST_PX, 45.0, 90.0];

#[derive(Debug, Default, Clone, Serialize)]
struct Row {
    /// Found and asked for, by least height.
    found: [usize; 3],
    asked: [usize; 3],
}

#[derive(Debug, Serialize)]
struct Figures {
    clip: String,
    region: Option<[f32; 4]>,
    frames: usize,
    classes: BTreeMap<String, Row>,
    /// Boxes of road users that lie on nothing of the truth, a frame.
    loose_boxes_per_frame: f64,
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
    #[serde(alias = "class")]
    cls: VehicleClass,
}

#[derive(Deserialize)]
struct TrueFrame {
    i: u64,
    objects: Vec<TrueObject>,
}

#[derive(Deserialize)]
struct TrueObject {
    id: String,
    /// Left, top, right, bottom.
    #[serde(rename = "box")]
    edges: [f32; 4],
    visible: f64,
    inside: f64,
}

pub(super) fn run(
    config: &Config,
    camera: &CameraConfig,
    clip: &Path,
    truth: &Path,
    region: Option<&str>,
    every: u64,
    json: bool,
) -> anyhow::Result<Outcome> {
    let scene = super::scene_of(camera)?;
    let mut detector = detection::detectors(&config.engine, 1)?.pop().context("no detector")?;
    let mut plan = detection::plan(detector.input(), 0.0, Some(scene));
    plan.crops.clear();
    if let Some(region) = region {
        plan.region = parse_region(region)?;
    }
    let wanted = plan.region.map(|r| [r.x, r.y, r.w, r.h]);
    let mut source = FileCamera::open(clip, camera.id.clone(), None, plan.clone(), config.engine.ring.limits())?;
    let value = super::json_of(truth)?;
    let mut figures = Figures {
        clip: clip.display().to_string(),
        region: wanted,
        frames: 0,
        classes: BTreeMap::new(),
        loose_boxes_per_frame: 0.0,
    };
    if value.get("crossings").is_some() {
        crossings(&mut detector, &mut source, &value, &mut figures)?;
    } else {
        let truth: Truth = serde_json::from_value(value).with_context(|| truth.display().to_string())?;
        boxes(&mut detector, &mut source, &truth, every, &mut figures)?;
    }
    if json {
        say_json(&figures)?;
    } else {
        say(table(&figures, &plan))?;
    }
    Ok(Outcome::Success)
}

fn parse_region(text: &str) -> anyhow::Result<Option<CropRequest>> {
    if text == "whole" {
        return Ok(None);
    }
    let parts: Vec<f32> = text.split(',').filter_map(|part| part.trim().parse().ok()).collect();
    let wrong = || WrongUse(format!("--region {text}: expected whole, or X,Y,W,H in fractions of the frame"));
    let parts: [f32; 4] = parts.try_into().map_err(|_| wrong())?;
    let inside = parts.iter().all(|p| (0.0..=1.0).contains(p)) && parts[2] > 0.0 && parts[3] > 0.0;
    if inside { Ok(Some(parts.into())) } else { Err(wrong().into()) }
}

fn boxes(
    detector: &mut Detector,
    source: &mut FileCamera,
    truth: &Truth,
    every: u64,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let classes: BTreeMap<&str, VehicleClass> = truth.vehicles.iter().map(|v| (v.id.as_str(), v.cls)).collect();
    let mut loose = 0;
    while let Some(frame) = source.next()? {
        let Some(true_frame) = truth.frames.iter().find(|f| f.i == frame.seq && f.i % every == 0) else { continue };
        let found = detect(detector, &frame)?;
        figures.frames += 1;
        let (sx, sy) = (frame.source.w as f32 / truth.image[0] as f32, frame.source.h as f32 / truth.image[1] as f32);
        let mut used = vec![false; found.len()];
        for object in &true_frame.objects {
            let [left, top, right, bottom] = object.edges;
            let bbox = BoxPx::from_edges(left, top, right, bottom).scaled(sx, sy);
            let class = *classes.get(object.id.as_str()).context("an object of no vehicle")?;
            let mut hit = false;
            for (used, d) in used.iter_mut().zip(&found) {
                let here = finds(class, &bbox, d);
                // A box on any part of a road user is no loose one.
                *used |= here || bbox.overlap(&d.bbox) > 0.5 * d.bbox.area();
                hit |= here;
            }
            if object.visible < LEAST_VISIBLE || object.inside < LEAST_INSIDE {
                continue;
            }
            let row = figures.classes.entry(class.to_string()).or_default();
            for (i, _) in HEIGHTS.iter().enumerate().filter(|(_, least)| bottom - top >= **least) {
                row.asked[i] += 1;
                row.found[i] += usize::from(hit);
            }
        }
        loose += used.iter().filter(|used| !**used).count();
    }
    figures.loose_boxes_per_frame = loose as f64 / figures.frames.max(1) as f64;
    Ok(())
}

/// One row for each class of the crossings; the heights do not apply.
fn crossings(
    detector: &mut Detector,
    source: &mut FileCamera,
    truth: &Value,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let list = truth["crossings"].as_array().context("crossings")?;
    let number = |c: &Value, key: &str| c[key].as_f64();
    let mut open: Vec<(f64, &Value)> =
        list.iter().filter_map(|c| Some((number(c, "t_rear_s").or(number(c, "t_s"))?, c))).collect();
    open.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut open = open.into_iter().peekable();
    while let Some(frame) = source.next()? {
        let mut found = None;
        while let Some((_, crossing)) = open.next_if(|(t, _)| *t <= frame.media_s + 0.02) {
            let found = match &found {
                Some(found) => found,
                None => found.insert(detect(detector, &frame)?),
            };
            figures.frames += 1;
            let (x, y) =
                (number(crossing, "x_px").context("x_px")? as f32, number(crossing, "y_px").context("y_px")? as f32);
            let (w, h) = (frame.source.w as f32, frame.source.h as f32);
            // The box may be the rider's, whose foot is above the road.
            let hit = found.iter().any(|d| {
                let foot = d.bbox.foot();
                let up = if d.class == VehicleClass::Pedestrian { 0.6 * d.bbox.h } else { 0.0 };
                (foot.x - x).abs() <= (BESIDE * w).max(d.bbox.w / 2.0)
                    && foot.y <= y + ALONG * h
                    && foot.y >= y - ALONG * h - up
            });
            let row = figures.classes.entry(crossing["class"].as_str().unwrap_or("unknown").to_owned()).or_default();
            row.asked[0] += 1;
            row.found[0] += usize::from(hit);
        }
    }
    Ok(())
}

fn detect(detector: &mut Detector, frame: &Frame) -> anyhow::Result<Vec<Detection>> {
    detector.detect(&[frame])?.pop().context("the detector gave no result")
}

fn table(figures: &Figures, plan: &AnalysePlan) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    table.set_header(["class".to_owned(), "taller than 30 px".into(), "45 px".into(), "90 px".into()]);
    for (class, row) in &figures.classes {
        let cell = |i: usize| match row.asked[i] {
            0 => String::new(),
            asked => format!("{} of {asked} ({:.1} %)", row.found[i], 100.0 * row.found[i] as f64 / asked as f64),
        };
        table.add_row([class.clone(), cell(0), cell(1), cell(2)]);
    }
    let region = plan
        .region
        .map_or_else(|| "whole frame".to_owned(), |r| format!("region {:.2},{:.2},{:.2},{:.2}", r.x, r.y, r.w, r.h));
    format!(
        "{table}\n{}: {} frames, {region}; {:.2} loose boxes a frame",
        figures.clip, figures.frames, figures.loose_boxes_per_frame
    )
}
