use std::sync::{Mutex, PoisonError};

use stopline_types::{BgrImage, BoxPx, CameraId, CaptureTime, SizePx, StreamRole, TimeSource, UtcUs, VehicleClass};

use super::*;

/// A frame that owns itself, as a file's does.
struct Owned(Frame);

impl AsRef<Frame> for Owned {
    fn as_ref(&self) -> &Frame {
        &self.0
    }
}

fn frame(seq: u64) -> Owned {
    let size = SizePx { w: 1, h: 1 };
    Owned(Frame {
        camera: CameraId::new("cam-1").unwrap(),
        role: StreamRole::Sub,
        seq,
        time: CaptureTime { utc: UtcUs(0), error_ms: None, source: TimeSource::FileNominal },
        media_s: 0.0,
        source: size,
        image: BgrImage { size, data: vec![0; 3] },
        crops: Vec::new(),
        part: None,
        received: None,
    })
}

/// Hands out `total` frames, numbered from 0, as many at once as asked for.
fn counting(total: u64) -> impl Fn(usize) -> Option<Vec<Owned>> + Send + Sync {
    let next = Mutex::new(0);
    move |max| {
        let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
        let end = (*next + max as u64).min(total);
        let frames: Vec<_> = (*next..end).map(frame).collect();
        *next = end;
        (!frames.is_empty()).then_some(frames)
    }
}

/// One detection per frame, its score the frame's number; frames in `bad` fail, frames in `worse` panic.
fn look(
    bad: &'static [u64],
    worse: &'static [u64],
) -> impl FnMut(&[&Frame]) -> Result<Vec<Vec<Detection>>, InferenceError> + Send {
    move |frames| {
        if let Some(frame) = frames.iter().find(|f| worse.contains(&f.seq)) {
            panic!("frame {} is poison", frame.seq);
        }
        if let Some(frame) = frames.iter().find(|f| bad.contains(&f.seq)) {
            return Err(InferenceError::NotFinite { model: "m".into(), camera: frame.camera.clone(), seq: frame.seq });
        }
        let one = |f: &&Frame| Detection {
            class: VehicleClass::Car,
            score: f.seq as f32,
            bbox: BoxPx::from([0.0, 0.0, 1.0, 1.0]),
        };
        Ok(frames.iter().map(|f| vec![one(f)]).collect())
    }
}

type Emitted = Arc<Mutex<Vec<(u64, f32)>>>;

fn collect(into: &Emitted) -> impl Fn(&Owned, f32, Looked) + Send + Sync + use<> {
    let into = into.clone();
    move |frame, score, _| into.lock().unwrap().push((frame.0.seq, score))
}

fn score(_: &Owned, found: Vec<Detection>) -> f32 {
    found[0].score
}

#[test]
fn every_frame_meets_its_own_detections() {
    let emitted = Emitted::default();
    let looks = vec![look(&[], &[]), look(&[], &[]), look(&[], &[])];
    let stats = Workers::spawn(looks, 4, counting(101), score, collect(&emitted)).unwrap().join();
    let mut got = emitted.lock().unwrap().clone();
    got.sort_by_key(|pair| pair.0);
    assert_eq!(got, (0..101).map(|seq| (seq, seq as f32)).collect::<Vec<_>>());
    assert_eq!((stats.frames, stats.detections, stats.errors, stats.panics), (101, 101, 0, 0));
    assert_eq!((stats.runs, stats.batch_sizes), (26, vec![1, 0, 0, 25]));
}

#[test]
fn a_bad_frame_goes_alone() {
    let emitted = Emitted::default();
    let workers = Workers::spawn(vec![look(&[5], &[9])], 4, counting(12), score, collect(&emitted)).unwrap();
    let stats = workers.join();
    let seqs: Vec<_> = emitted.lock().unwrap().iter().map(|pair| pair.0).collect();
    assert_eq!(seqs, [0, 1, 2, 3, 4, 6, 7, 8, 10, 11]);
    assert_eq!((stats.frames, stats.errors, stats.panics), (10, 1, 1));
    assert_eq!(stats.batch_sizes, [6, 0, 0, 1]);
}

#[test]
fn a_panic_while_observing_or_emitting_costs_one_frame() {
    let emitted = Emitted::default();
    let observe = |frame: &Owned, found: Vec<Detection>| {
        assert_ne!(frame.0.seq, 2, "observe");
        score(frame, found)
    };
    let push = collect(&emitted);
    let emit = move |frame: &Owned, score, looked| {
        assert_ne!(frame.0.seq, 3, "emit");
        push(frame, score, looked);
    };
    let stats = Workers::spawn(vec![look(&[], &[])], 4, counting(6), observe, emit).unwrap().join();
    let seqs: Vec<_> = emitted.lock().unwrap().iter().map(|pair| pair.0).collect();
    assert_eq!(seqs, [0, 1, 4, 5]);
    assert_eq!((stats.frames, stats.panics), (6, 2));
}

#[test]
fn workers_end_when_asked() {
    let workers =
        Workers::spawn(vec![look(&[], &[])], 1, |_| Some(vec![frame(1)]), score, |_: &Owned, _, _| {}).unwrap();
    while workers.stats().frames == 0 {
        std::thread::yield_now();
    }
    workers.stop();
    assert!(workers.join().frames > 0);
}

#[test]
fn a_panic_while_taking_ends_that_worker_and_is_counted() {
    let take = |_| -> Option<Vec<Owned>> { panic!("hand-off broken") };
    let stats = Workers::spawn(vec![look(&[], &[])], 1, take, score, |_: &Owned, _, _| {}).unwrap().join();
    assert_eq!((stats.frames, stats.panics), (0, 1));
}
