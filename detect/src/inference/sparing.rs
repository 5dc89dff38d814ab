//! A detector that looks again only where the picture changed.
//!
//! What was found elsewhere is still there: its boxes are given out again. All of a picture is looked at every [`REFRESH_S`], so
//! that a weak look at a standing vehicle is not kept for long.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use stopline_types::{BoxPx, CameraId, Detection, Frame, UtcUs};

use super::{
    Detector, InferenceError,
    changes::{Looked, Worth},
    parts::Part,
};

/// All of a camera's picture is looked at this often, seconds of its time.
const REFRESH_S: f64 = 1.0;
/// Cameras remembered; above it all are forgotten, which costs each one whole look.
const CAMERAS: usize = 4096;

/// What is known of each camera's picture: shared by all detectors, for a camera's next frame may come to another.
#[derive(Debug, Default)]
pub struct Known {
    cameras: Mutex<HashMap<CameraId, Seen>>,
    looked_px: AtomicU64,
    shown_px: AtomicU64,
}

#[derive(Debug)]
struct Seen {
    looked: Looked,
    /// In pixels of the picture and of the stream.
    found: Vec<Detection>,
    shows: BoxPx,
    whole_at: UtcUs,
}

impl Known {
    /// Pixels of pictures that went through the model, and pixels of all pictures asked about.
    #[must_use]
    pub fn pixels(&self) -> (u64, u64) {
        (self.looked_px.load(Ordering::Relaxed), self.shown_px.load(Ordering::Relaxed))
    }

    fn cameras(&self) -> std::sync::MutexGuard<'_, HashMap<CameraId, Seen>> {
        self.cameras.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Owned by one thread. Frames of one camera must come one after the other.
#[derive(Debug)]
pub struct SparingDetector {
    detector: Detector,
    /// `None`: every picture is looked at whole.
    known: Option<Arc<Known>>,
}

impl From<Detector> for SparingDetector {
    fn from(detector: Detector) -> Self {
        Self { detector, known: None }
    }
}

impl SparingDetector {
    /// Spares what `known` knows, if the model takes parts of a picture.
    #[must_use]
    pub fn new(detector: Detector, known: Arc<Known>) -> Self {
        let known = detector.takes_parts().then_some(known);
        Self { detector, known }
    }

    /// Most pictures that go into one run.
    #[must_use]
    pub fn batch(&self) -> usize {
        self.detector.batch()
    }

    /// As [`Detector::detect`].
    pub fn detect(&mut self, frames: &[&Frame]) -> Result<Vec<Vec<Detection>>, InferenceError> {
        let Some(known) = self.known.clone() else { return self.detector.detect(frames) };
        let mut found: Vec<Option<Vec<Detection>>> = vec![None; frames.len()];
        let now: Vec<Option<Looked>> = frames.iter().map(|frame| Looked::at(&frame.image)).collect();
        for ((frame, now), found) in frames.iter().zip(&now).zip(&mut found) {
            *found = self.again(&known, frame, now.as_ref())?;
        }
        let whole: Vec<&Frame> =
            frames.iter().zip(&found).filter(|(_, found)| found.is_none()).map(|(frame, _)| *frame).collect();
        let mut looked = self.detector.detect(&whole)?.into_iter();
        for frame in &whole {
            known.looked_px.fetch_add(pixels(frame), Ordering::Relaxed);
        }
        let all = frames.iter().zip(now).zip(found).map(|((frame, now), found)| {
            known.shown_px.fetch_add(pixels(frame), Ordering::Relaxed);
            found.unwrap_or_else(|| {
                let found = looked.next().unwrap_or_default();
                remember(&known, frame, now, &found);
                found
            })
        });
        Ok(all.collect())
    }

    /// What is seen, with looks at parts only; `None`: it takes a look at the whole.
    fn again(
        &mut self,
        known: &Known,
        frame: &Frame,
        now: Option<&Looked>,
    ) -> Result<Option<Vec<Detection>>, InferenceError> {
        // Taken out: if a look fails, nothing is known of the camera.
        let Some(mut seen) = known.cameras().remove(&frame.camera) else { return Ok(None) };
        let age_s = frame.time.utc.since_s(seen.whole_at);
        let Some(now) = now else { return Ok(None) };
        if seen.shows != frame.seen() || !(0.0..REFRESH_S).contains(&age_s) {
            return Ok(None);
        }
        let boxes: Vec<BoxPx> = seen.found.iter().map(|found| in_picture(&found.bbox, frame)).collect();
        let Worth::Parts(parts) = seen.looked.worth(now, &boxes, self.detector.step()) else { return Ok(None) };
        if !parts.is_empty() {
            let stays = |bbox: &BoxPx| !parts.iter().any(|part| part.bbox().overlap(bbox) > 0.5 * bbox.area());
            let mut kept = boxes.iter().map(stays);
            seen.found.retain(|_| kept.next().unwrap_or_default());
            for part in &parts {
                let found = self.detector.detect_part(frame, *part)?;
                known.looked_px.fetch_add(part.area(), Ordering::Relaxed);
                seen.found.extend(found.into_iter().filter(|found| is_whole(&found.bbox, part, frame)));
            }
            seen.found = self.detector.suppress(seen.found);
            seen.looked.update(now, &parts);
        }
        let found = seen.found.clone();
        known.cameras().insert(frame.camera.clone(), seen);
        Ok(Some(found))
    }
}

fn remember(known: &Known, frame: &Frame, now: Option<Looked>, found: &[Detection]) {
    let Some(looked) = now else { return };
    let seen = Seen { looked, found: found.to_vec(), shows: frame.seen(), whole_at: frame.time.utc };
    let mut cameras = known.cameras();
    if cameras.len() >= CAMERAS {
        cameras.clear();
    }
    cameras.insert(frame.camera.clone(), seen);
}

fn pixels(frame: &Frame) -> u64 {
    u64::from(frame.image.size.w) * u64::from(frame.image.size.h)
}

fn in_picture(bbox: &BoxPx, frame: &Frame) -> BoxPx {
    let seen = frame.seen();
    let (sx, sy) = (frame.image.size.w as f32 / seen.w.max(1.0), frame.image.size.h as f32 / seen.h.max(1.0));
    BoxPx { x: bbox.x - seen.x, y: bbox.y - seen.y, ..*bbox }.scaled(sx, sy)
}

/// A box at an edge of the part that is no edge of the picture is a piece of something: had that changed, or been known, it
/// would be in the part.
fn is_whole(bbox: &BoxPx, part: &Part, frame: &Frame) -> bool {
    const NEAR: f32 = 2.0;
    let (b, size) = (in_picture(bbox, frame), frame.image.size);
    let cut = |at: f32, edge: u32, outer: u32| edge != outer && (at - edge as f32).abs() < NEAR;
    !(cut(b.x, part.x, 0)
        || cut(b.y, part.y, 0)
        || cut(b.right(), part.x + part.w, size.w)
        || cut(b.bottom(), part.y + part.h, size.h))
}
