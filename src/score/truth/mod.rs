//! Ground truth: what really happened in a clip.
//!
//! Two forms are read: the rendered junction's (`fixtures/*/truth.json`: exact boxes of every vehicle in every frame)
//! and the hand-made one of real clips (moments and places noted by a person, some of them unsure).

mod hand_made;
mod rendered;

use std::{collections::BTreeMap, path::Path};

use hand_made::HandMade;
use rendered::Rendered;
use stopline_types::{BoxPx, PointPx, RuleKind, SizePx};

/// A rendered vehicle is held to be the found one when their boxes share so much.
const SAME_VEHICLE_IOU: f32 = 0.15;
/// A person's note of a crossing is held to be the found one within so many pixels along the line, or 0.6 of
/// its own width.
const SAME_PLACE_PX: f32 = 60.0;

/// What really happened in a clip.
#[derive(Debug, Clone)]
pub(crate) struct Truth {
    /// Size of the frame that places are given in.
    pub frame_px: SizePx,
    /// Length of the clip.
    pub duration_s: f64,
    /// Acts of kinds that the engine looks for.
    pub acts: Vec<Act>,
    /// Acts of other kinds, counted: the engine has no rule for them.
    pub without_rule: BTreeMap<String, usize>,
}

/// One thing that was done.
#[derive(Debug, Clone)]
pub(crate) struct Act {
    pub rule: RuleKind,
    /// Who, as the truth names it.
    pub who: String,
    /// An event between these seconds may be this act.
    pub from_s: f64,
    pub to_s: f64,
    pub place: Place,
    /// Why it is neither counted when missed nor held against the engine when found; `None`: it counts.
    pub aside: Option<String>,
    pub speed_kmh: Option<f64>,
}

/// Where it was done.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// Not noted: time decides alone.
    Anywhere,
    /// A foot point.
    At(PointPx),
    /// The exact box at each moment.
    Track(Vec<(f64, BoxPx)>),
}

impl Act {
    /// How badly a vehicle in `bbox` at `t_s` fits this act: 0 is perfect; `None`: it is another. `bbox` in the truth's
    /// frame.
    pub(crate) fn misfit(&self, t_s: f64, bbox: &BoxPx) -> Option<f64> {
        if t_s < self.from_s || t_s > self.to_s {
            return None;
        }
        let late = (t_s - (self.from_s + self.to_s) / 2.0).abs() / (self.to_s - self.from_s).max(1e-3);
        match &self.place {
            Place::Anywhere => Some(late),
            Place::At(point) => {
                let beside = (bbox.foot().x - point.x).abs() / SAME_PLACE_PX.max(bbox.w * 0.6);
                (beside <= 1.0).then(|| late + f64::from(beside))
            }
            Place::Track(boxes) => {
                let nearest = boxes.iter().min_by(|a, b| (a.0 - t_s).abs().total_cmp(&(b.0 - t_s).abs()));
                let iou = nearest.map(|(_, truth)| truth.iou(bbox)).unwrap_or_default();
                (iou >= SAME_VEHICLE_IOU).then(|| f64::from(1.0 - iou))
            }
        }
    }

    /// The same act `by_s` later, as a clip played in a loop shows it.
    fn later(&self, by_s: f64) -> Self {
        let mut act = self.clone();
        act.from_s += by_s;
        act.to_s += by_s;
        if let Place::Track(boxes) = &mut act.place {
            boxes.iter_mut().for_each(|(t, _)| *t += by_s);
        }
        act
    }
}

impl Truth {
    /// Reads a truth file of either form.
    pub(crate) fn load(path: &Path) -> anyhow::Result<Self> {
        let fault = |e: &dyn std::fmt::Display| anyhow::anyhow!("truth file {}: {e}", path.display());
        let text = std::fs::read_to_string(path).map_err(|e| fault(&e))?;
        let value: serde_json::Value = serde_json::from_str(&text).map_err(|e| fault(&e))?;
        if value.get("crossings").is_some() {
            Ok(HandMade::into_truth(serde_json::from_value(value).map_err(|e| fault(&e))?))
        } else if value.get("frames").is_some_and(serde_json::Value::is_array) {
            Ok(Rendered::into_truth(serde_json::from_value(value).map_err(|e| fault(&e))?))
        } else {
            Err(fault(&"expected `crossings` (made by hand) or a list `frames` (rendered)"))
        }
    }

    /// What happens when the clip is played in a loop and watched for `span_s`: acts whose whole window was seen.
    pub(crate) fn looped(&self, span_s: f64) -> Self {
        let mut acts = Vec::new();
        let mut start_s = 0.0;
        while self.duration_s > 0.0 && start_s < span_s {
            acts.extend(self.acts.iter().map(|act| act.later(start_s)).filter(|act| act.to_s <= span_s));
            start_s += self.duration_s;
        }
        Self { acts, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn junction() -> Truth {
        Truth::load(Path::new("fixtures/junction/truth.json")).expect("the fixture reads")
    }

    #[test]
    fn the_junction_has_its_acts() {
        let truth = junction();
        let of = |rule| truth.acts.iter().filter(|act| act.rule == rule).count();
        assert_eq!((of(RuleKind::RedLight), of(RuleKind::Speed), of(RuleKind::WrongWay)), (2, 1, 1));
        assert_eq!(truth.without_rule["no_helmet"], 2);
        assert!((truth.duration_s - 15.04).abs() < 1e-9);
        let runner = truth.acts.iter().find(|act| act.who == "r2").expect("the red-light rider");
        let Place::Track(boxes) = &runner.place else { panic!("rendered acts have boxes") };
        let (t, bbox) = boxes.iter().find(|(t, _)| *t >= 5.0).expect("seen at 5 s");
        assert!(runner.misfit(*t, bbox).is_some_and(|misfit| misfit < 0.01));
        assert!(runner.misfit(*t, &BoxPx { x: bbox.x + 300.0, ..*bbox }).is_none());
        assert!(runner.misfit(*t + 9.0, bbox).is_none());
    }

    #[test]
    fn a_loop_repeats_only_what_was_wholly_seen() {
        let truth = junction();
        let twice = truth.looped(truth.duration_s * 2.0);
        assert_eq!(twice.acts.len(), truth.acts.len() * 2);
        let cut = truth.looped(truth.duration_s + 4.0);
        let red = cut.acts.iter().filter(|act| act.rule == RuleKind::RedLight).count();
        assert_eq!(red, 3, "the early runner twice, the later one once");
    }

    #[test]
    fn a_strange_file_is_refused_by_name() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("t.json");
        std::fs::write(&path, "{}").expect("written");
        let error = Truth::load(&path).expect_err("refused").to_string();
        assert!(error.contains("t.json") && error.contains("crossings"), "{error}");
    }
}
