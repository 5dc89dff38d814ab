//! Acts against violations, rule by rule.

use std::cmp::Ordering;

use serde::Serialize;
use stopline_types::{BoxPx, RuleKind, Violation};

use super::{Act, Errors, PlateScore, Truth, in_truth_px, share};

/// Figures of one rule.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct RuleScore {
    /// Acts that count.
    pub expected: usize,
    /// Of those, found.
    pub found: usize,
    /// Events that are no act at all.
    pub false_alarms: usize,
    /// Found acts that the truth sets aside (unsure, beside the line, cut off), and all of those.
    pub aside_found: usize,
    pub aside: usize,
    /// Lawful acts that look like this one; those that were accused stand in `made_up`.
    pub near_misses: usize,
    /// What was missed, by name and time.
    pub missed: Vec<Missed>,
    /// What was made up.
    pub made_up: Vec<MadeUp>,
    /// Seconds outside the act itself, of found acts: negative before it, positive after it.
    pub time_error_s: Errors,
    /// Measured less true speed at the event's moment, of found acts, km/h.
    pub speed_error_kmh: Errors,
    /// Plates of found acts.
    pub plates: PlateScore,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Missed {
    pub who: String,
    pub from_s: f64,
    pub to_s: f64,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct MadeUp {
    pub id: String,
    pub t_s: f64,
    pub track: u64,
    pub class: String,
    /// The road user in its place, as the truth names it.
    pub vehicle: Option<String>,
    /// Why it is none, in words.
    pub why: String,
    /// True when it is about a near miss of this rule.
    pub near_miss: bool,
    /// In the truth's frame.
    #[serde(skip)]
    pub bbox: BoxPx,
}

impl RuleScore {
    /// Found of expected; 1 where nothing was expected.
    pub(crate) fn recall(&self) -> f64 {
        share(self.found, self.expected)
    }

    /// True of all that was said; 1 where nothing was said.
    pub(crate) fn precision(&self) -> f64 {
        share(self.found, self.found + self.false_alarms)
    }

    /// Near misses that were accused.
    pub(crate) fn near_misses_accused(&self) -> usize {
        self.made_up.iter().filter(|said| said.near_miss).count()
    }

    pub(super) fn add(&mut self, mut other: Self) {
        self.expected += other.expected;
        self.found += other.found;
        self.false_alarms += other.false_alarms;
        self.aside += other.aside;
        self.aside_found += other.aside_found;
        self.near_misses += other.near_misses;
        self.missed.append(&mut other.missed);
        self.made_up.append(&mut other.made_up);
        self.time_error_s.add(other.time_error_s);
        self.speed_error_kmh.add(other.speed_error_kmh);
        self.plates.add(other.plates);
    }

    fn judge(&mut self, truth: &Truth, act: &Act, event: Option<&Violation>) {
        if act.aside.is_some() {
            self.aside += 1;
            self.aside_found += usize::from(event.is_some());
            return;
        }
        self.expected += 1;
        let Some(event) = event else {
            self.missed.push(Missed { who: act.who.clone(), from_s: act.did_s.0, to_s: act.did_s.1 });
            return;
        };
        self.found += 1;
        self.time_error_s.push(act.time_error_s(event.t_s));
        if let (Some(measured), Some(speed)) = (event.speed_kmh, act.speed_kmh_at(event.t_s)) {
            self.speed_error_kmh.push(measured - speed);
        }
        if let Some(vehicle) = truth.vehicle(&act.who, event.t_s) {
            // A plate is read all along the way, not at the moment of the act alone.
            let readable = vehicle.is_plate_readable(f64::NEG_INFINITY, f64::INFINITY);
            self.plates.judge(vehicle, event.plate.as_ref(), readable, event.t_s);
        }
    }
}

/// Figures of every rule that was expected, nearly broken or said.
///
/// Each act takes at most one event and each event one act; acts that count are matched before those set aside. A
/// second event for an act that was found already is a false alarm: the officer would see it twice.
pub(super) fn judge(truth: &Truth, events: &[&Violation]) -> Vec<(RuleKind, RuleScore)> {
    let rules = RuleKind::ALL.into_iter().filter_map(|rule| {
        let events: Vec<&Violation> = events.iter().copied().filter(|event| event.rule == rule).collect();
        let acts: Vec<&Act> = truth.acts.iter().filter(|act| act.rule == rule).collect();
        let (of_act, taken) = pair(truth, &acts, &events);
        let mut score = RuleScore::default();
        for (act, event) in acts.iter().zip(&of_act) {
            score.judge(truth, act, *event);
        }
        let untaken = events.iter().zip(taken).filter(|(_, taken)| !taken);
        score.made_up = untaken.map(|(event, _)| MadeUp::of(truth, event)).collect();
        score.false_alarms = score.made_up.len();
        score.near_misses = truth.near_misses.iter().filter(|near| near.rule == rule).count();
        (score.expected + score.aside + score.false_alarms + score.near_misses > 0).then_some((rule, score))
    });
    rules.collect()
}

/// The event of each act, and whether each event has one.
fn pair<'e>(truth: &Truth, acts: &[&Act], events: &[&'e Violation]) -> (Vec<Option<&'e Violation>>, Vec<bool>) {
    let mut pairs = Vec::new();
    for (a, act) in acts.iter().enumerate() {
        for (e, event) in events.iter().enumerate() {
            if let Some(misfit) = act.misfit(event.t_s, &in_truth_px(truth, event.bbox, event.frame_px)) {
                // What counts first, then the best fit.
                pairs.push(((act.aside.is_some(), misfit), a, e));
            }
        }
    }
    pairs.sort_by(|a, b| a.0.partial_cmp(&b.0).unwrap_or(Ordering::Equal));
    let (mut of_act, mut taken) = (vec![None; acts.len()], vec![false; events.len()]);
    for (_, a, e) in pairs {
        if of_act[a].is_none() && !taken[e] {
            (of_act[a], taken[e]) = (Some(events[e]), true);
        }
    }
    (of_act, taken)
}

