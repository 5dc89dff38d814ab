//! Ground truth: what really happened in a clip.
//!
//! Two forms are read: that of rendered clips (`fixtures/*/truth.json`, `stopline-truth/1`: exact boxes, speeds and plates
//! of every road user in every frame) and the hand-made one of real clips (moments and places noted by a person, some of
//! them unsure). Only the first knows vehicles, near misses and plates.

mod hand_made;
mod rendered;
mod vehicle;

use std::{collections::BTreeMap, path::Path};

use hand_made::HandMade;
use rendered::Rendered;
use stopline_types::{BoxPx, PointPx, RuleKind, SizePx};

pub(crate) use vehicle::{PlateSeen, Sighting, Track, Vehicle};

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
    /// Lawful acts that look like one: an event about it is a false alarm, told by its note.
    pub near_misses: Vec<Act>,
    /// Drives from another camera to this one that were too fast, and those that were not: acts only for who watches both.
    section: Vec<Act>,
    section_near_misses: Vec<Act>,
    /// Acts of other kinds, counted: the engine has no rule for them.
    pub without_rule: BTreeMap<String, usize>,
    /// Every road user; empty: the truth does not know them.
    pub vehicles: Vec<Vehicle>,
    /// Where a clip played in a loop jumps back to its begin, seconds.
    pub seams_s: Vec<f64>,
}

