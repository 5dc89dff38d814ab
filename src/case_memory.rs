//! Cases read lately. Whoever opens a case asks for it several times within seconds: to show it, to take it, to decide.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use stopline_types::{Case, EventId};

/// What the pages decide is laid over a case by themselves; anything else may be seen this much later.
const KEPT: Duration = Duration::from_secs(60);
/// Cases of a generation; two are kept.
const GENERATION: usize = 4096;

type Generation = HashMap<EventId, (Instant, Case)>;

/// At most twice [`GENERATION`] cases.
#[derive(Default)]
pub(crate) struct CaseMemory(Mutex<[Generation; 2]>);

impl CaseMemory {
    pub(crate) fn get(&self, id: EventId) -> Option<Case> {
        let generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (read, case) = generations.iter().find_map(|cases| cases.get(&id))?;
        (read.elapsed() < KEPT).then(|| case.clone())
    }

    pub(crate) fn keep(&self, cases: &[Case]) {
        let now = Instant::now();
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for case in cases {
            if generations[0].len() >= GENERATION {
                generations[1] = std::mem::take(&mut generations[0]);
            }
            generations[0].insert(case.violation.id, (now, case.clone()));
        }
    }

    pub(crate) fn forget(&self, id: EventId) {
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for cases in generations.iter_mut() {
            cases.remove(&id);
        }
    }
}
