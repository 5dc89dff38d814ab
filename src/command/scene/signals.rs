//! `stopline scene signals`: the phases of every head in a clip, and how many frames agree with the truth.

use std::path::Path;

use anyhow::Context as _;
use comfy_table::{Table, presets::UTF8_BORDERS_ONLY};
use serde::Serialize;
use serde_json::Value;
use stopline_detect::signal::{PhaseLog, Signals};
use stopline_ingest::{AnalysePlan, CropRequest, RingLimits, replay::FileCamera};
use stopline_types::{SignalState, SizePx};

use super::super::{say, say_json};
use crate::{Outcome, config::CameraConfig};

#[derive(Debug, Serialize)]
struct HeadFigures {
    head: String,
    phases: Vec<PhaseFigures>,
    frames: usize,
    /// Frames whose state is right when the whole clip is known, as rules ask for it.
    right: Option<usize>,
    /// Frames whose state was right at the moment itself, as shown live.
    right_live: Option<usize>,
    /// Red in truth, green as read.
    red_as_green: Option<usize>,
}

#[derive(Debug, Serialize)]
struct PhaseFigures {
    state: SignalState,
    from_s: f64,
    /// How much earlier it may have begun; null: its begin was not seen.
    error_s: Option<f64>,
}

pub(super) fn run(camera: &CameraConfig, clip: &Path, truth: Option<&Path>, json: bool) -> anyhow::Result<Outcome> {
    let scene = super::scene_of(camera)?;
    anyhow::ensure!(!scene.signals.is_empty(), "{}: the scene has no [[scene.signals]]", camera.file.display());
    let truth = truth.map(super::json_of).transpose()?;
    let crops = scene.crop_requests().into_iter().map(CropRequest::from).collect();
    // The heads are cut at full size; of the frame itself nothing is needed.
    let plan = AnalysePlan { fit: SizePx { w: 64, h: 64 }, max_fps: 0.0, crops, region: None };
    let limits = RingLimits { seconds: 2.0, bytes: 16 << 20 };
    let mut source = FileCamera::open(clip, camera.id.clone(), None, plan, limits)?;
    let mut signals = Signals::new(scene.signals.len());
    let mut seen: Vec<(f64, Vec<SignalState>)> = Vec::new();
    while let Some(frame) = source.next()? {
        let scale = scene.scale_from(frame.source).map_err(anyhow::Error::msg)?;
        signals.observe(scene, &frame, scale);
        let now = |log: &PhaseLog| log.latest().map_or(SignalState::Unknown, |phase| phase.state);
        seen.push((frame.media_s, signals.phases().iter().map(now).collect()));
    }
    let mut heads = Vec::new();
    for (i, (head, log)) in scene.signals.iter().zip(signals.phases()).enumerate() {
        let phases =
            log.phases().map(|p| PhaseFigures { state: p.state, from_s: p.from_s, error_s: p.start_error_s() });
        let truth = truth.as_ref().map(|truth| true_phases(truth, &head.name)).transpose()?;
        let count = |right: &dyn Fn(f64, &[SignalState], &str) -> bool| {
            let truth = truth.as_ref()?;
            Some(seen.iter().filter(|(t, live)| right(*t, live, state_at(truth, *t))).count())
        };
        heads.push(HeadFigures {
            head: head.name.clone(),
            phases: phases.collect(),
            frames: seen.len(),
            right: count(&|t, _, truth| log.state_at(t).as_str() == truth),
            right_live: count(&|_, live, truth| live[i].as_str() == truth),
            red_as_green: count(&|t, _, truth| truth == "red" && log.state_at(t) == SignalState::Green),
        });
    }
    if json {
        say_json(&heads)?;
    } else {
        say(table(&heads))?;
    }
    Ok(Outcome::Success)
}

fn state_at(phases: &[(f64, String)], t_s: f64) -> &str {
    phases.iter().rev().find(|(from, _)| *from <= t_s + 1e-6).map_or("unknown", |(_, state)| state)
}

/// The phases of a head in one of the forms that truth files have: `signal: [{from_s, state}]` of hand-made ones,
/// `phases` as a list or by signal group of rendered ones.
fn true_phases(truth: &Value, head: &str) -> anyhow::Result<Vec<(f64, String)>> {
    let pairs = |list: &Value| {
        let pair = |p: &Value| {
            let (from, state) = match p {
                Value::Array(pair) => (pair.first()?, pair.get(1)?),
                object => (object.get("from_s")?, object.get("state")?),
            };
            Some((from.as_f64()?, state.as_str()?.to_owned()))
        };
        list.as_array().and_then(|list| list.iter().map(pair).collect::<Option<Vec<_>>>())
    };
    if let Some(phases) = pairs(&truth["signal"]).or_else(|| pairs(&truth["phases"])) {
        return Ok(phases);
    }
    let known = truth["heads"].as_array().map(Vec::as_slice).unwrap_or_default();
    let of_head = known.iter().find(|h| h["name"] == head);
    let group = of_head.and_then(|h| h["group"].as_str()).with_context(|| format!("the truth has no head {head:?}"))?;
    pairs(&truth["phases"][group]).with_context(|| format!("the truth has no phases of group {group:?}"))
}

fn table(heads: &[HeadFigures]) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    table.set_header(["head", "state", "from s", "error s"]);
    let mut ends = String::new();
    for head in heads {
        for p in &head.phases {
            let error = p.error_s.map_or_else(|| "begin not seen".to_owned(), |e| format!("−{e:.2}"));
            table.add_row([head.head.clone(), p.state.to_string(), format!("{:.2}", p.from_s), error]);
        }
        if let (Some(right), Some(live), Some(wrong)) = (head.right, head.right_live, head.red_as_green) {
            let percent = 100.0 * right as f64 / head.frames.max(1) as f64;
            ends += &format!(
                "\n{}: {right} of {} frames right ({percent:.1} %), {live} at the moment itself, {wrong} red as green",
                head.head, head.frames
            );
        }
    }
    format!("{table}{ends}")
}
