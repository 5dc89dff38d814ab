//! What a clip is known to reach: `fixtures/<clip>/floor.toml`, held by tests (`score --floor`) and by the demo.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;
use stopline_types::RuleKind;

use super::Score;

/// Shares are rounded in the file.
const ROUNDING: f64 = 0.005;

/// Floors of a clip.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Floors {
    /// Every frame of the file, main or sub.
    #[serde(default)]
    pub replay: Floor,
    /// As live cameras, at the rate that the machine allows.
    #[serde(default)]
    pub live: Floor,
}

/// What must be reached. What is not named here is not held.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Floor {
    /// Share of the vehicles with a passage.
    passages: Option<f64>,
    /// Largest median error of passages' speeds, km/h.
    speed_median_kmh: Option<f64>,
    /// Share of the readable plates that are read exactly.
    plates_exact: Option<f64>,
    /// Share of the texts read that are exact.
    plates_true: Option<f64>,
    /// By rule.
    #[serde(default)]
    rules: BTreeMap<RuleKind, RuleFloor>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleFloor {
    recall: Option<f64>,
    precision: Option<f64>,
}

impl Floors {
    pub(crate) fn load(path: &Path) -> anyhow::Result<Self> {
        let fault = |e: &dyn std::fmt::Display| anyhow::anyhow!("floor file {}: {e}", path.display());
        let text = std::fs::read_to_string(path).map_err(|e| fault(&e))?;
        toml::from_str(&text).map_err(|e| fault(&e))
    }
}

impl Floor {
    /// The same for every rule.
    pub(crate) fn of_every_rule(recall: Option<f64>, precision: Option<f64>) -> Self {
        let rules = RuleKind::ALL.into_iter().map(|rule| (rule, RuleFloor { recall, precision }));
        Self { rules: rules.collect(), ..Self::default() }
    }

    /// What `score` does not reach, in words.
    pub(crate) fn faults(&self, score: &Score) -> Vec<String> {
        let mut faults = Vec::new();
        let mut at_least = |what: String, reached: f64, floor: Option<f64>| {
            if let Some(floor) = floor.filter(|floor| reached + ROUNDING < *floor) {
                faults.push(format!("{what}: {:.0} %, floor {:.0} %", reached * 100.0, floor * 100.0));
            }
        };
        for (rule, score) in &score.rules {
            if let Some(floor) = self.rules.get(rule) {
                at_least(format!("{rule}: recall"), score.recall(), floor.recall);
                at_least(format!("{rule}: precision"), score.precision(), floor.precision);
            }
        }
        if let Some(passages) = &score.passages {
            at_least("vehicles with a passage".into(), passages.recall(), self.passages);
            at_least("plates read exactly".into(), passages.plates.recall(), self.plates_exact);
            at_least("plates read that are true".into(), passages.plates.precision(), self.plates_true);
            let median = passages.speed_error_kmh.median();
            if let (Some(most), Some(median)) = (self.speed_median_kmh, median)
                && median > most + ROUNDING
            {
                faults.push(format!("median speed error: {median:.1} km/h, at most {most:.1}"));
            }
        }
        faults
    }
}
