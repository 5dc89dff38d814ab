//! Noise in everything a camera sends: what real servers send (SDP, RTP, RTCP; H.264, H.265, MJPEG) with bytes changed,
//! lost and doubled on the way. An error and a counter may come of it, never a crash or a hang: afterwards, clean bytes
//! give pictures again.
//!
//! `STOPLINE_FUZZ_S` says for how long each codec is treated so; the default keeps the gate short.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use std::time::{Duration, Instant};

use common::{
    Server,
    proxy::{Fault, Proxy},
    start_with, streams, until,
};
use stopline_ingest::{Devices, handoff::Hub};
use stopline_types::{CameraId, CameraState};

const CAMERAS: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn noise_is_survived() {
    let seconds = std::env::var("STOPLINE_FUZZ_S").ok().map_or(6.0, |text| text.parse::<f64>().unwrap());
    for kind in ["h264", "h265", "jpeg"] {
        let server = Server::odd(&[&format!("/cam={kind}")]);
        let hub = Hub::new();
        let devices = Devices::default();
        let mut watched = Vec::new();
        for n in 0..CAMERAS {
            let proxy = Proxy::start(server.port).await;
            // From one byte in a hundred to one in a hundred thousand; messages are hit as packets are.
            proxy.set(Fault::Noise { one_in: 100 * 10_u32.pow(n as u32 % 4) });
            let id = CameraId::new(&format!("{kind}-{n}")).unwrap();
            let json = serde_json::json!({"main": {"url": proxy.url("cam")}});
            watched.push((start_with(streams(json, None), hub.mailbox(&id, 1.0), &devices), proxy));
        }
        let began = Instant::now();
        while began.elapsed().as_secs_f64() < seconds {
            drop(hub.take(CAMERAS, Duration::ZERO));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        for (camera, proxy) in &watched {
            proxy.set(Fault::None);
            let decoded = camera.status().counters.frames_decoded;
            let back = |s: &stopline_types::CameraStatus| {
                s.counters.frames_decoded > decoded + 5
                    && matches!(s.state, CameraState::Online | CameraState::Degraded)
            };
            let status = until(camera, "clean pictures after noise", back).await;
            println!("{kind}: {:?}", status.counters);
            assert_eq!(camera.panics(), 0);
        }
        for (camera, _) in &watched {
            camera.stop().await;
        }
    }
}
