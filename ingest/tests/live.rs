//! Cameras over RTSP: a real server on loopback, with the rendered junction sample.
#![allow(clippy::unwrap_used)]

mod common;

use std::{process::Command, time::Duration};

use common::{PASSWORD, PATIENCE, Server, frame, gate, password_file, start, streams, until};
use stopline_ingest::{
    AnalysePlan, Codec, Devices, RingLimits, SessionFault, config::Streams, handoff::Hub, probe::probe,
};
use stopline_types::{CameraState, Frame, SizePx, StreamRole, TimeSource};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_evidence_and_reconnection() {
    let mut server = Server::start(0, true);
    let dir = tempfile::tempdir().unwrap();
    let json = serde_json::json!({"main": {"url": server.main}, "sub": {"url": server.sub}});
    let hub = Hub::new();
    let camera = start(streams(json, Some(&password_file(&dir, PASSWORD))), hub.mailbox(&gate(), 1.0));

    // Frames of the small stream, at the detector's size, in order.
    let mut before: Option<Frame> = None;
    for _ in 0..20 {
        let now = frame(&hub).await;
        assert_eq!(
            (now.role, now.source, now.image.size),
            (StreamRole::Sub, SizePx { w: 640, h: 360 }, SizePx { w: 640, h: 360 })
        );
        assert_eq!((now.crops[0].x, now.crops[0].y, now.crops[0].image.size), (320, 180, SizePx { w: 64, h: 36 }));
        assert!(now.received.is_some());
        if let Some(before) = &before {
            assert!(now.seq > before.seq && now.time.utc > before.time.utc && now.media_s > before.media_s);
        }
        before = Some(now);
    }
    until(&camera, "both streams", |s| s.state == CameraState::Online && s.reason.is_empty()).await;

    // Its clock is ours, so the offset is the delay.
    until(&camera, "a sender report", |s| s.clock_error_ms.is_some_and(|e| e < 500.0)).await;
    let offset_ms = camera.clock_offset_ms().unwrap();
    assert!(offset_ms.abs() < 1000.0, "{offset_ms}");

    // Evidence of the large stream: what was there seconds ago, cut at a key frame.
    let ring = camera.evidence_ring();
    let at = frame(&hub).await.time.utc;
    while !ring.covers(at.plus_s(1.0)) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let cut = ring.cut(at.plus_s(-1.0), at.plus_s(1.0)).unwrap();
    let clip = dir.path().join("clip.mp4");
    let info = cut.write_mp4(&clip).unwrap();
    assert_eq!(info.codec, Codec::H264);
    let still = &cut.stills(&[at]).unwrap()[0];
    assert_eq!(still.image.size, SizePx { w: 1920, h: 1080 });
    assert!(still.time.since_s(at).abs() <= 0.08, "{still:?}");
    let args = ["-v", "error", "-show_entries", "frame=key_frame", "-of", "csv=p=0", clip.to_str().unwrap()];
    let decoded = Command::new("ffprobe").args(args).output().expect("ffprobe; run `make setup`");
    let decoded = String::from_utf8(decoded.stdout).unwrap();
    let frames: Vec<_> = decoded.lines().filter(|line| !line.is_empty()).collect();
    assert!(frames[0].starts_with('1'), "{decoded}");
    assert_eq!(frames.len(), info.packets, "{decoded}");

    // The server falls silent without closing, and goes on.
    server.signal("STOP");
    let silent = until(&camera, "the stall", |s| s.state == CameraState::Stalled).await;
    assert!(silent.reason.contains("no frame for 2 s"), "{}", silent.reason);
    server.signal("CONT");
    let again = until(&camera, "the end of the stall", |s| s.state == CameraState::Online).await;
    assert_eq!(again.counters.reconnects, 0, "{again:?}");

    // The server goes away and comes back.
    server.kill();
    let gone = until(&camera, "the end to be noticed", |s| s.state == CameraState::Offline).await;
    assert!(!gone.reason.is_empty() && !gone.reason.contains(PASSWORD), "{}", gone.reason);
    let port = server.port;
    drop(server);
    let server = Server::start(port, true);
    let back = until(&camera, "the return", |s| s.state == CameraState::Online).await;
    assert!(back.counters.reconnects >= 2, "{back:?}");
    let decoded = back.counters.frames_decoded;
    let new = frame(&hub).await;
    assert!(new.time.utc > before.unwrap().time.utc);
    let last = until(&camera, "more frames", |s| s.counters.frames_decoded > decoded + 5).await;
    assert!(last.counters.frames_received > last.counters.frames_decoded, "both streams are counted");
    assert_eq!(camera.panics(), 0);
    camera.stop().await;
    assert_eq!(camera.status().state, CameraState::Suspended);
    ring.end();
    drop(server);
    assert!(ring.covers(stopline_types::UtcUs(i64::MAX)), "nothing more will come");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_are_told_apart() {
    let server = Server::start(0, true);
    let dir = tempfile::tempdir().unwrap();
    let (right, wrong) = (password_file(&dir, PASSWORD), password_file(&dir, "sai-mat-khau"));
    let sub = || serde_json::json!({"sub": {"url": server.sub}});
    let fault = async |streams: Streams| {
        let error = probe(&gate(), &streams, &Devices::default(), PATIENCE)
            .await
            .remove(&StreamRole::Sub)
            .unwrap()
            .unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("camera gate, sub stream rtsp://127.0.0.1:") && text.contains("; came"), "{text}");
        assert!(!text.contains(PASSWORD) && !text.contains("sai-mat-khau"), "{text}");
        error.fault
    };
    assert_eq!(fault(streams(sub(), Some(&wrong))).await, SessionFault::WrongLogin { user: "viewer".into() });
    assert_eq!(fault(streams(sub(), None)).await, SessionFault::LoginWanted);
    let elsewhere = serde_json::json!({"sub": {"url": format!("rtsp://127.0.0.1:{}/none", server.port)}});
    assert_eq!(fault(streams(elsewhere, Some(&right))).await, SessionFault::Refused { status: 404 });
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = serde_json::json!({"sub": {"url": format!("rtsp://viewer:{PASSWORD}@{closed}/x")}});
    assert!(matches!(fault(streams(nobody, None)).await, SessionFault::Unreachable { .. }));

    // A camera with a wrong password is offline and says why; the other cameras do not notice.
    let hub = Hub::new();
    let camera = start(streams(sub(), Some(&wrong)), hub.mailbox(&gate(), 1.0));
    let status = until(&camera, "the refusal", |s| s.state == CameraState::Suspended).await;
    assert!(status.reason.contains("user name or password is wrong"), "{}", status.reason);
    let json = serde_json::json!({"sub": {"url": server.sub}});
    let other = start(streams(json, Some(&right)), hub.mailbox(&gate(), 1.0));
    until(&other, "frames", |s| s.state == CameraState::Online && s.counters.frames_decoded > 0).await;
    camera.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_tells_what_comes() {
    let server = Server::start(0, false);
    let json = serde_json::json!({"main": {"url": server.main}, "sub": {"url": server.sub}});
    let probes = probe(&gate(), &streams(json, None), &Devices::default(), PATIENCE).await;
    for (role, size) in [(StreamRole::Main, SizePx { w: 1920, h: 1080 }), (StreamRole::Sub, SizePx { w: 640, h: 360 })]
    {
        let probe = probes[&role].as_ref().unwrap();
        assert_eq!((probe.codec, probe.size, probe.gop), (Codec::H264, size, Some(25)), "{probe:?}");
        assert!((probe.fps.unwrap() - 12.5).abs() < 0.2, "{probe:?}");
        assert!((100.0..10_000.0).contains(&probe.kbit_s.unwrap()), "{probe:?}");
        assert_eq!(probe.time_source, TimeSource::SenderReport);
        assert!(probe.clock_offset_ms.unwrap().abs() < 1000.0 && probe.clock_distrusted.is_none(), "{probe:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_camera_that_says_nothing_stalls_out() {
    // Accepts and never answers: the connection must not hold the camera for ever.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let json = serde_json::json!({"sub": {"url": format!("rtsp://{}/x", silent.local_addr().unwrap())}});
    let hub = Hub::new();
    let camera = start(streams(json, None), hub.mailbox(&gate(), 1.0));
    let status = until(&camera, "giving up", |s| s.state == CameraState::Offline).await;
    assert!(status.reason.contains("within 10 s; came none"), "{}", status.reason);
    camera.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unusual_cameras_are_taken_or_refused_with_the_reason() {
    let server = Server::odd(&["/jpeg=jpeg", "/sound=sound", "/h265=h265"]);
    let at = |path: &str| {
        let url = format!("rtsp://127.0.0.1:{}/{path}", server.port);
        streams(serde_json::json!({"main": {"url": url}}), None)
    };
    let probe = async |path: &str| {
        probe(&gate(), &at(path), &Devices::default(), PATIENCE).await.remove(&StreamRole::Main).unwrap()
    };
    let jpeg = probe("jpeg").await.unwrap();
    assert_eq!((jpeg.codec, jpeg.size, jpeg.gop), (Codec::Mjpeg, SizePx { w: 320, h: 240 }, Some(1)));
    let sound = probe("sound").await.unwrap_err().fault;
    assert!(matches!(&sound, SessionFault::NoVideo { came } if came.contains("audio (pcma)")), "{sound}");

    // Analysed and kept by the same stream, and the clip read again.
    for (path, codec) in [("h265", Codec::H265), ("jpeg", Codec::Mjpeg)] {
        let hub = Hub::new();
        let camera = start(at(path), hub.mailbox(&gate(), 1.0));
        let first = frame(&hub).await;
        assert_eq!((first.role, first.source), (StreamRole::Main, SizePx { w: 320, h: 240 }));
        let ring = camera.evidence_ring();
        while !ring.covers(first.time.utc.plus_s(1.0)) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let cut = ring.cut(first.time.utc, first.time.utc.plus_s(1.0)).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let clip = dir.path().join("clip.mp4");
        let info = cut.write_mp4(&clip).unwrap();
        assert_eq!(info.codec, codec);
        let mut again = stopline_ingest::replay::FileCamera::open(
            &clip,
            gate(),
            None,
            AnalysePlan { fit: SizePx { w: 320, h: 240 }, max_fps: 0.0, crops: Vec::new(), region: None },
            RingLimits { seconds: 1.0, bytes: 1 << 20 },
        )
        .unwrap();
        let mut frames = 0;
        while again.next().unwrap().is_some() {
            frames += 1;
        }
        assert_eq!(frames, info.packets);
        camera.stop().await;
    }
}
