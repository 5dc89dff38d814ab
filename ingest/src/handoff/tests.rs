use std::collections::BTreeMap;

use stopline_types::{BgrImage, CaptureTime, SizePx, StreamRole, TimeSource, UtcUs};

use super::*;

const NOW: Duration = Duration::ZERO;

fn camera(name: &str) -> CameraId {
    CameraId::new(name).unwrap()
}

fn frame(camera: &CameraId, seq: u64) -> Frame {
    let size = SizePx { w: 1, h: 1 };
    Frame {
        camera: camera.clone(),
        role: StreamRole::Sub,
        seq,
        time: CaptureTime { utc: UtcUs(0), error_ms: None, source: TimeSource::Receive },
        media_s: 0.0,
        source: size,
        image: BgrImage { size, data: vec![0; 3] },
        crops: Vec::new(),
        part: None,
        received: None,
    }
}

/// Serves `rounds` times one frame while every camera always has one waiting.
fn served(weights: &[(&str, f32)], rounds: usize) -> BTreeMap<String, usize> {
    let hub = Hub::new();
    let boxes: Vec<_> = weights.iter().map(|(name, w)| (camera(name), hub.mailbox(&camera(name), *w))).collect();
    let mut counts = BTreeMap::new();
    for round in 0..rounds {
        boxes.iter().for_each(|(id, mailbox)| mailbox.put(frame(id, round as u64)));
        for turn in hub.take(1, NOW).unwrap() {
            *counts.entry(turn.as_ref().camera.to_string()).or_default() += 1;
        }
    }
    counts
}

#[test]
fn newest_wins_and_the_rest_is_counted() {
    let hub = Hub::new();
    let mailbox = hub.mailbox(&camera("a"), 1.0);
    (0..5).for_each(|seq| mailbox.put(frame(&camera("a"), seq)));
    let turns = hub.take(8, NOW).unwrap();
    assert_eq!((turns.len(), turns[0].as_ref().seq), (1, 4));
    drop(turns);
    let stats = mailbox.stats();
    assert_eq!((stats.superseded, stats.analysed), (4, 1));
    assert!(stats.analysed_fps > 0.0);
}

#[test]
fn served_by_weight_and_none_starves() {
    let counts = served(&[("a", 1.0), ("b", 1.0), ("c", 2.0)], 400);
    assert_eq!((counts["a"], counts["b"], counts["c"]), (100, 100, 200));
    let counts = served(&[("heavy", 100.0), ("light", 0.0)], 20_000);
    assert!(counts["light"] >= 2, "{counts:?}");
    let equal = served(&[("a", 1.0), ("b", f32::NAN), ("c", 1.0), ("d", 1.0)], 400);
    assert!(equal.values().all(|n| *n == 100), "{equal:?}");
}

#[test]
fn a_quiet_camera_saves_up_no_turns() {
    let hub = Hub::new();
    let (a, b) = (hub.mailbox(&camera("a"), 1.0), hub.mailbox(&camera("b"), 1.0));
    for seq in 0..100 {
        a.put(frame(&camera("a"), seq));
        drop(hub.take(1, NOW));
    }
    let mut of_b = 0;
    for seq in 0..20 {
        a.put(frame(&camera("a"), seq));
        b.put(frame(&camera("b"), seq));
        of_b += hub.take(1, NOW).unwrap().iter().filter(|turn| turn.as_ref().camera.as_str() == "b").count();
    }
    assert!((9..=11).contains(&of_b), "{of_b}");
}

#[test]
fn a_camera_in_flight_is_not_handed_out_again() {
    let hub = Hub::new();
    let mailbox = hub.mailbox(&camera("a"), 1.0);
    mailbox.put(frame(&camera("a"), 0));
    let held = hub.take(4, NOW).unwrap();
    mailbox.put(frame(&camera("a"), 1));
    assert!(hub.take(4, Duration::from_millis(5)).unwrap().is_empty());
    drop(held);
    assert_eq!(hub.take(4, NOW).unwrap()[0].as_ref().seq, 1);
}

