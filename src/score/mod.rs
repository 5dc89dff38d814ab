//! Found against true: which violations were found, missed, or made up.

mod table;
mod truth;

use serde::Serialize;
use stopline_types::{RuleKind, Violation};

pub(crate) use table::render;
pub(crate) use truth::{Act, Truth};

/// Figures of one rule.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct RuleScore {
    /// Acts that count.
    pub expected: usize,
    /// Of those, found.
    pub found: usize,
    /// Events that are no act at all.
    pub false_alarms: usize,
    /// Found acts that the truth sets aside (unsure, beside the line), and all of those.
    pub aside_found: usize,
    pub aside: usize,
    /// What was missed, by name and time.
    pub missed: Vec<Missed>,
    /// What was made up.
    pub made_up: Vec<MadeUp>,
    /// Measured less true speed of found acts, km/h.
    pub speed_error_kmh: Vec<f64>,
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
}

impl MadeUp {
    fn of(event: &Violation) -> Self {
        let (id, class) = (event.id.to_string(), event.class.to_string());
        Self { id, t_s: event.t_s, track: event.track, class }
    }
}

impl RuleScore {
    /// Found of expected; 1 where nothing was expected.
    pub(crate) fn recall(&self) -> f64 {
        if self.expected == 0 { 1.0 } else { self.found as f64 / self.expected as f64 }
    }

    /// True of all that was said; 1 where nothing was said.
    pub(crate) fn precision(&self) -> f64 {
        let said = self.found + self.false_alarms;
        if said == 0 { 1.0 } else { self.found as f64 / said as f64 }
    }
}

/// Figures of a clip.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Score {
    /// By rule, only rules that were expected or said.
    pub rules: Vec<(RuleKind, RuleScore)>,
    /// Acts of kinds that no rule looks for, by kind.
    pub without_rule: std::collections::BTreeMap<String, usize>,
}

/// Judges `events` against `truth`.
///
/// Each act takes at most one event and each event one act; acts that count are matched before those set aside. A
/// second event for an act that was found already is a false alarm: the officer would see it twice.
pub(crate) fn judge(truth: &Truth, events: &[&Violation]) -> Score {
    let in_truth_px = |event: &Violation| {
        let (truth, frame) = (truth.frame_px, event.frame_px);
        event.bbox.scaled(truth.w as f32 / frame.w as f32, truth.h as f32 / frame.h as f32)
    };
    let rules = RuleKind::ALL.into_iter().filter_map(|rule| {
        let events: Vec<&Violation> = events.iter().copied().filter(|event| event.rule == rule).collect();
        let acts: Vec<&Act> = truth.acts.iter().filter(|act| act.rule == rule).collect();
        let mut pairs: Vec<_> = (0..acts.len()).flat_map(|a| (0..events.len()).map(move |e| (a, e))).collect();
        let misfit = |(a, e): (usize, usize)| acts[a].misfit(events[e].t_s, &in_truth_px(events[e]));
        pairs.retain(|pair| misfit(*pair).is_some());
        // What counts first, then the best fit.
        let order = |pair: (usize, usize)| (acts[pair.0].aside.is_some(), misfit(pair).unwrap_or(f64::MAX));
        pairs.sort_by(|a, b| order(*a).partial_cmp(&order(*b)).unwrap_or(std::cmp::Ordering::Equal));
        let (mut of_act, mut taken) = (vec![None; acts.len()], vec![false; events.len()]);
        for (a, e) in pairs {
            if of_act[a].is_none() && !taken[e] {
                (of_act[a], taken[e]) = (Some(events[e]), true);
            }
        }
        let mut score = RuleScore::default();
        for (act, event) in acts.iter().zip(&of_act) {
            score.judge(act, *event);
        }
        score.made_up =
            events.iter().zip(taken).filter(|(_, taken)| !taken).map(|(event, _)| MadeUp::of(event)).collect();
        score.false_alarms = score.made_up.len();
        (score.expected + score.aside + score.false_alarms > 0).then_some((rule, score))
    });
    Score { rules: rules.collect(), without_rule: truth.without_rule.clone() }
}

impl Score {
    /// Figures of both, rule by rule.
    pub(crate) fn add(mut self, other: Self) -> Self {
        for (rule, theirs) in other.rules {
            match self.rules.iter_mut().find(|(ours, _)| *ours == rule) {
                Some((_, ours)) => ours.add(theirs),
                None => self.rules.push((rule, theirs)),
            }
        }
        self.rules.sort_by_key(|(rule, _)| *rule);
        self
    }
}

impl RuleScore {
    fn judge(&mut self, act: &Act, event: Option<&Violation>) {
        if act.aside.is_some() {
            self.aside += 1;
            self.aside_found += usize::from(event.is_some());
            return;
        }
        self.expected += 1;
        let Some(event) = event else {
            self.missed.push(Missed { who: act.who.clone(), from_s: act.from_s, to_s: act.to_s });
            return;
        };
        self.found += 1;
        if let (Some(measured), Some(speed)) = (event.speed_kmh, act.speed_kmh) {
            self.speed_error_kmh.push(measured - speed);
        }
    }

    fn add(&mut self, mut other: Self) {
        self.expected += other.expected;
        self.found += other.found;
        self.false_alarms += other.false_alarms;
        self.aside += other.aside;
        self.aside_found += other.aside_found;
        self.missed.append(&mut other.missed);
        self.made_up.append(&mut other.made_up);
        self.speed_error_kmh.append(&mut other.speed_error_kmh);
    }
}
