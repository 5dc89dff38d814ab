//! A backend in memory, shared by the API tests and the sample server.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, dead_code)]

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use stopline_types::{
    CameraId, CameraStatus, Case, CaseFilter, CaseStatus, Event, EventId, EvidenceRef, HourCount, Passage,
    PassageFilter, Review, TrafficCount, UtcUs, Verdict, Violation,
};
use stopline_web::{Answer, Backend, BackendError, CameraImage, EvidenceFile, Health, StoreState};
use tokio::sync::broadcast;

/// Everything is kept, nothing is durable.
pub struct Memory {
    /// Folder that evidence paths are below.
    pub evidence_root: PathBuf,
    pub violations: Mutex<Vec<Violation>>,
    pub reviews: Mutex<HashMap<EventId, Review>>,
    pub passages: Mutex<Vec<Passage>>,
    pub cameras: Mutex<Vec<CameraStatus>>,
    pub images: Mutex<HashMap<CameraId, CameraImage>>,
    pub live: broadcast::Sender<Arc<Event>>,
    /// While set, decisions are refused.
    pub refuse_reviews: AtomicBool,
}

impl Memory {
    pub fn new(evidence_root: PathBuf) -> Arc<Self> {
        Arc::new(Self {
            evidence_root,
            violations: Mutex::default(),
            reviews: Mutex::default(),
            passages: Mutex::default(),
            cameras: Mutex::default(),
            images: Mutex::default(),
            live: broadcast::Sender::new(256),
            refuse_reviews: AtomicBool::new(false),
        })
    }

    /// Keeps an event and tells everybody who listens.
    pub fn happen(&self, event: Event) {
        match &event {
            Event::Violation(violation) => self.violations.lock().unwrap().push(violation.as_ref().clone()),
            Event::Passage(passage) => self.passages.lock().unwrap().push(passage.clone()),
            Event::Review(review) => self.keep_review(review),
            Event::Incident(_) => {}
        }
        // Nobody may be listening.
        self.live.send(Arc::new(event)).ok();
    }

    fn keep_review(&self, review: &Review) {
        let mut reviews = self.reviews.lock().unwrap();
        if reviews.get(&review.violation).is_none_or(|known| known.revision < review.revision) {
            reviews.insert(review.violation, review.clone());
        }
    }

    fn case_of(&self, violation: &Violation) -> Case {
        let review = self.reviews.lock().unwrap().get(&violation.id).cloned();
        let status = match review.as_ref().map(|r| r.verdict) {
            None | Some(Verdict::Reopened) => CaseStatus::Waiting,
            Some(Verdict::Confirmed) => CaseStatus::Confirmed,
            Some(Verdict::Rejected) => CaseStatus::Rejected,
        };
        Case { violation: violation.clone(), status, review }
    }
}

fn in_span(at: UtcUs, from: Option<UtcUs>, to: Option<UtcUs>) -> bool {
    from.is_none_or(|from| at >= from) && to.is_none_or(|to| at < to)
}

fn hour_of(at: UtcUs) -> UtcUs {
    UtcUs(at.0 - at.0.rem_euclid(3_600_000_000))
}

/// `*` any run of characters, `?` one.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.first(), text.first()) {
        (None, None) => true,
        (Some(b'*'), _) => fits(&pattern[1..], text) || (!text.is_empty() && fits(pattern, &text[1..])),
        (Some(p), Some(t)) if *p == b'?' || p == t => fits(&pattern[1..], &text[1..]),
        _ => false,
    }
}

