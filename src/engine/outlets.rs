//! Where what was found goes: events of vehicles past the plate desk, violations to their proof, everything to disk.

use std::sync::Arc;

use stopline_types::Event;

use super::{
    evidence::{Prover, Source},
    intake::Intake,
    plates::{PlateDesk, PlateJob},
    sections::Offence,
};

/// What was found at one camera, with the source as it was then: the camera may be changed or removed before plates are read
/// and proofs made.
pub(crate) struct Found {
    pub source: Arc<Source>,
    pub jobs: Vec<PlateJob>,
}

/// The ways on.
#[derive(Clone)]
pub(crate) struct Outlets {
    /// `None`: plates are not read.
    pub desk: Option<PlateDesk>,
    pub prover: Prover,
    pub intake: Intake,
}

impl Outlets {
    /// Hands everything on; waits while the prover or the disk is behind.
    pub(crate) fn take(&self, found: Found) {
        for job in found.jobs {
            match self.desk.as_ref().filter(|_| PlateJob::wants_plate(&job.event)) {
                Some(desk) => {
                    if let Err(event) = desk.put(job, Arc::clone(&found.source)) {
                        route(*event, &found.source, &self.prover, &self.intake);
                    }
                }
                None => route(job.event, &found.source, &self.prover, &self.intake),
            }
        }
    }
}

/// Violations get their proof first; everything else goes straight to disk.
pub(super) fn route(event: Event, source: &Arc<Source>, prover: &Prover, intake: &Intake) {
    let taken = match event {
        Event::Violation(violation) => prover.put(violation, Arc::clone(source), Vec::new()),
        other => intake.put(other),
    };
    if !taken {
        tracing::error!("an event came after the intake had ended and is lost");
    }
}

/// A section's offence to its proof.
pub(super) fn prove(offence: Offence, source: &Arc<Source>, prover: &Prover) {
    if !prover.put(offence.violation, Arc::clone(source), offence.files) {
        tracing::error!("an event came after the intake had ended and is lost");
    }
}
