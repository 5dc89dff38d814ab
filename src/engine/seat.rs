//! What the engine keeps of one camera from frame to frame.

use stopline_detect::{analyze::Analyzer, plate::PlateMoments};
use stopline_types::{Detection, Event, Frame};

use super::plates::PlateJob;

/// A camera's analyzer, and where its vehicles were seen best.
pub(crate) struct Seat {
    pub analyzer: Analyzer,
    moments: PlateMoments,
}

impl Seat {
    pub(crate) fn new(analyzer: Analyzer) -> Self {
        Self { analyzer, moments: PlateMoments::default() }
    }

    /// Takes a frame; gives the events decided by it, each with the moments of its track.
    pub(crate) fn observe(&mut self, frame: &Frame, detections: Vec<Detection>) -> Vec<PlateJob> {
        let events = self.analyzer.observe(frame, detections);
        self.moments.see(frame.time, frame.source, &self.analyzer.seen());
        self.jobs(events)
    }

    /// Ends all tracks.
    pub(crate) fn finish(&mut self) -> Vec<PlateJob> {
        let events = self.analyzer.finish();
        self.jobs(events)
    }

    fn jobs(&mut self, events: Vec<Event>) -> Vec<PlateJob> {
        let moments = |event: &Event| match event {
            Event::Passage(passage) => self.moments.of(passage.track),
            Event::Violation(violation) => self.moments.of(violation.track),
            Event::Incident(_) | Event::Review(_) => Vec::new(),
        };
        let jobs: Vec<_> = events.into_iter().map(|event| PlateJob { moments: moments(&event), event }).collect();
        for job in &jobs {
            if let Event::Passage(passage) = &job.event {
                drop(self.moments.take(passage.track));
            }
        }
        jobs
    }
}