impl Backend for Memory {
    fn cases(&self, filter: CaseFilter) -> Answer<'_, Vec<Case>> {
        let mut cases: Vec<Case> = self.violations.lock().unwrap().iter().map(|v| self.case_of(v)).collect();
        cases.retain(|case| {
            let v = &case.violation;
            filter.status.is_none_or(|status| case.status == status)
                && filter.rule.is_none_or(|rule| v.rule == rule)
                && filter.camera.as_ref().is_none_or(|camera| v.camera == *camera)
                && in_span(v.utc, filter.from, filter.to)
                && filter.after.is_none_or(|after| (v.utc, v.id) < after)
        });
        cases.sort_by_key(|case| std::cmp::Reverse((case.violation.utc, case.violation.id)));
        cases.truncate(filter.limit as usize);
        Box::pin(async { Ok(cases) })
    }

    fn case(&self, id: EventId) -> Answer<'_, Case> {
        let found = self.violations.lock().unwrap().iter().find(|v| v.id == id).map(|v| self.case_of(v));
        Box::pin(async { found.ok_or(BackendError::NotFound) })
    }

    fn passages(&self, filter: PassageFilter) -> Answer<'_, Vec<Passage>> {
        let mut passages = self.passages.lock().unwrap().clone();
        passages.retain(|p| {
            let plate = p.plate.as_ref().map_or("", |plate| plate.text.as_str());
            filter.plate.as_ref().is_none_or(|pattern| !plate.is_empty() && fits(pattern.as_bytes(), plate.as_bytes()))
                && filter.class.is_none_or(|class| p.class == class)
                && filter.camera.as_ref().is_none_or(|camera| p.camera == *camera)
                && in_span(p.utc, filter.from, filter.to)
                && filter.after.is_none_or(|after| (p.utc, p.id) < after)
        });
        passages.sort_by_key(|p| std::cmp::Reverse((p.utc, p.id)));
        passages.truncate(filter.limit as usize);
        Box::pin(async { Ok(passages) })
    }

    fn counts(&self, from: UtcUs, to: UtcUs) -> Answer<'_, Vec<HourCount>> {
        let mut counts: HashMap<_, HourCount> = HashMap::new();
        for v in self.violations.lock().unwrap().iter().filter(|v| in_span(v.utc, Some(from), Some(to))) {
            let hour = hour_of(v.utc);
            let none = HourCount { hour, rule: v.rule, candidates: 0, confirmed: 0, rejected: 0 };
            let count = counts.entry((hour, v.rule)).or_insert(none);
            count.candidates += 1;
            match self.case_of(v).status {
                CaseStatus::Waiting => {}
                CaseStatus::Confirmed => count.confirmed += 1,
                CaseStatus::Rejected => count.rejected += 1,
            }
        }
        let mut counts: Vec<_> = counts.into_values().collect();
        counts.sort_by_key(|c| (c.hour, c.rule));
        Box::pin(async { Ok(counts) })
    }

    fn traffic(&self, from: UtcUs, to: UtcUs) -> Answer<'_, Vec<TrafficCount>> {
        let mut counts: HashMap<_, u64> = HashMap::new();
        for p in self.passages.lock().unwrap().iter().filter(|p| in_span(p.utc, Some(from), Some(to))) {
            *counts.entry((hour_of(p.utc), p.class)).or_default() += 1;
        }
        let mut counts: Vec<_> =
            counts.into_iter().map(|((hour, class), passages)| TrafficCount { hour, class, passages }).collect();
        counts.sort_by_key(|c| (c.hour, c.class));
        Box::pin(async { Ok(counts) })
    }

    fn cameras(&self) -> Answer<'_, Vec<CameraStatus>> {
        let cameras = self.cameras.lock().unwrap().clone();
        Box::pin(async { Ok(cameras) })
    }

    fn camera_image(&self, camera: CameraId) -> Answer<'_, CameraImage> {
        let image = self.images.lock().unwrap().get(&camera).cloned();
        Box::pin(async { image.ok_or(BackendError::NotFound) })
    }

    fn evidence_file(&self, evidence: EvidenceRef, name: String) -> Answer<'_, EvidenceFile> {
        let path = self.evidence_root.join(evidence.path).join(name);
        Box::pin(async move {
            let file = tokio::fs::File::open(path).await.map_err(|_| BackendError::NotFound)?;
            let bytes = file.metadata().await.map_err(|e| BackendError::Fault(e.to_string()))?.len();
            Ok(EvidenceFile { file, bytes })
        })
    }

    fn append_review(&self, review: Review) -> Answer<'_, ()> {
        Box::pin(async move {
            if self.refuse_reviews.load(Ordering::SeqCst) {
                return Err(BackendError::Unavailable("the spool is full".to_owned()));
            }
            self.happen(Event::Review(review));
            Ok(())
        })
    }

    fn subscribe(&self) -> broadcast::Receiver<Arc<Event>> {
        self.live.subscribe()
    }

    fn health(&self) -> Answer<'_, Health> {
        let health = Health {
            version: "sample".to_owned(),
            started: UtcUs(0),
            store: StoreState::Ready,
            store_reason: String::new(),
            spool_events: 0,
            spool_bytes: 0,
            store_lag_s: None,
            analysis_lag_p95_s: Some(0.21),
        };
        Box::pin(async { Ok(health) })
    }
}
