//! What the workers count.

use std::{
    fmt::Display,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use super::Looked;

/// Counts of all workers together, since they started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkerStats {
    /// Frames looked at.
    pub frames: u64,
    /// Runs of the detector.
    pub runs: u64,
    /// How many runs had how many frames: position 0 counts runs of one frame.
    pub batch_sizes: Vec<u64>,
    /// Detections in all frames.
    pub detections: u64,
    /// Time in the detector, summed over the workers.
    pub inference: Duration,
    /// Time in `observe`, summed over the workers.
    pub observing: Duration,
    /// Frames lost to an error of the detector.
    pub errors: u64,
    /// Frames lost to a panic, in the detector or after it.
    pub panics: u64,
}

#[derive(Debug)]
pub(super) struct Counters {
    frames: AtomicU64,
    batch_sizes: Vec<AtomicU64>,
    detections: AtomicU64,
    inference_us: AtomicU64,
    observing_us: AtomicU64,
    errors: AtomicU64,
    panics: AtomicU64,
}

impl Counters {
    pub(super) fn new(largest_batch: usize) -> Self {
        Self {
            frames: AtomicU64::new(0),
            batch_sizes: (0..largest_batch.max(1)).map(|_| AtomicU64::new(0)).collect(),
            detections: AtomicU64::new(0),
            inference_us: AtomicU64::new(0),
            observing_us: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            panics: AtomicU64::new(0),
        }
    }

    pub(super) fn looked(&self, looked: Looked, detections: usize) {
        self.frames.fetch_add(looked.batch as u64, Relaxed);
        self.detections.fetch_add(detections as u64, Relaxed);
        self.inference_us.fetch_add(micros(looked.inference), Relaxed);
        // A hand-off that gives more than it was asked for is counted with the largest.
        let position = looked.batch.clamp(1, self.batch_sizes.len()) - 1;
        self.batch_sizes[position].fetch_add(1, Relaxed);
    }

    pub(super) fn observed(&self, took: Duration) {
        self.observing_us.fetch_add(micros(took), Relaxed);
    }

    pub(super) fn failed(&self, error: &dyn Display) {
        tell(self.errors.fetch_add(1, Relaxed) + 1, "frame not judged", error);
    }

    pub(super) fn panicked(&self, text: &dyn Display) {
        tell(self.panics.fetch_add(1, Relaxed) + 1, "frame lost to a panic", text);
    }

    pub(super) fn stats(&self) -> WorkerStats {
        let batch_sizes: Vec<u64> = self.batch_sizes.iter().map(|count| count.load(Relaxed)).collect();
        WorkerStats {
            frames: self.frames.load(Relaxed),
            runs: batch_sizes.iter().sum(),
            batch_sizes,
            detections: self.detections.load(Relaxed),
            inference: Duration::from_micros(self.inference_us.load(Relaxed)),
            observing: Duration::from_micros(self.observing_us.load(Relaxed)),
            errors: self.errors.load(Relaxed),
            panics: self.panics.load(Relaxed),
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Logs the first, second, fourth, eighth … of a kind: a camera that fails at every frame shall not fill the log.
fn tell(count: u64, what: &str, why: &dyn Display) {
    if count.is_power_of_two() {
        tracing::error!(count, "{what}: {why}");
    }
}
