//! Found against true: violations, passages, speeds and plates that were found, missed, or made up.

mod acts;
mod errors;
mod floor;
mod passages;
mod pictures;
mod plates;
mod table;
#[cfg(test)]
mod tests;
mod truth;

use std::collections::BTreeMap;

use serde::Serialize;
use stopline_types::{BoxPx, Event, Passage, RuleKind, SizePx, Violation};

pub(crate) use acts::{MadeUp, RuleScore};
pub(crate) use errors::Errors;
pub(crate) use floor::{Floor, Floors};
pub(crate) use passages::PassageScore;
pub(crate) use pictures::Misses;
pub(crate) use plates::PlateScore;
pub(crate) use table::{render, render_counted};
pub(crate) use truth::{Act, Sighting, Truth};

/// Figures of a clip.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Score {
    /// By rule, only rules that were expected, nearly broken or said.
    pub rules: Vec<(RuleKind, RuleScore)>,
    /// Acts of kinds that no rule looks for, by kind.
    pub without_rule: BTreeMap<String, usize>,
    /// Passages against road users; `None`: the truth does not know them.
    pub passages: Option<PassageScore>,
}

/// Judges `events` against `truth`.
pub(crate) fn judge<'e>(truth: &Truth, events: impl IntoIterator<Item = &'e Event>) -> Score {
    let (mut violations, mut passages): (Vec<&Violation>, Vec<&Passage>) = (vec![], vec![]);
    for event in events {
        match event {
            Event::Violation(violation) => violations.push(violation),
            Event::Passage(passage) => passages.push(passage),
            Event::Incident(_) | Event::Review(_) => {}
        }
    }
    Score {
        rules: acts::judge(truth, &violations),
        without_rule: truth.without_rule.clone(),
        passages: passages::judge(truth, &passages),
    }
}

impl Score {
    /// Figures of both.
    pub(crate) fn add(mut self, other: Self) -> Self {
        for (rule, theirs) in other.rules {
            match self.rules.iter_mut().find(|(ours, _)| *ours == rule) {
                Some((_, ours)) => ours.add(theirs),
                None => self.rules.push((rule, theirs)),
            }
        }
        self.rules.sort_by_key(|(rule, _)| *rule);
        for (kind, count) in other.without_rule {
            *self.without_rule.entry(kind).or_default() += count;
        }
        self.passages = match (self.passages, other.passages) {
            (Some(ours), Some(theirs)) => Some(ours.add(theirs)),
            (ours, theirs) => ours.or(theirs),
        };
        self
    }
}

/// A box of an event in the truth's frame.
fn in_truth_px(truth: &Truth, bbox: BoxPx, frame: SizePx) -> BoxPx {
    bbox.scaled(truth.frame_px.w as f32 / frame.w as f32, truth.frame_px.h as f32 / frame.h as f32)
}

/// Part of a whole; 1 where there was nothing.
fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}
