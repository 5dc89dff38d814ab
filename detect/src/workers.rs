//! The threads that look at frames.
//!
//! Each worker owns one detector and repeats: take a batch, detect, observe and emit frame by frame. It has no queue
//! of its own: `take` hands out frames, and a frame is held until its results are emitted, so a hand-off that gives a
//! camera's next frame only after the last was dropped keeps each camera's frames in order.
//!
//! Whatever goes wrong with one frame is counted and stays with it. A batch that fails or panics is tried again frame
//! by frame; a panic in `observe` or `emit` costs that frame its results.

mod counters;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use stopline_types::{Detection, Frame};

use counters::Counters;
pub use counters::WorkerStats;

use crate::inference::{InferenceError, SparingDetector};

/// How a frame was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Looked {
    /// Frames in the same run.
    pub batch: usize,
    /// What the whole run took, from the pictures to the detections.
    pub inference: Duration,
}

/// Running workers. Dropped without [`Workers::join`], they end on their own after their next batch.
#[derive(Debug)]
pub struct Workers {
    threads: Vec<JoinHandle<()>>,
    counters: Arc<Counters>,
    stop: Arc<AtomicBool>,
}

impl Workers {
    /// Starts one thread per detector. All of them share the closures:
    ///
    /// - `take(max)` waits for up to `max` frames; an empty list means none yet, `None` that no more will come. It must
    ///   come back every second or so, or [`Workers::join`] waits for it.
    /// - `observe(frame, detections)` makes of them what the camera's rules make of them.
    /// - `emit(frame, observed, looked)` hands that on; the frame is dropped afterwards.
    pub fn start<T, R, Take, Observe, Emit>(
        detectors: Vec<SparingDetector>,
        take: Take,
        observe: Observe,
        emit: Emit,
    ) -> std::io::Result<Self>
    where
        T: AsRef<Frame> + 'static,
        R: 'static,
        Take: Fn(usize) -> Option<Vec<T>> + Send + Sync + 'static,
        Observe: Fn(&T, Vec<Detection>) -> R + Send + Sync + 'static,
        Emit: Fn(&T, R, Looked) + Send + Sync + 'static,
    {
        let batch = detectors.iter().map(SparingDetector::batch).max().unwrap_or(1);
        let looks =
            detectors.into_iter().map(|mut detector| move |frames: &[&Frame]| detector.detect(frames)).collect();
        Self::spawn(looks, batch, take, observe, emit)
    }

    fn spawn<T, R, Look, Take, Observe, Emit>(
        looks: Vec<Look>,
        batch: usize,
        take: Take,
        observe: Observe,
        emit: Emit,
    ) -> std::io::Result<Self>
    where
        T: AsRef<Frame> + 'static,
        R: 'static,
        Look: FnMut(&[&Frame]) -> Result<Vec<Vec<Detection>>, InferenceError> + Send + 'static,
        Take: Fn(usize) -> Option<Vec<T>> + Send + Sync + 'static,
        Observe: Fn(&T, Vec<Detection>) -> R + Send + Sync + 'static,
        Emit: Fn(&T, R, Looked) + Send + Sync + 'static,
    {
        let counters = Arc::new(Counters::new(batch));
        let stop = Arc::new(AtomicBool::new(false));
        let shared = Arc::new((take, observe, emit));
        let mut workers = Self { threads: Vec::new(), counters: counters.clone(), stop: stop.clone() };
        for (number, look) in looks.into_iter().enumerate() {
            let (counters, stop, shared) = (counters.clone(), stop.clone(), shared.clone());
            let body = move || {
                let (take, observe, emit) = &*shared;
                let mut worker = Worker { look, observe, emit, counters: &counters };
                while !stop.load(Ordering::Relaxed) {
                    // A panic in `take` is the hand-off's own fault; going round again could go round for ever.
                    match take(batch) {
                        Some(frames) if frames.is_empty() => {}
                        Some(frames) => worker.batch(&frames),
                        None => break,
                    }
                }
            };
            workers.threads.push(std::thread::Builder::new().name(format!("detect-{number}")).spawn(body)?);
        }
        Ok(workers)
    }

    /// Counts since the start.
    #[must_use]
    pub fn stats(&self) -> WorkerStats {
        self.counters.stats()
    }

    /// Asks the workers to end after the batch they are at. Frames not taken stay where they are.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Waits until all workers have ended, because [`Workers::stop`] was called or `take` gave `None`, and gives the
    /// final counts.
    #[must_use]
    pub fn join(mut self) -> WorkerStats {
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                self.counters.panicked(&"a worker ended by a panic while taking frames");
            }
        }
        self.counters.stats()
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Worker<'a, Look, Observe, Emit> {
    look: Look,
    observe: &'a Observe,
    emit: &'a Emit,
    counters: &'a Counters,
}

impl<Look, Observe, Emit> Worker<'_, Look, Observe, Emit>
where
    Look: FnMut(&[&Frame]) -> Result<Vec<Vec<Detection>>, InferenceError>,
{
    fn batch<T: AsRef<Frame>, R>(&mut self, frames: &[T])
    where
        Observe: Fn(&T, Vec<Detection>) -> R,
        Emit: Fn(&T, R, Looked),
    {
        match self.look(frames) {
            Ok((found, looked)) => self.pass_on(frames, found, looked),
            // Which frame was it? The others shall not go with it.
            Err(_) if frames.len() > 1 => frames.iter().for_each(|frame| self.batch(std::slice::from_ref(frame))),
            Err(Failure::Error(error)) => self.counters.failed(&error),
            Err(Failure::Panic(text)) => self.counters.panicked(&text),
        }
    }

    fn look<T: AsRef<Frame>>(&mut self, frames: &[T]) -> Result<(Vec<Vec<Detection>>, Looked), Failure> {
        let frames: Vec<&Frame> = frames.iter().map(AsRef::as_ref).collect();
        let begun = Instant::now();
        // A detector holds nothing from one run to the next but buffers that the next run writes anew.
        let found = catch_unwind(AssertUnwindSafe(|| (self.look)(&frames)))
            .map_err(|panic| Failure::Panic(text_of(&*panic)))?
            .map_err(Failure::Error)?;
        Ok((found, Looked { batch: frames.len(), inference: begun.elapsed() }))
    }

    fn pass_on<T: AsRef<Frame>, R>(&self, frames: &[T], found: Vec<Vec<Detection>>, looked: Looked)
    where
        Observe: Fn(&T, Vec<Detection>) -> R,
        Emit: Fn(&T, R, Looked),
    {
        self.counters.looked(looked, found.iter().map(Vec::len).sum());
        for (frame, detections) in frames.iter().zip(found) {
            let begun = Instant::now();
            let passed = catch_unwind(AssertUnwindSafe(|| {
                let observed = (self.observe)(frame, detections);
                self.counters.observed(begun.elapsed());
                (self.emit)(frame, observed, looked);
            }));
            if let Err(panic) = passed {
                let frame = frame.as_ref();
                self.counters.panicked(&format!("camera {}, frame {}: {}", frame.camera, frame.seq, text_of(&*panic)));
            }
        }
    }
}

enum Failure {
    Error(InferenceError),
    Panic(String),
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without words".into())
}

#[cfg(test)]
mod tests;
