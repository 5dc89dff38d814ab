//! Where the vehicles of one camera were seen best: what the engine keeps from frame to frame for their plates.

use stopline_detect::{analyze::Analyzer, plate::PlateMoments};
use stopline_types::{Event, Frame};

use super::plates::PlateJob;

/// The moments of all tracks of a camera.
#[derive(Default)]
pub(crate) struct Moments(PlateMoments);

impl Moments {
    /// Takes what the analyzer made of a frame: gives its events, each with the moments of its track.
    pub(crate) fn observed(&mut self, analyzer: &Analyzer, frame: &Frame, events: Vec<Event>) -> Vec<PlateJob> {
        self.0.see(frame.time, frame.source, &analyzer.seen());
        self.jobs(events)
    }

    /// The events with the moments of their tracks; a track whose passage is among them is forgotten.
    pub(crate) fn jobs(&mut self, events: Vec<Event>) -> Vec<PlateJob> {
        let moments = |event: &Event| match event {
            Event::Passage(passage) => self.0.of(passage.track),
            Event::Violation(violation) => self.0.of(violation.track),
            Event::Incident(_) | Event::Review(_) => Vec::new(),
        };
        let jobs: Vec<_> = events.into_iter().map(|event| PlateJob { moments: moments(&event), event }).collect();
        for job in &jobs {
            if let Event::Passage(passage) = &job.event {
                drop(self.0.take(passage.track));
            }
        }
        jobs
    }
}