#[test]
fn a_waiting_worker_is_woken() {
    let hub = Hub::new();
    let mailbox = hub.mailbox(&camera("a"), 1.0);
    let waiting = {
        let hub = Arc::clone(&hub);
        std::thread::spawn(move || hub.take(1, Duration::from_secs(60)).map(|turns| turns.len()))
    };
    mailbox.put(frame(&camera("a"), 0));
    assert_eq!(waiting.join().unwrap(), Some(1));
}

#[test]
fn closed_means_the_rest_and_then_none() {
    let hub = Hub::new();
    let mailbox = hub.mailbox(&camera("a"), 1.0);
    mailbox.put(frame(&camera("a"), 0));
    let held = hub.take(1, NOW).unwrap();
    mailbox.put(frame(&camera("a"), 1));
    hub.close();
    mailbox.put(frame(&camera("a"), 2));
    let waiting = {
        let hub = Arc::clone(&hub);
        std::thread::spawn(move || hub.take(1, Duration::from_secs(60)).map(|turns| turns[0].as_ref().seq))
    };
    drop(held);
    assert_eq!(waiting.join().unwrap(), Some(1));
    assert!(hub.take(1, Duration::from_secs(60)).is_none());
}

#[test]
fn a_camera_that_leaves_loses_no_frame() {
    let hub = Hub::new();
    let mailbox = hub.mailbox(&camera("a"), 1.0);
    mailbox.put(frame(&camera("a"), 0));
    drop(mailbox);
    assert_eq!(hub.take(1, NOW).unwrap().len(), 1);
    assert!(hub.lock().slots.is_empty());
}

#[test]
fn several_workers_never_share_a_camera() {
    let hub = Hub::new();
    let ids: Vec<_> = (0..3).map(|i| camera(&format!("c{i}"))).collect();
    let boxes: Vec<_> = ids.iter().map(|id| hub.mailbox(id, 1.0)).collect();
    let busy: Arc<Mutex<std::collections::HashSet<CameraId>>> = Arc::default();
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let (hub, busy) = (Arc::clone(&hub), Arc::clone(&busy));
            std::thread::spawn(move || {
                let mut seen = 0;
                while let Some(turns) = hub.take(2, Duration::from_secs(60)) {
                    for turn in turns {
                        assert!(busy.lock().unwrap().insert(turn.as_ref().camera.clone()), "handed out twice");
                        std::thread::yield_now();
                        busy.lock().unwrap().remove(&turn.as_ref().camera);
                        seen += 1;
                    }
                }
                seen
            })
        })
        .collect();
    for seq in 0..2000 {
        boxes.iter().zip(&ids).for_each(|(mailbox, id)| mailbox.put(frame(id, seq)));
    }
    hub.close();
    let seen: u64 = workers.into_iter().map(|w| w.join().unwrap()).sum();
    let stats: Vec<_> = boxes.iter().map(Mailbox::stats).collect();
    assert_eq!(seen, stats.iter().map(|s| s.analysed).sum::<u64>());
    assert_eq!(stats.iter().map(|s| s.analysed + s.superseded).sum::<u64>(), 6000);
}

#[test]
fn a_silent_camera_is_told_once_and_after_its_last_frame() {
    let hub = Hub::new();
    let mailbox = hub.mailbox(&camera("a"), 1.0);
    mailbox.put(frame(&camera("a"), 0));
    mailbox.end_of_session();
    assert!(hub.ended().is_empty(), "a frame still waits");
    let held = hub.take(1, NOW).unwrap();
    assert!(hub.ended().is_empty(), "a frame is being looked at");
    drop(held);
    let ended = hub.ended();
    assert_eq!(ended[0].camera().as_str(), "a");
    mailbox.put(frame(&camera("a"), 1));
    assert!(hub.take(1, NOW).unwrap().is_empty(), "its tracks are being ended");
    drop(ended);
    assert_eq!(hub.take(1, NOW).unwrap().len(), 1);
    assert!(hub.ended().is_empty());
    mailbox.end_of_session();
    mailbox.put(frame(&camera("a"), 2));
    drop(hub.take(1, NOW));
    assert!(hub.ended().is_empty(), "a frame came after all");
}
