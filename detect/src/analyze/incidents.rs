//! Incidents written down once, when they begin.

use stopline_types::{CameraId, CaptureTime, EventId, Incident, RuleMode};

use crate::rules::{History, incidents};
use crate::scene::Scene;

/// The road is looked at this often, seconds.
const EVERY_S: f64 = 1.0;
/// One that was not seen for this long is over: the next is a new one, seconds.
const OVER_S: f64 = 30.0;

/// The incidents that last.
#[derive(Debug, Default)]
pub(super) struct Incidents {
    looked_s: Option<f64>,
    /// Kind, lane, track, and when it was last seen.
    lasting: Vec<(&'static str, usize, Option<u64>, f64)>,
}

impl Incidents {
    /// Those that are new at `t_s`.
    pub(super) fn look<'a>(
        &mut self,
        camera: &CameraId,
        scene: &Scene,
        tracks: impl Iterator<Item = &'a History> + Clone,
        t_s: f64,
        time: CaptureTime,
    ) -> Vec<Incident> {
        if scene.rules.incidents.mode == RuleMode::Off || self.looked_s.is_some_and(|before| t_s - before < EVERY_S) {
            return Vec::new();
        }
        self.looked_s = Some(t_s);
        let mut new = Vec::new();
        for found in incidents::check(scene, tracks, t_s) {
            let same =
                |l: &&mut (&str, usize, Option<u64>, f64)| (l.0, l.1, l.2) == (found.kind, found.lane, found.track);
            if let Some(known) = self.lasting.iter_mut().find(same) {
                known.3 = t_s;
                continue;
            }
            self.lasting.push((found.kind, found.lane, found.track, t_s));
            let lane = scene.lanes[found.lane].name.clone();
            let about = format!("{}/{lane}/{}", found.kind, found.track.unwrap_or_default());
            new.push(Incident {
                id: EventId::of(&["incident", camera.as_str(), &time.utc.to_string(), &about]),
                camera: camera.clone(),
                t_s,
                utc: time.utc,
                error_ms: time.error_ms,
                kind: found.kind.to_owned(),
                lane: Some(lane),
                measured: found.measured,
            });
        }
        self.lasting.retain(|l| t_s - l.3 <= OVER_S);
        new
    }
}
