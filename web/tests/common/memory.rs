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

use futures::StreamExt as _;
use stopline_types::{
    CameraId, CameraStatus, Case, CaseFilter, CaseOrder, CaseStatus, Event, EventId, EvidenceRef, HourCount, Offender,
    Passage, PassageFilter, PassageTally, PlateMatch, Review, RuleKind, Tally, TallyQuery, TallyTime, TrafficCount,
    UtcUs, VehicleClass, Verdict, Violation,
};
use stopline_web::{
    Answer, Backend, BackendError, CameraImage, CameraInfo, EvidenceFile, Health, LivePacket, LivePackets, SceneFault,
    Storage, StoragePart, StoreState,
};
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
    pub infos: Mutex<Vec<CameraInfo>>,
    pub scenes: Mutex<HashMap<CameraId, serde_json::Value>>,
    /// A film of each camera that has live pictures.
    pub films: Mutex<HashMap<CameraId, Vec<LivePacket>>>,
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
            infos: Mutex::default(),
            scenes: Mutex::default(),
            films: Mutex::default(),
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

/// All but one character alike.
fn near(a: &[u8], b: &[u8]) -> bool {
    let same = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[same..], &b[same..]);
    let rest = |x: &[u8], n: usize| x.get(n..).map(<[u8]>::to_vec);
    a == b || rest(a, 1) == rest(b, 1) || rest(a, 1).as_deref() == Some(b) || rest(b, 1).as_deref() == Some(a)
}

fn slot(time: TallyTime, at: UtcUs) -> Option<i64> {
    const HOUR_US: i64 = 3_600_000_000;
    let local = at.0 + 7 * HOUR_US;
    match time {
        TallyTime::Whole => None,
        TallyTime::Hour => Some(at.0 - at.0.rem_euclid(HOUR_US)),
        TallyTime::Day => Some(local - local.rem_euclid(24 * HOUR_US) - 7 * HOUR_US),
        // The first of January 1970 was a Thursday.
        TallyTime::HourOfWeek => Some((local.div_euclid(HOUR_US) + 72).rem_euclid(168)),
    }
}

