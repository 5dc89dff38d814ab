//! Average speed between two cameras, live: passages with sure plates are put together by [`SectionPairs`]; an offence becomes a
//! violation of the camera at the exit, with a picture and the passage of the entry beside its own proof.

use std::sync::{Arc, Mutex, PoisonError};

use stopline_detect::{
    law::{Act, Catalogue},
    plate::PlateMoment,
    rules::{
        section_pairs::SectionPairs,
        section_speed::{SectionConfig, SectionMatch, Sighting},
    },
};
use stopline_types::{
    BoxPx, CaptureTime, EventId, Moments, Passage, RuleKind, RuleMode, TimeSource, Violation, event::Moment,
};

use super::{evidence::Source, stills};

/// A passage as it was told.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub passage: Passage,
    /// The surest instants of its track, in no order.
    pub moments: Vec<(CaptureTime, BoxPx)>,
    /// The whole picture of the instant it was seen best, for entries.
    pub picture: Option<Arc<Vec<u8>>>,
}

/// A violation with the files of its entry.
pub(crate) struct Offence {
    pub violation: Box<Violation>,
    pub files: Vec<(String, Vec<u8>)>,
}

/// All sections.
pub(crate) struct Sections {
    pairs: Mutex<Vec<SectionPairs<Told>>>,
    law: Arc<Catalogue>,
}

impl Sections {
    pub(crate) fn new(sections: &[SectionConfig], law: Arc<Catalogue>) -> Self {
        let on = sections.iter().filter(|section| section.mode != RuleMode::Off);
        Self { pairs: Mutex::new(on.cloned().map(SectionPairs::new).collect()), law }
    }

    /// Takes a passage whose plate was looked for; gives the offences it completes. The picture of an entry is taken now: the
    /// ring will not hold it until the exit.
    pub(crate) fn pass(&self, passage: &Passage, moments: &[PlateMoment], source: &Source) -> Vec<Offence> {
        let enters = |pairs: &SectionPairs<Told>| pairs.section().entry == passage.camera;
        let Some(seen) = Sighting::of(passage) else { return Vec::new() };
        let mut all = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.iter().any(|pairs| pairs.wants(&seen)) {
            return Vec::new();
        }
        let picture = all.iter().any(|pairs| enters(pairs) && pairs.wants(&seen)).then(|| picture(passage, source));
        let told = Told {
            passage: passage.clone(),
            moments: moments.iter().map(|moment| (moment.time, moment.bbox)).collect(),
            picture: picture.flatten().map(Arc::new),
        };
        all.iter_mut().filter_map(|pairs| self.see(pairs, &seen, &told)).collect()
    }

    /// As [`Sections::pass`] for a passage of a file: no picture.
    pub(crate) fn replayed(&self, passage: &Passage, seen: &Sighting) -> Vec<Offence> {
        let told = Told { passage: passage.clone(), moments: Vec::new(), picture: None };
        let mut all = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter_mut().filter_map(|pairs| self.see(pairs, seen, &told)).collect()
    }

    fn see(&self, pairs: &mut SectionPairs<Told>, seen: &Sighting, told: &Told) -> Option<Offence> {
        let before = pairs.dropped();
        let found = pairs.see(seen.clone(), told.clone());
        if pairs.dropped() > before && pairs.dropped().is_power_of_two() {
            let section = &pairs.section().name;
            tracing::warn!(
                so_far = pairs.dropped(),
                "section {section}: a sighting is given up, too many are under way"
            );
        }
        let (found, entry, exit) = found?;
        Some(self.offence(pairs.section(), &found, &entry, &exit))
    }

    fn offence(&self, section: &SectionConfig, found: &SectionMatch, entry: &Told, exit: &Told) -> Offence {
        let at = &exit.passage;
        let act =
            Act { rule: RuleKind::SectionSpeed, variant: None, class: at.class, excess_kmh: Some(found.excess_kmh) };
        let seen_s = at.left.since_s(at.entered).max(1e-3);
        let sure = |passage: &Passage| passage.plate.as_ref().map_or(0.0, |plate| plate.confidence);
        let mut doubts = Vec::new();
        if entry.picture.is_none() {
            doubts.push(format!("no picture of the entry at {}", entry.passage.camera));
        }
        if entry.passage.class != at.class {
            let (there, here) = (entry.passage.class, at.class);
            doubts.push(format!("taken for a {there} at {} and a {here} at {}", entry.passage.camera, at.camera));
        }
        let violation = Violation {
            id: EventId::derive(&at.camera, at.utc, at.track, Some(RuleKind::SectionSpeed)),
            camera: at.camera.clone(),
            t_s: at.t_s,
            utc: at.utc,
            error_ms: at.error_ms,
            track: at.track,
            class: at.class,
            bbox: at.bbox,
            frame_px: at.frame_px,
            confidence: sure(&entry.passage).min(sure(at)),
            plate: at.plate.clone(),
            speed_kmh: Some(found.speed.kmh),
            rule: RuleKind::SectionSpeed,
            mode: section.mode,
            measured: found.measured.clone(),
            limit: found.limit.clone(),
            signal: None,
            signal_controller: None,
            doubts,
            lane: at.lane.clone(),
            moments: moments(exit),
            analysed_fps: (f64::from(at.frames.saturating_sub(1)) / seen_s * 10.0).round() / 10.0,
            degraded: false,
            law: self.law.find(act, at.utc).cloned(),
            versions: at.versions.clone(),
            evidence: None,
        };
        let mut files = Vec::new();
        if let Ok(json) = serde_json::to_vec_pretty(&entry.passage) {
            files.push(("entry.json".to_owned(), json));
        }
        if let Some(picture) = &entry.picture {
            files.push(("entry.jpg".to_owned(), picture.to_vec()));
        }
        Offence { violation: Box::new(violation), files }
    }
}

/// First, best and last of the instants at the exit.
fn moments(exit: &Told) -> Moments {
    let at = &exit.passage;
    let best = CaptureTime { utc: at.utc, error_ms: at.error_ms, source: TimeSource::Receive };
    let mut all = exit.moments.clone();
    all.sort_by_key(|(time, _)| time.utc);
    let source = all.first().map_or(best.source, |(time, _)| time.source);
    let moment = |(time, bbox): (CaptureTime, BoxPx)| Moment { time, bbox, signal: None };
    let act = (CaptureTime { source, ..best }, at.bbox);
    let before = all.first().copied().filter(|(time, _)| time.utc < at.utc).unwrap_or(act);
    let after = all.last().copied().filter(|(time, _)| time.utc > at.utc).unwrap_or(act);
    Moments { before: moment(before), act: moment(act), after: moment(after) }
}

fn picture(passage: &Passage, source: &Source) -> Option<Vec<u8>> {
    let made = source.ring.cut(passage.utc, passage.utc).map_err(anyhow::Error::from).and_then(|cut| {
        let mut stills = cut.stills(&[passage.utc])?;
        anyhow::ensure!(!stills.is_empty(), "nothing was decoded");
        stills::jpeg(&stills.swap_remove(0).image)
    });
    match made {
        Ok(jpeg) => Some(jpeg),
        Err(error) => {
            tracing::warn!(camera = %passage.camera, "no picture of an entry: {error:#}");
            None
        }
    }
}