impl MadeUp {
    fn of(truth: &Truth, event: &Violation) -> Self {
        let (rule, t_s) = (event.rule, event.t_s);
        let bbox = in_truth_px(truth, event.bbox, event.frame_px);
        let fits = |acts: &'_ [Act]| {
            let fitting = acts.iter().position(|act| act.rule == rule && act.misfit(t_s, &bbox).is_some());
            fitting.map(|at| acts[at].clone())
        };
        let near = fits(&truth.near_misses);
        let vehicle = truth.vehicle_at(t_s, &bbox);
        let why = if let Some(near) = &near {
            format!("near miss: {}", near.note)
        } else if let Some(act) = fits(&truth.acts) {
            format!("told twice: the act of {}", act.who)
        } else if truth.vehicles.is_empty() {
            "no such act".to_owned()
        } else if let Some(vehicle) = vehicle {
            let its = truth.acts.iter().filter(|act| act.rule == rule && act.who == vehicle.id);
            let off_s = its.map(|act| act.time_error_s(t_s)).min_by(|a, b| a.abs().total_cmp(&b.abs()));
            match off_s.filter(|off_s| off_s.abs() < truth.duration_s / 2.0) {
                Some(off_s) if off_s < 0.0 => format!("{:.1} s before its act", -off_s),
                Some(off_s) => format!("{off_s:.1} s after its act"),
                None => format!("this {} did no such thing", vehicle.class),
            }
        } else {
            "nobody is there".to_owned()
        };
        Self {
            id: event.id.to_string(),
            t_s,
            track: event.track,
            class: event.class.to_string(),
            vehicle: vehicle.map(|vehicle| vehicle.id.clone()),
            why,
            near_miss: near.is_some(),
            bbox,
        }
    }
}