impl Backend for Memory {
    fn camera_infos(&self) -> Answer<'_, Vec<CameraInfo>> {
        let infos = self.infos.lock().unwrap().clone();
        Box::pin(async { Ok(infos) })
    }

    fn live(&self, camera: CameraId) -> Answer<'_, LivePackets> {
        let film = self.films.lock().unwrap().get(&camera).cloned();
        Box::pin(async move {
            let film = film.ok_or_else(|| BackendError::Unavailable("no picture has come yet".to_owned()))?;
            // The film again and again, at its own pace.
            let begin = tokio::time::Instant::now();
            let round_us = film.last().map_or(0, |last| last.media_us + 40_000);
            let packets = futures::stream::iter((0_i64..).flat_map(move |round| {
                film.clone().into_iter().map(move |mut packet| {
                    packet.media_us += round * round_us;
                    packet
                })
            }));
            let paced = packets.then(move |mut packet| async move {
                tokio::time::sleep_until(begin + std::time::Duration::from_micros(packet.media_us as u64)).await;
                packet.utc = std::time::SystemTime::now().into();
                packet
            });
            Ok(paced.boxed())
        })
    }

    fn scene(&self, camera: CameraId) -> Answer<'_, Option<serde_json::Value>> {
        let scene = self.scenes.lock().unwrap().get(&camera).cloned();
        Box::pin(async { Ok(scene) })
    }

    fn check_scene(&self, _camera: CameraId, scene: serde_json::Value) -> Answer<'_, Vec<SceneFault>> {
        // The real checks stand in `detect`; this one is enough to show that faults travel.
        let mut faults = Vec::new();
        for list in ["lanes", "zones"] {
            for (n, item) in scene[list].as_array().into_iter().flatten().enumerate() {
                if item["polygon"].as_array().is_none_or(|points| points.len() < 3) {
                    let key = format!("{list}[{n}].polygon");
                    faults.push(SceneFault { key, reason: "expected 3 or more points".to_owned() });
                }
            }
        }
        if !scene["frame_px"].is_array() {
            faults.push(SceneFault { key: "frame_px".to_owned(), reason: "expected [width, height]".to_owned() });
        }
        Box::pin(async { Ok(faults) })
    }

    fn save_scene(&self, camera: CameraId, scene: serde_json::Value) -> Answer<'_, Vec<SceneFault>> {
        Box::pin(async move {
            let faults = self.check_scene(camera.clone(), scene.clone()).await?;
            if faults.is_empty() {
                self.scenes.lock().unwrap().insert(camera, scene);
            }
            Ok(faults)
        })
    }

    fn tally(&self, query: TallyQuery) -> Answer<'_, Vec<Tally>> {
        type Group = (Option<i64>, Option<CameraId>, Option<RuleKind>);
        let mut found = std::collections::BTreeMap::<Group, Tally>::new();
        for v in self.violations.lock().unwrap().iter() {
            let wanted = in_span(v.utc, Some(query.from), Some(query.to))
                && query.cameras.as_ref().is_none_or(|cameras| cameras.contains(&v.camera))
                && query.rule.is_none_or(|rule| rule == v.rule);
            if !wanted {
                continue;
            }
            let slot = slot(query.time, v.utc);
            let (camera, rule) = (query.by_camera.then(|| v.camera.clone()), query.by_rule.then_some(v.rule));
            let row = found.entry((slot, camera.clone(), rule)).or_insert(Tally {
                slot,
                camera,
                rule,
                candidates: 0,
                confirmed: 0,
                rejected: 0,
            });
            row.candidates += 1;
            match self.case_of(v).status {
                CaseStatus::Waiting => {}
                CaseStatus::Confirmed => row.confirmed += 1,
                CaseStatus::Rejected => row.rejected += 1,
            }
        }
        Box::pin(async { Ok(found.into_values().collect()) })
    }

    fn tally_passages(&self, query: TallyQuery) -> Answer<'_, Vec<PassageTally>> {
        let mut found: std::collections::BTreeMap<(Option<i64>, Option<CameraId>), PassageTally> =
            std::collections::BTreeMap::new();
        for p in self.passages.lock().unwrap().iter() {
            let wanted = in_span(p.utc, Some(query.from), Some(query.to))
                && query.cameras.as_ref().is_none_or(|cameras| cameras.contains(&p.camera));
            if !wanted {
                continue;
            }
            let slot = slot(query.time, p.utc);
            let camera = query.by_camera.then(|| p.camera.clone());
            let none = PassageTally { slot, camera: camera.clone(), passages: 0, with_plate: 0, plates_read: 0 };
            let row = found.entry((slot, camera)).or_insert(none);
            row.passages += 1;
            if !matches!(p.class, VehicleClass::Bicycle | VehicleClass::Pedestrian) {
                row.with_plate += 1;
                row.plates_read += u64::from(p.plate.is_some());
            }
        }
        Box::pin(async { Ok(found.into_values().collect()) })
    }

    fn offenders(&self, query: TallyQuery, limit: u32) -> Answer<'_, Vec<Offender>> {
        let mut found: HashMap<String, Offender> = HashMap::new();
        for v in self.violations.lock().unwrap().iter() {
            let Some(plate) = v.plate.as_ref().map(|plate| plate.text.clone()) else { continue };
            let status = self.case_of(v).status;
            let wanted = in_span(v.utc, Some(query.from), Some(query.to))
                && query.cameras.as_ref().is_none_or(|cameras| cameras.contains(&v.camera));
            if !wanted || status == CaseStatus::Rejected {
                continue;
            }
            let none = Offender { plate: plate.clone(), candidates: 0, confirmed: 0, last: v.utc };
            let row = found.entry(plate).or_insert(none);
            row.candidates += 1;
            row.confirmed += u64::from(status == CaseStatus::Confirmed);
            row.last = row.last.max(v.utc);
        }
        let mut found: Vec<_> = found.into_values().filter(|row| row.candidates > 1).collect();
        found.sort_by_key(|row| std::cmp::Reverse((row.candidates, row.last)));
        found.truncate(limit as usize);
        Box::pin(async { Ok(found) })
    }

    fn storage(&self) -> Answer<'_, Storage> {
        let part = |name: &str, bytes, bytes_per_day| StoragePart { name: name.to_owned(), bytes, bytes_per_day };
        let storage = Storage {
            total_bytes: 2_000_000_000_000,
            free_bytes: 740_000_000_000,
            parts: vec![
                part("evidence", 910_000_000_000, Some(21_000_000_000.0)),
                part("store", 240_000_000_000, Some(3_400_000_000.0)),
                part("spool", 12_000_000, None),
            ],
        };
        Box::pin(async { Ok(storage) })
    }

    fn cases(&self, filter: CaseFilter) -> Answer<'_, Vec<Case>> {
        let mut cases: Vec<Case> = self.violations.lock().unwrap().iter().map(|v| self.case_of(v)).collect();
        cases.retain(|case| {
            let v = &case.violation;
            filter.status.is_none_or(|status| case.status == status)
                && filter.rule.is_none_or(|rule| v.rule == rule)
                && filter.camera.as_ref().is_none_or(|camera| v.camera == *camera)
                && filter.cameras.as_ref().is_none_or(|cameras| cameras.contains(&v.camera))
                && filter.plate.as_ref().is_none_or(|plate| v.plate.as_ref().is_some_and(|read| read.text == *plate))
                && in_span(v.utc, filter.from, filter.to)
                && filter.after.is_none_or(|after| match filter.order {
                    CaseOrder::Newest => (v.utc, v.id) < after,
                    CaseOrder::Oldest => (v.utc, v.id) > after,
                })
        });
        cases.sort_by_key(|case| (case.violation.utc, case.violation.id));
        if filter.order == CaseOrder::Newest {
            cases.reverse();
        }
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
            let alike = |pattern: &String| match filter.plate_match {
                PlateMatch::Pattern => fits(pattern.as_bytes(), plate.as_bytes()),
                PlateMatch::Near => near(pattern.as_bytes(), plate.as_bytes()),
            };
            filter.plate.as_ref().is_none_or(|pattern| !plate.is_empty() && alike(pattern))
                && filter.class.is_none_or(|class| p.class == class)
                && filter.camera.as_ref().is_none_or(|camera| p.camera == *camera)
                && filter.cameras.as_ref().is_none_or(|cameras| cameras.contains(&p.camera))
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