/// One thing that was done.
#[derive(Debug, Clone)]
pub(crate) struct Act {
    pub rule: RuleKind,
    /// Who, as the truth names it.
    pub who: String,
    /// When it was done.
    pub did_s: (f64, f64),
    /// An event between these seconds may be this act.
    pub from_s: f64,
    pub to_s: f64,
    pub place: Place,
    /// Why it is neither counted when missed nor held against the engine when found; `None`: it counts.
    pub aside: Option<String>,
    /// Of a near miss: what makes it lawful.
    pub note: String,
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
    Track(Track),
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
            Place::Track(track) => {
                let iou = track.at(t_s).map(|truth| truth.bbox.iou(bbox)).unwrap_or_default();
                (iou >= SAME_VEHICLE_IOU).then(|| f64::from(1.0 - iou))
            }
        }
    }

    /// Seconds between `t_s` and the act itself: negative before it began, positive after it ended, 0 within.
    pub(crate) fn time_error_s(&self, t_s: f64) -> f64 {
        let (began, ended) = self.did_s;
        if t_s < began { t_s - began } else { (t_s - ended).max(0.0) }
    }

    /// True speed at `t_s`, as far as it is known.
    pub(crate) fn speed_kmh_at(&self, t_s: f64) -> Option<f64> {
        match &self.place {
            // Of a section it is the mean that counts, wherever it is told.
            Place::Track(track) if self.rule != RuleKind::SectionSpeed => {
                track.at(t_s).map(|sighting| sighting.speed_kmh).or(self.speed_kmh)
            }
            _ => self.speed_kmh,
        }
    }

    /// The same act `by_s` later, as a clip played in a loop shows it.
    fn later(&self, by_s: f64) -> Self {
        let mut act = self.clone();
        act.from_s += by_s;
        act.to_s += by_s;
        act.did_s.0 += by_s;
        act.did_s.1 += by_s;
        if let Place::Track(track) = &mut act.place {
            *track = track.later(by_s);
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
            return Ok(HandMade::into_truth(serde_json::from_value(value).map_err(|e| fault(&e))?));
        }
        match value.get("format").map(|format| format.as_str() == Some(rendered::FORMAT)) {
            Some(true) => {
                let rendered: Rendered = serde_json::from_value(value).map_err(|e| fault(&e))?;
                rendered.into_truth().map_err(|e| fault(&e))
            }
            Some(false) => Err(fault(&format!("format: expected {:?}, found {}", rendered::FORMAT, value["format"]))),
            None => Err(fault(&format!("expected `crossings` (made by hand) or `format` {:?}", rendered::FORMAT))),
        }
    }

    /// For who watches the other camera of the section too.
    pub(crate) fn with_section(mut self) -> Self {
        self.acts.append(&mut self.section);
        self.near_misses.append(&mut self.section_near_misses);
        self
    }

    /// What happens when the clip is played in a loop and watched for `span_s`. Acts whose window is cut off by the end
    /// of watching are set aside: they may be found, but need not.
    pub(crate) fn looped(&self, span_s: f64) -> Self {
        let mut looped = Self { acts: vec![], near_misses: vec![], vehicles: vec![], seams_s: vec![], ..self.clone() };
        let mut start_s = 0.0;
        while self.duration_s > 0.0 && start_s < span_s {
            if start_s > 0.0 {
                looped.seams_s.push(start_s);
            }
            looped.near_misses.extend(self.near_misses.iter().map(|near| near.later(start_s)));
            let acts = self.acts.iter().map(|act| act.later(start_s)).filter(|act| act.from_s < span_s);
            looped.acts.extend(acts.map(|mut act| {
                if act.to_s > span_s {
                    act.aside = Some("the end of watching cuts it off".to_owned());
                }
                act
            }));
            looped.vehicles.extend(self.vehicles.iter().map(|vehicle| vehicle.later(start_s, span_s)));
            start_s += self.duration_s;
        }
        looped
    }

    /// The road user in `bbox` at `t_s`, in the truth's frame.
    pub(crate) fn vehicle_at(&self, t_s: f64, bbox: &BoxPx) -> Option<&Vehicle> {
        let overlaps = self.vehicles.iter().filter_map(|vehicle| {
            let iou = vehicle.track.at(t_s)?.bbox.iou(bbox);
            (iou >= SAME_VEHICLE_IOU).then_some((vehicle, iou))
        });
        overlaps.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(vehicle, _)| vehicle)
    }

    /// The road user of that name that is seen nearest to `t_s`: in a loop each has its name again.
    pub(crate) fn vehicle(&self, id: &str, t_s: f64) -> Option<&Vehicle> {
        let named = self.vehicles.iter().filter(|vehicle| vehicle.id == id);
        named.min_by(|a, b| a.track.away_s(t_s).total_cmp(&b.track.away_s(t_s)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn junction() -> Truth {
        Truth::load(Path::new("fixtures/junction_day/truth.json")).expect("the fixture reads")
    }

    #[test]
    fn a_section_is_judged_at_its_exit_by_who_watches_both_cameras() {
        let of = |path: &str| {
            let truth = Truth::load(Path::new(path)).expect("the fixture reads").with_section();
            let count = |acts: &[Act]| acts.iter().filter(|act| act.rule == RuleKind::SectionSpeed).count();
            (count(&truth.acts), count(&truth.near_misses))
        };
        assert_eq!(of("fixtures/road_speed/truth.json"), (0, 0));
        assert_eq!(of("fixtures/road_speed/second/truth.json"), (5, 8));
    }

    #[test]
    fn junction_day_has_its_acts() {
        let truth = junction();
        let of = |rule| truth.acts.iter().filter(|act| act.rule == rule).count();
        assert_eq!((of(RuleKind::RedLight), of(RuleKind::Speed), of(RuleKind::WrongWay)), (3, 1, 2));
        assert_eq!((truth.duration_s, truth.vehicles.len()), (60.0, 59));
        let runner = truth.acts.iter().find(|act| act.who == "r1").expect("the red-light rider");
        let Place::Track(track) = &runner.place else { panic!("rendered acts have boxes") };
        let bbox = track.at(8.0).expect("seen at 8 s").bbox;
        assert!(runner.misfit(8.0, &bbox).is_some_and(|misfit| misfit < 0.01));
        assert!(runner.misfit(8.0, &BoxPx { x: bbox.x + 300.0, ..bbox }).is_none());
        assert!(runner.misfit(17.0, &bbox).is_none());
        assert!(runner.time_error_s(8.0).abs() < 1e-9 && (runner.time_error_s(9.28) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn every_kind_of_the_truth_is_counted_somewhere() {
        let text = std::fs::read_to_string("fixtures/junction_day/truth.json").expect("the fixture");
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let truth = junction();
        let counted = truth.acts.len() + truth.without_rule.values().sum::<usize>();
        assert_eq!(counted, value["violations"].as_array().expect("a list").len());
    }

    #[test]
    fn a_loop_sets_aside_what_was_not_wholly_seen() {
        let truth = junction();
        let of = |truth: &Truth, aside: bool| {
            truth.acts.iter().filter(|act| act.rule == RuleKind::RedLight && act.aside.is_some() == aside).count()
        };
        let twice = truth.looped(truth.duration_s * 2.0);
        assert_eq!((twice.acts.len(), of(&twice, true)), (truth.acts.len() * 2, 0));
        assert_eq!(twice.seams_s, [60.0]);
        // r1 crosses at 7.6 s of each loop, the others after 43 s.
        let cut = truth.looped(truth.duration_s + 8.0);
        assert_eq!((of(&cut, false), of(&cut, true)), (3, 1));
        let late = cut.vehicle("r1", 68.0).expect("again in the second loop");
        assert!(late.track.at(67.9).is_some() && late.track.at(68.5).is_none(), "nothing is seen after the end");
    }

    #[test]
    fn a_strange_file_is_refused_by_name() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("t.json");
        for (text, expected) in [("{}", "crossings"), ("{\"format\": \"stopline-truth/9\"}", "stopline-truth/1")] {
            std::fs::write(&path, text).expect("written");
            let error = Truth::load(&path).expect_err("refused").to_string();
            assert!(error.contains("t.json") && error.contains(expected), "{error}");
        }
    }
}
