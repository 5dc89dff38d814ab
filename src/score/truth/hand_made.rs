//! The truth of a real clip: moments and places noted by a person, some of them unsure.

use std::collections::BTreeMap;

use serde::Deserialize;
use stopline_types::{PointPx, RuleKind, SizePx};

use super::{Act, Place, Truth};

#[derive(Deserialize)]
pub(super) struct HandMade {
    width: u32,
    height: u32,
    duration_s: f64,
    crossings: Vec<Crossing>,
    #[serde(default)]
    stopped_over_line: Vec<Stopped>,
    #[serde(default)]
    no_helmet: Vec<serde_json::Value>,
    #[serde(default)]
    other_violations: Vec<Other>,
}

#[derive(Deserialize)]
struct Crossing {
    id: String,
    t_s: Option<f64>,
    t_rear_s: Option<f64>,
    #[serde(default)]
    t_uncertainty_s: f64,
    x_px: f32,
    y_px: f32,
    violation_red_light: Sure,
    #[serde(default)]
    wrong_side: Sure,
}

#[derive(Deserialize)]
struct Stopped {
    id: String,
    from_s: Option<f64>,
    to_s: Option<f64>,
    sure: Sure,
}

#[derive(Deserialize)]
struct Other {
    #[serde(rename = "type")]
    kind: String,
    from_s: Option<f64>,
    to_s: Option<f64>,
    sure: Sure,
}

/// `true`, `false` or a word such as "unsure".
#[derive(Deserialize)]
#[serde(untagged)]
enum Sure {
    Known(bool),
    Doubt(String),
}

impl Default for Sure {
    fn default() -> Self {
        Self::Known(false)
    }
}

impl Sure {
    fn perhaps(&self) -> bool {
        !matches!(self, Self::Known(false))
    }

    fn aside(&self) -> Option<String> {
        match self {
            Self::Known(_) => None,
            Self::Doubt(words) => Some(words.clone()),
        }
    }
}

impl HandMade {
    pub(super) fn into_truth(self) -> Truth {
        let mut truth = Truth {
            frame_px: SizePx { w: self.width, h: self.height },
            duration_s: self.duration_s,
            acts: vec![],
            near_misses: vec![],
            section: vec![],
            section_near_misses: vec![],
            without_rule: BTreeMap::new(),
            vehicles: vec![],
            seams_s: vec![],
        };
        for c in &self.crossings {
            let Some(t_s) = c.t_rear_s.or(c.t_s) else { continue };
            if matches!(c.violation_red_light, Sure::Known(false)) {
                continue;
            }
            // Who crosses beside the painted line crosses only its extension: shown apart, as the truth asks.
            let beside = c.wrong_side.perhaps().then(|| "crosses beside the painted line".to_owned());
            let slack_s = 1.2 + c.t_uncertainty_s;
            truth.acts.push(Act {
                rule: RuleKind::RedLight,
                who: c.id.clone(),
                did_s: (c.t_s.unwrap_or(t_s).min(t_s), t_s),
                from_s: c.t_s.unwrap_or(t_s).min(t_s) - slack_s,
                to_s: t_s + slack_s,
                place: Place::At(PointPx { x: c.x_px, y: c.y_px }),
                aside: c.violation_red_light.aside().or(beside),
                note: String::new(),
                speed_kmh: None,
            });
        }
        for s in &self.stopped_over_line {
            let (Some(from_s), Some(to_s)) = (s.from_s, s.to_s) else { continue };
            let crossing = self.crossings.iter().find(|c| c.id == s.id);
            truth.acts.push(Act {
                rule: RuleKind::StopLine,
                who: s.id.clone(),
                did_s: (from_s, to_s),
                from_s: from_s - 1.0,
                to_s: to_s + 1.0,
                place: crossing.map_or(Place::Anywhere, |c| Place::At(PointPx { x: c.x_px, y: c.y_px })),
                aside: s.sure.aside().or_else(|| {
                    crossing.filter(|c| c.wrong_side.perhaps()).map(|_| "beside the painted line".to_owned())
                }),
                note: String::new(),
                speed_kmh: None,
            });
        }
        for o in &self.other_violations {
            let (Some(from_s), Some(to_s)) = (o.from_s, o.to_s) else { continue };
            let aside = match o.kind.as_str() {
                "wrong_way" | "oncoming_on_wrong_side" => o.sure.aside(),
                other => Some(format!("{other}: no rule of its own")),
            };
            truth.acts.push(Act {
                rule: RuleKind::WrongWay,
                who: o.kind.clone(),
                did_s: (from_s, to_s),
                from_s: from_s - 1.0,
                to_s: to_s + 1.0,
                place: Place::Anywhere,
                aside,
                note: String::new(),
                speed_kmh: None,
            });
        }
        if !self.no_helmet.is_empty() {
            truth.without_rule.insert("no_helmet".to_owned(), self.no_helmet.len());
        }
        truth
    }
}
