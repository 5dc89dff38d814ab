//! The end of a demo: what was done, read back from where it went, against what really happened.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::Path,
    time::Duration,
};

use anyhow::Context as _;
use comfy_table::{Table, presets::UTF8_BORDERS_ONLY};
use stopline_store::evidence;
use stopline_types::{CameraCounters, CameraId, Event, EventId, RuleKind, Violation};

use super::{
    Seen,
    input::{Input, Known},
};
use crate::{
    engine::{Ended, Stopped},
    score::{self, Score},
};

/// Analysed of the frames meant to be, below which a machine did not keep up.
const KEEPS_UP: f64 = 0.8;

/// Figures of a run, each read back.
pub(super) struct Summary {
    took: Duration,
    ended: Ended,
    frames: CameraCounters,
    passages: usize,
    violations: BTreeMap<RuleKind, usize>,
    /// Durable events that are not in ClickHouse.
    missing_rows: usize,
    rows: Vec<(&'static str, u64, u64)>,
    packages: usize,
    package_faults: Vec<String>,
    without_evidence: usize,
    /// Frames analysed of each camera and second of its film, and how many are wanted at most.
    analysed_fps: f64,
    planned_fps: f64,
    delays: [(&'static str, Option<(f32, f32)>); 3],
    must_find: bool,
    judged: Vec<Judged>,
}

/// A clip's score over all cameras and loops.
struct Judged {
    name: String,
    cameras: usize,
    /// Times the clip was seen, by the camera that saw least of it.
    loops: f64,
    score: Score,
    below_floor: Vec<String>,
}

impl Summary {
    pub(super) async fn read_back(
        stopped: &Stopped,
        seen: &Seen,
        input: &Input,
        evidence_dir: &Path,
        (planned_fps, took): (f64, Duration),
    ) -> anyhow::Result<Self> {
        let seen = std::mem::take(&mut *seen.lock());
        let (events, media_s) = (seen.events, seen.media_s);
        let mut stored: HashSet<EventId> = HashSet::new();
        let mut rows = Vec::new();
        let store = stopped.store().context("the store")?;
        for counted in store.counts().await? {
            rows.push((counted.table.as_str(), counted.rows, counted.unique));
            stored.extend(store.ids(counted.table).await?);
        }
        let missing_rows = events.iter().filter(|event| !stored.contains(&event.id())).count();
        let found: Vec<&Violation> = events
            .iter()
            .filter_map(|event| match event {
                Event::Violation(violation) => Some(violation.as_ref()),
                _ => None,
            })
            .collect();
        let (mut packages, mut package_faults) = (0, Vec::new());
        for evidence in found.iter().filter_map(|violation| violation.evidence.as_ref()) {
            match evidence::verify(&evidence_dir.join(&evidence.path), None) {
                Ok(_) => packages += 1,
                Err(fault) => package_faults.push(fault.to_string()),
            }
        }
        let mut violations = BTreeMap::new();
        found.iter().for_each(|violation| *violations.entry(violation.rule).or_default() += 1);
        let frames = stopped.ended.cameras.iter().fold(CameraCounters::default(), |mut sum, camera| {
            let c = camera.counters;
            sum.frames_received += c.frames_received;
            sum.frames_decoded += c.frames_decoded;
            sum.frames_analysed += c.frames_analysed;
            sum.frames_superseded += c.frames_superseded;
            sum.frames_over_rate += c.frames_over_rate;
            sum.frames_undecodable += c.frames_undecodable;
            sum.bytes_received += c.bytes_received;
            sum.packets_lost += c.packets_lost;
            sum.reconnects += c.reconnects;
            sum
        });
        Ok(Self {
            took,
            ended: stopped.ended.clone(),
            frames,
            passages: events.iter().filter(|event| matches!(event, Event::Passage(_))).count(),
            violations,
            missing_rows,
            rows,
            packages,
            package_faults,
            without_evidence: found.iter().filter(|violation| violation.evidence.is_none()).count(),
            analysed_fps: frames.frames_analysed as f64 / media_s.values().sum::<f64>().max(1e-9),
            planned_fps,
            delays: [
                ("packet received to frame analysed", middle_and_p95(seen.delay_ms)),
                ("decided to durable", middle_and_p95(seen.durable_ms)),
                ("durable to row in ClickHouse", middle_and_p95(seen.row_ms)),
            ],
            must_find: input.must_find,
            judged: input.known.iter().filter_map(|known| Judged::of(known, &events, &media_s)).collect(),
        })
    }

    /// Whether every figure that must be above zero is, and all that was promised was read back.
    pub(super) fn good(&self) -> bool {
        self.faults().is_empty()
    }

    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut require = |holds: bool, fault: String| {
            if !holds {
                faults.push(fault);
            }
        };
        require(self.frames.frames_received > 0, "no frame was received".into());
        require(self.frames.frames_decoded > 0, "no frame was decoded".into());
        require(self.frames.frames_analysed > 0, "no frame was analysed".into());
        if self.must_find {
            require(self.passages > 0, "no passage was seen".into());
            require(!self.violations.is_empty(), "no violation was found".into());
            require(self.packages > 0, "no evidence package was written".into());
        }
        require(self.missing_rows == 0, format!("{} durable events are not in ClickHouse", self.missing_rows));
        require(self.ended.unshipped == 0, format!("{} events still wait in the spool", self.ended.unshipped));
        for (table, rows, unique) in &self.rows {
            require(rows == unique, format!("table {table} holds {} doubled rows", rows - unique));
        }
        require(self.without_evidence == 0, format!("{} violations have no evidence package", self.without_evidence));
        require(self.ended.dead_letters == 0, format!("ClickHouse refused {} events", self.ended.dead_letters));
        require(self.ended.given_up == 0, format!("{} events could not be written to disk", self.ended.given_up));
        require(self.ended.passages_shed == 0, format!("{} passages were shed", self.ended.passages_shed));
        for fault in &self.package_faults {
            require(false, fault.clone());
        }
        for clip in &self.judged {
            clip.below_floor.iter().for_each(|below| require(false, format!("{}: {below}", clip.name)));
        }
        faults
    }

    pub(super) fn render(&self) -> String {
        let mut table = Table::new();
        table.load_style(UTF8_BORDERS_ONLY);
        table.set_header(["after", &format!("{:.0} s", self.took.as_secs_f64())]);
        let f = &self.frames;
        let mut row = |name: &str, value: String| {
            table.add_row([name.to_owned(), value]);
        };
        row("frames received", f.frames_received.to_string());
        row("frames decoded", f.frames_decoded.to_string());
        row("frames analysed", f.frames_analysed.to_string());
        row("  a camera and second", format!("{:.1}, at most {:.1} wanted", self.analysed_fps, self.planned_fps));
        row("  not analysed: a newer one came", f.frames_superseded.to_string());
        row("  not analysed: above the rate", f.frames_over_rate.to_string());
        row("  not decodable", f.frames_undecodable.to_string());
        for (name, delay) in self.delays {
            if let Some((median, p95)) = delay {
                row(name, format!("median {median:.0} ms, 95 % within {p95:.0} ms"));
            }
        }
        row("passages", self.passages.to_string());
        for (rule, count) in &self.violations {
            row(&format!("violations: {rule}"), count.to_string());
        }
        for (name, rows, unique) in &self.rows {
            row(&format!("rows in ClickHouse: {name}"), format!("{rows} ({unique} different ids)"));
        }
        row("durable events not in ClickHouse", self.missing_rows.to_string());
        row("evidence packages verified", self.packages.to_string());
        row("evidence packages at fault", self.package_faults.len().to_string());
        let mut text = table.to_string();
        for Judged { name, cameras, loops, score, .. } in &self.judged {
            text += &format!(
                "\n\n{name}: found against what really happened, {cameras} camera(s), {loops:.1} loops or more\n"
            );
            text += &score::render_counted(score);
            if *loops < 1.0 {
                text += "\nnot seen to its end once: its floor is not held";
            }
        }
        text += "\n";
        let meant = f.frames_analysed + f.frames_superseded;
        if (f.frames_analysed as f64) < KEEPS_UP * meant as f64 {
            text += "\nTHIS MACHINE DID NOT KEEP UP: most of what was missed above was not looked at often enough";
        }
        match self.faults().as_slice() {
            [] => text += "\ngood: every figure that must be above zero is, every row and package was read back",
            faults => faults.iter().for_each(|fault| text += &format!("\nFAULT: {fault}")),
        }
        text
    }
}

/// Median and 95th percentile; `None` of nothing.
fn middle_and_p95(mut values: Vec<f32>) -> Option<(f32, f32)> {
    values.sort_by(f32::total_cmp);
    Some((*values.get(values.len() / 2)?, *values.get(values.len() * 95 / 100)?))
}

impl Judged {
    /// Each camera is judged over the loops it watched; the figures are summed. `None` if no camera saw anything.
    fn of(known: &Known, events: &[Event], media_s: &HashMap<CameraId, f64>) -> Option<Self> {
        let watched = media_s.iter().filter(|(camera, _)| known.cameras.iter().any(|id| id == camera.as_str()));
        let (mut cameras, mut loops) = (0, f64::INFINITY);
        let scores: Vec<Score> = watched
            .map(|(camera, seen_s)| {
                cameras += 1;
                loops = loops.min(seen_s / known.truth.duration_s);
                score::judge(&known.truth.looped(*seen_s), events.iter().filter(|event| event.camera() == camera))
            })
            .collect();
        let score = scores.into_iter().reduce(Score::add)?;
        // A part of a clip holds too few acts for a share of them to say anything.
        let below_floor = if loops < 1.0 { vec![] } else { known.floor.faults(&score) };
        Some(Self { name: known.name.clone(), cameras, loops, score, below_floor })
    }
}
