//! The cases that wait, read once for all who review the same part of them.
//!
//! Fifty people ask for the queue every few seconds; what waits is the same for all of them, up to what each may see
//! and what was decided since, which is looked up per person. So the list is read at most every [`FRESH`] for each part
//! that is asked for, and an older one is shown while a newer one is being read.

use std::{
    cmp::Reverse,
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use stopline_types::{CameraId, Case, CaseFilter, CaseOrder, CaseStatus, RuleKind};

use crate::{api::case_view::deadlines, app::App, problem::Problem};

/// A list as old as this is read anew.
const FRESH: Duration = Duration::from_secs(2);
/// A list older than this is shown no more.
const SHOWN: Duration = Duration::from_secs(30);
/// Cases of a list at most: the oldest.
const MOST: u32 = 2000;
/// Parts remembered; beyond, all are forgotten and read again.
const PARTS: usize = 256;

/// Which of the waiting cases.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Part {
    pub(crate) rule: Option<RuleKind>,
    pub(crate) camera: Option<CameraId>,
    /// `None`: of any camera.
    pub(crate) cameras: Option<Vec<CameraId>>,
}

/// Waiting cases by last day of the notice, then the surest first.
pub(crate) struct Waiting {
    pub(crate) cases: Vec<Case>,
    /// More wait than these.
    pub(crate) more: bool,
    read: Instant,
}

#[derive(Default)]
struct Slot {
    latest: Mutex<Option<Arc<Waiting>>>,
    reading: Arc<tokio::sync::Mutex<()>>,
}

impl Slot {
    fn latest(&self, within: Duration) -> Option<Arc<Waiting>> {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.as_ref().filter(|waiting| waiting.read.elapsed() < within).cloned()
    }

    async fn read(&self, app: &App, part: &Part) -> Result<Arc<Waiting>, Problem> {
        let filter = CaseFilter {
            status: Some(CaseStatus::Waiting),
            rule: part.rule,
            camera: part.camera.clone(),
            cameras: part.cameras.clone(),
            limit: MOST,
            order: CaseOrder::Oldest,
            ..CaseFilter::default()
        };
        let read = Instant::now();
        let mut cases = app.ask(app.backend.cases(filter)).await?;
        let days = app.config.deadline_days;
        cases.sort_by_cached_key(|Case { violation, .. }| {
            let surer = Reverse((violation.confidence * 1e6) as i64);
            (deadlines(violation.utc, days).notice, surer, violation.id)
        });
        let waiting = Arc::new(Waiting { more: cases.len() >= MOST as usize, cases, read });
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&waiting));
        Ok(waiting)
    }
}

/// The lists of all parts.
#[derive(Default)]
pub(crate) struct Queues(Mutex<HashMap<Part, Arc<Slot>>>);

impl Queues {
    fn slot(&self, part: &Part) -> Arc<Slot> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= PARTS && !slots.contains_key(part) {
            slots.clear();
        }
        Arc::clone(slots.entry(part.clone()).or_default())
    }

    /// Has every list read anew: something waits again that may be in none of them.
    pub(crate) fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// What waits in a part, at most [`SHOWN`] ago.
pub(crate) async fn waiting(app: &Arc<App>, part: Part) -> Result<Arc<Waiting>, Problem> {
    let slot = app.queues.slot(&part);
    if let Some(waiting) = slot.latest(FRESH) {
        return Ok(waiting);
    }
    if let Some(older) = slot.latest(SHOWN) {
        if let Ok(turn) = Arc::clone(&slot.reading).try_lock_owned() {
            let app = Arc::clone(app);
            tokio::spawn(async move {
                let _turn = turn;
                if let Err(problem) = slot.read(&app, &part).await {
                    tracing::warn!(problem = problem.detail, "the queue cannot be read anew");
                }
            });
        }
        return Ok(older);
    }
    let _turn = slot.reading.lock().await;
    match slot.latest(FRESH) {
        Some(waiting) => Ok(waiting),
        None => slot.read(app, &part).await,
    }
}
