//! The truth of a rendered clip: exact boxes of every vehicle in every frame.

use std::collections::BTreeMap;

use serde::Deserialize;
use stopline_types::{BoxPx, RuleKind};

use super::{Act, Place, Truth};

#[derive(Deserialize)]
pub(super) struct Rendered {
    image: [u32; 2],
    fps: f64,
    violations: Vec<RenderedViolation>,
    frames: Vec<RenderedFrame>,
}

#[derive(Deserialize)]
struct RenderedViolation {
    #[serde(rename = "type")]
    kind: String,
    vehicle: String,
    t: Option<f64>,
    t_end: Option<f64>,
    speed_kmh: Option<f64>,
}

#[derive(Deserialize)]
struct RenderedFrame {
    t: f64,
    objects: Vec<RenderedObject>,
}

#[derive(Deserialize)]
struct RenderedObject {
    id: String,
    #[serde(rename = "box")]
    edges: [f32; 4],
}

impl Rendered {
    pub(super) fn into_truth(self) -> Truth {
        let duration_s = self.frames.len() as f64 / self.fps;
        let mut truth = Truth { frame_px: self.image.into(), duration_s, acts: vec![], without_rule: BTreeMap::new() };
        for violation in &self.violations {
            let Some(rule) = rule_of(&violation.kind) else {
                *truth.without_rule.entry(violation.kind.clone()).or_default() += 1;
                continue;
            };
            let boxes = self.frames.iter().flat_map(|frame| {
                let of = frame.objects.iter().filter(|object| object.id == violation.vehicle);
                of.map(|object| {
                    let [left, top, right, bottom] = object.edges;
                    (frame.t, BoxPx::from_edges(left, top, right, bottom))
                })
            });
            let boxes: Vec<_> = boxes.collect();
            let seen_from = boxes.first().map_or(0.0, |(t, _)| *t);
            let seen_to = boxes.last().map_or(duration_s, |(t, _)| *t);
            // A speed may be measured anywhere on the way; the other acts have their moment. `t` is when the front
            // reaches the line, while boxes end at the rear: hence the second and a half after it.
            let (from_s, to_s) = match (rule, violation.t) {
                (RuleKind::Speed, _) | (_, None) => (seen_from, seen_to),
                (_, Some(t)) => (t - 1.0, violation.t_end.unwrap_or(t) + 1.5),
            };
            truth.acts.push(Act {
                rule,
                who: violation.vehicle.clone(),
                from_s: from_s.max(0.0),
                to_s: to_s.min(duration_s),
                place: Place::Track(boxes),
                aside: None,
                speed_kmh: violation.speed_kmh,
            });
        }
        truth
    }
}

fn rule_of(kind: &str) -> Option<RuleKind> {
    match kind {
        "speeding" => Some(RuleKind::Speed),
        other => RuleKind::parse(other),
    }
}
