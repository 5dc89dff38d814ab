//! A network that fails, between real RTSP servers and cameras: each fault on one camera, and what becomes of it and of
//! the others.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use std::time::{Duration, Instant};

use common::{
    PATIENCE, Server, frame,
    proxy::{Fault, Proxy},
    start, streams, until,
};
use stopline_ingest::{AnalysePlan, Camera, Codec, Devices, handoff::Hub};
use stopline_types::{CameraId, CameraState, CameraStatus};

fn one(url: &str) -> stopline_ingest::config::Streams {
    streams(serde_json::json!({"main": {"url": url}}), None)
}

async fn watched(hub: &std::sync::Arc<Hub>, url: &str) -> Camera {
    let camera = start(one(url), hub.mailbox(&common::gate(), 1.0));
    until(&camera, "the first frames", |s| s.state == CameraState::Online && s.counters.frames_decoded > 2).await;
    camera
}

/// Frames go on being decoded after what has been counted by now.
async fn goes_on(camera: &Camera, what: &str) -> CameraStatus {
    let decoded = camera.status().counters.frames_decoded;
    until(camera, what, |s| s.counters.frames_decoded > decoded + 5).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_is_survived_and_told() {
    let server = Server::start(0, false);
    let proxy = Proxy::start(server.port).await;
    let hub = Hub::new();
    let camera = watched(&hub, &proxy.url("gate/sub")).await;

    // Silence without an end: stalled after two seconds, given up after four, and back by itself.
    proxy.set(Fault::Stall);
    let stalled = until(&camera, "the stall", |s| s.state == CameraState::Stalled).await;
    assert!(stalled.reason.contains("no frame for 2 s"), "{stalled:?}");
    assert_eq!(stalled.counters.reconnects, 0);
    until(&camera, "giving up", |s| s.counters.reconnects > 0 || s.state == CameraState::Connecting).await;
    proxy.set(Fault::None);
    until(&camera, "the return", |s| s.state == CameraState::Online).await;

    for (fault, why) in [(Fault::Reset, "reset"), (Fault::HalfPacket, "")] {
        proxy.set(fault);
        let gone = until(&camera, "the loss", |s| s.state == CameraState::Offline).await;
        assert!(gone.reason.to_lowercase().contains(why), "{fault:?}: {}", gone.reason);
        proxy.set(Fault::None);
        until(&camera, "the return", |s| s.state == CameraState::Online).await;
        goes_on(&camera, "frames after it").await;
    }

    // What is lost is counted, and shown.
    proxy.set(Fault::Loss(9));
    let lossy = until(&camera, "the loss to be shown", |s| s.state == CameraState::Degraded).await;
    assert!(lossy.reason.contains("% of the frames") && lossy.counters.packets_lost > 0, "{lossy:?}");
    proxy.set(Fault::None);
    until(&camera, "whole pictures", |s| s.state == CameraState::Online).await;

    proxy.set(Fault::Delay(300));
    goes_on(&camera, "frames in spite of delay").await;
    proxy.set(Fault::None);

    // Another source in mid-stream: nothing of it may be believed to be the old one; the session is opened anew.
    let reconnects = camera.status().counters.reconnects;
    proxy.set(Fault::OtherSource);
    // Even then the packets are not of the source that the answer to SETUP named.
    until(&camera, "the session to be given up", |s| s.counters.reconnects > reconnects).await;
    assert_ne!(camera.status().state, CameraState::Online);
    proxy.set(Fault::None);
    goes_on(&camera, "frames of the right source again").await;

    // Noise in place of pictures: an error and a counter.
    let undecodable = |s: &CameraStatus| s.counters.frames_undecodable + s.counters.packets_lost;
    let before = undecodable(&camera.status());
    proxy.set(Fault::Garbage);
    let noisy = until(&camera, "noise to be noticed", |s| undecodable(s) > before + 3).await;
    assert_ne!(noisy.counters.frames_received, 0);
    proxy.set(Fault::None);
    goes_on(&camera, "pictures after the noise").await;

    proxy.set(Fault::Flood(20));
    tokio::time::sleep(Duration::from_secs(1)).await;
    proxy.set(Fault::None);
    goes_on(&camera, "pictures after the flood").await;
    until(&camera, "calm", |s| s.state == CameraState::Online).await;
    assert_eq!(camera.panics(), 0);
    camera.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_set_is_alarmed_and_counted() {
    let server = Server::start(0, false);
    let proxy = Proxy::start(server.port).await;
    let hub = Hub::new();
    let camera = watched(&hub, &proxy.url("gate/sub")).await;
    let sure = until(&camera, "a sender report", |s| s.clock_offset_ms.is_some()).await;
    assert!(sure.clock_offset_ms.unwrap().abs() < 1000.0 && sure.counters.clock_steps == 0, "{sure:?}");
    let before = frame(&hub).await.time;
    proxy.set(Fault::Clock(-30));
    let set = until(&camera, "the step", |s| s.counters.clock_steps == 1).await;
    assert_eq!(set.state, CameraState::Degraded);
    assert!(set.reason.contains("clock was set back by 30.0 s"), "{}", set.reason);
    // Frames are dated by the camera, and say how far that may be off.
    let started = Instant::now();
    loop {
        let now = frame(&hub).await.time;
        if now.error_ms.unwrap() > 29_000.0 {
            assert!(now.utc < before.utc, "{now:?}");
            break;
        }
        assert!(started.elapsed() < PATIENCE, "{now:?}");
    }
    camera.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_codec_and_size_at_the_same_address() {
    let (old, new) = (Server::start(0, false), Server::odd(&["/gate/sub=h265"]));
    let proxy = Proxy::start(old.port).await;
    let hub = Hub::new();
    let camera = watched(&hub, &proxy.url("gate/sub")).await;
    let from = frame(&hub).await.time.utc;
    proxy.lead_to(new.port);
    proxy.set(Fault::Reset);
    until(&camera, "the loss", |s| s.state == CameraState::Offline).await;
    proxy.set(Fault::None);
    until(&camera, "the return", |s| s.state == CameraState::Online).await;
    goes_on(&camera, "pictures of the other codec").await;
    // The ring now holds both; a clip holds one.
    let ring = camera.evidence_ring();
    let to = ring.stats().newest.unwrap();
    let cut = ring.cut(from, to).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let info = cut.write_mp4(&dir.path().join("clip.mp4")).unwrap();
    assert!(matches!(info.codec, Codec::H264 | Codec::H265));
    let probe = std::process::Command::new("ffprobe")
        .args(["-v", "error", "-count_frames", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0"])
        .arg(dir.path().join("clip.mp4"))
        .output()
        .expect("ffprobe; run `make setup`");
    let counted = String::from_utf8(probe.stdout).unwrap();
    assert_eq!(counted.trim().parse::<usize>().unwrap(), info.packets, "every picture of it can be decoded");
    assert!(!cut.stills(&[to]).unwrap().is_empty());
    camera.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seven_others_lose_nothing_and_nobody_is_online_without_frames() {
    let server = Server::start(0, false);
    let devices = Devices::default();
    let proxies = futures_all((0..8).map(|_| Proxy::start(server.port))).await;
    let hub = Hub::new();
    let cameras: Vec<Camera> = proxies
        .iter()
        .enumerate()
        .map(|(i, proxy)| {
            let id = CameraId::new(&format!("c{i}")).unwrap();
            let plan = AnalysePlan { max_fps: 2.0, ..common::plan() };
            common::start_planned(one(&proxy.url("gate/sub")), hub.mailbox(&id, 1.0), &devices, plan)
        })
        .collect();
    for camera in &cameras {
        until(camera, "frames", |s| s.state == CameraState::Online && s.counters.frames_decoded > 2).await;
    }
    let (faulty, proxy) = (&cameras[0], &proxies[0]);
    for fault in [Fault::Stall, Fault::Reset, Fault::HalfPacket, Fault::Garbage, Fault::OtherSource, Fault::Loss(3)] {
        proxy.set(fault);
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(4) {
            never_online_in_silence(faulty);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        proxy.set(Fault::None);
        goes_on(faulty, "the faulty one").await;
    }
    for (camera, proxy) in cameras.iter().zip(&proxies).skip(1) {
        // Whatever a starved server did, each frame that it sent has come and was decoded. (The last one may wait for the next.)
        proxy.set(Fault::Stall);
        until(camera, "all that was sent", |s| s.counters.frames_received + 1 >= proxy.frames()).await;
        let all = |s: &CameraStatus| s.counters.frames_decoded == s.counters.frames_received;
        let status = until(camera, "all of it decoded", all).await;
        assert!(status.counters.frames_received <= proxy.frames(), "{} sent: {status:?}", proxy.frames());
        let counters = status.counters;
        assert_eq!((counters.packets_lost, counters.frames_undecodable), (0, 0), "{status:?}");
        // The session is given up when the server says nothing for four seconds, and then only.
        let starved = proxy.longest_silence() >= stopline_ingest::session::RECONNECT_AFTER;
        assert!(starved || proxy.connections() == 1, "{} connections: {status:?}", proxy.connections());
    }
    for camera in &cameras {
        assert_eq!(camera.panics(), 0);
        camera.stop().await;
    }
}

fn never_online_in_silence(camera: &Camera) {
    // In this order a busy machine may make the silence look shorter, never longer.
    let now = stopline_types::UtcUs::from(std::time::SystemTime::now());
    let status = camera.status();
    let silent_s = status.last_frame.map_or(f64::INFINITY, |at| now.since_s(at));
    let shown = matches!(status.state, CameraState::Online | CameraState::Degraded);
    assert!(!shown || silent_s < 2.0, "{silent_s:.3} s without a frame: {status:?}");
}

async fn futures_all<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut done = Vec::new();
    for one in all {
        done.push(one.await);
    }
    done
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_camera_tells_its_consumer_within_seconds() {
    let server = Server::start(0, false);
    let proxy = Proxy::start(server.port).await;
    let hub = Hub::new();
    let camera = watched(&hub, &proxy.url("gate/sub")).await;
    assert!(hub.ended().is_empty());
    for fault in [Fault::Stall, Fault::Reset] {
        proxy.set(fault);
        let began = Instant::now();
        loop {
            drop(hub.take(8, Duration::ZERO));
            if hub.ended().iter().any(|ended| *ended.camera() == common::gate()) {
                break;
            }
            assert!(began.elapsed() < PATIENCE, "not told of {fault:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(matches!(camera.status().state, CameraState::Stalled | CameraState::Offline | CameraState::Connecting));
        proxy.set(Fault::None);
        until(&camera, "the return", |s| s.state == CameraState::Online).await;
        frame(&hub).await;
        assert!(hub.ended().is_empty(), "it is back");
    }
    camera.stop().await;
    drop(hub.take(8, Duration::ZERO));
    assert_eq!(hub.ended().len(), 1, "stopping is an end too");
}

/// A figure, not a condition: `cargo test -p stopline-ingest --test faults -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes and measures; benches/RESULTS.md"]
async fn how_long_fifty_returns_take() {
    let server = Server::start(0, false);
    let proxy = Proxy::start(server.port).await;
    let hub = Hub::new();
    let camera = watched(&hub, &proxy.url("gate/sub")).await;
    for fault in [Fault::Reset, Fault::Stall] {
        let mut took = Vec::new();
        for n in 0..50 {
            proxy.set(fault);
            // Away for one to nine seconds.
            let away = Duration::from_millis(1000 + 160 * n);
            let began = Instant::now();
            while began.elapsed() < away {
                never_online_in_silence(&camera);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let decoded = camera.status().counters.frames_decoded;
            proxy.set(Fault::None);
            let returned = Instant::now();
            until(&camera, "the return", |s| s.counters.frames_decoded > decoded).await;
            took.push(returned.elapsed().as_secs_f64());
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        took.sort_by(f64::total_cmp);
        println!("{fault:?}: median {:.2} s, 95 % within {:.2} s, longest {:.2} s", took[24], took[47], took[49]);
    }
    camera.stop().await;
}
