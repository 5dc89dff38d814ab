//! `/metrics` in Prometheus' text format (<https://prometheus.io/docs/instrumenting/exposition_formats/>), on an address
//! of its own: it names cameras, and the pages' log-in is not for machines.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context as _;
use axum::{Router, http::header::CONTENT_TYPE, routing::get};
use stopline_detect::inference::Known;
use stopline_ingest::RingStats;
use stopline_types::{CameraState, CameraStatus};
use tokio::{net::TcpListener, task::JoinHandle};

use super::cameras::Cameras;

const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";
const STATES: [CameraState; 6] = [
    CameraState::Connecting,
    CameraState::Online,
    CameraState::Degraded,
    CameraState::Stalled,
    CameraState::Offline,
    CameraState::Suspended,
];

/// Serves until the task is aborted; gives the address too, since port 0 means any.
pub(super) async fn serve(
    listen: SocketAddr,
    cameras: Arc<Cameras>,
    known: Arc<Known>,
) -> anyhow::Result<(SocketAddr, JoinHandle<()>)> {
    let listener = TcpListener::bind(listen).await.with_context(|| format!("metrics.listen: {listen}"))?;
    let address = listener.local_addr()?;
    let answer = move || {
        let seen: Vec<_> = cameras.all().iter().map(|e| (e.status(), e.source.ring.stats())).collect();
        std::future::ready(([(CONTENT_TYPE, FORMAT)], text(&seen) + &pixels(&known)))
    };
    let router = Router::new().route("/metrics", get(answer));
    let task = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "the metrics ended");
        }
    });
    Ok((address, task))
}

/// One metric: name, help, type, and for each camera its samples.
type Samples = Vec<(&'static str, f64)>;
type Metric = (&'static str, &'static str, &'static str, fn(&CameraStatus, &RingStats) -> Samples);

fn one(value: u64) -> Samples {
    vec![("", value as f64)]
}

fn known(value: Option<f64>) -> Samples {
    value.map(|value| ("", value)).into_iter().collect()
}

const METRICS: [Metric; 19] = [
    ("stopline_camera_state", "1 for the state the camera is in.", "gauge", |c, _| {
        STATES.map(|state| (state_label(state), f64::from(u8::from(state == c.state)))).to_vec()
    }),
    ("stopline_camera_state_since_seconds", "Unix time since which it is in that state.", "gauge", |c, _| {
        known(Some(c.since.0 as f64 / 1e6))
    }),
    ("stopline_camera_last_frame_seconds", "Unix time of the last frame received.", "gauge", |c, _| {
        known(c.last_frame.map(|at| at.0 as f64 / 1e6))
    }),
    ("stopline_frames_received_total", "Encoded frames received, all streams.", "counter", |c, _| {
        one(c.counters.frames_received)
    }),
    ("stopline_frames_decoded_total", "Frames decoded.", "counter", |c, _| one(c.counters.frames_decoded)),
    ("stopline_frames_analysed_total", "Frames the detector looked at.", "counter", |c, _| {
        one(c.counters.frames_analysed)
    }),
    ("stopline_frames_skipped_total", "Frames of the analysed stream not looked at, and why.", "counter", |c, _| {
        vec![
            ("reason=\"superseded\"", c.counters.frames_superseded as f64),
            ("reason=\"over_rate\"", c.counters.frames_over_rate as f64),
            ("reason=\"undecodable\"", c.counters.frames_undecodable as f64),
            ("reason=\"quiet\"", c.counters.frames_gated as f64),
        ]
    }),
    ("stopline_gate_wakes_total", "Times the quiet of a gated camera ended.", "counter", |c, _| {
        one(c.counters.gate_wakes)
    }),
    ("stopline_decode_seconds_total", "Time spent decoding and scaling.", "counter", |c, _| {
        known(Some(c.counters.decode_ms as f64 / 1e3))
    }),
    ("stopline_bytes_received_total", "Bytes of encoded frames received.", "counter", |c, _| {
        one(c.counters.bytes_received)
    }),
    ("stopline_packets_lost_total", "Packets lost or unusable.", "counter", |c, _| one(c.counters.packets_lost)),
    ("stopline_reconnects_total", "Sessions that ended and were opened again.", "counter", |c, _| {
        one(c.counters.reconnects)
    }),
    ("stopline_analysed_frames_per_second", "Over the last ten seconds.", "gauge", |c, _| known(Some(c.analysed_fps))),
    ("stopline_clock_error_seconds", "Half width of the interval a capture time lies in.", "gauge", |c, _| {
        known(c.clock_error_ms.map(|ms| ms / 1e3))
    }),
    ("stopline_clock_offset_seconds", "Camera's clock minus ours, delay included.", "gauge", |c, _| {
        known(c.clock_offset_ms.map(|ms| ms / 1e3))
    }),
    ("stopline_clock_drift_ppm", "How fast the camera's clock runs away from ours.", "gauge", |c, _| {
        known(c.clock_drift_ppm)
    }),
    ("stopline_clock_steps_total", "Times the camera's clock was set.", "counter", |c, _| one(c.counters.clock_steps)),
    ("stopline_ring_bytes", "Packets kept for evidence.", "gauge", |_, ring| one(ring.bytes as u64)),
    ("stopline_ring_seconds", "How far back they go.", "gauge", |_, ring| known(Some(ring.seconds))),
];

const fn state_label(state: CameraState) -> &'static str {
    match state {
        CameraState::Connecting => "state=\"connecting\"",
        CameraState::Online => "state=\"online\"",
        CameraState::Degraded => "state=\"degraded\"",
        CameraState::Stalled => "state=\"stalled\"",
        CameraState::Offline => "state=\"offline\"",
        CameraState::Suspended => "state=\"suspended\"",
    }
}

fn text(cameras: &[(CameraStatus, RingStats)]) -> String {
    let mut out = String::new();
    for (name, help, kind, samples) in METRICS {
        out += &format!("# HELP {name} {help}\n# TYPE {name} {kind}\n");
        for (status, ring) in cameras {
            for (label, value) in samples(status, ring) {
                let comma = if label.is_empty() { "" } else { "," };
                // An id holds nothing that would need escaping.
                out += &format!("{name}{{camera=\"{}\"{comma}{label}}} {value}\n", status.camera);
            }
        }
    }
    out
}

/// What the detector was spared, of all cameras together.
fn pixels(known: &Known) -> String {
    let (looked, shown) = known.pixels();
    let name = "stopline_detector_pixels_total";
    format!(
        "# HELP {name} Pixels of analysed frames: looked at by the model, and spared because nothing changed there.\n\
         # TYPE {name} counter\n{name}{{what=\"looked_at\"}} {looked}\n{name}{{what=\"spared\"}} {}\n",
        shown.saturating_sub(looked)
    )
}

#[cfg(test)]
mod tests {
    use stopline_types::{CameraCounters, CameraId, UtcUs};

    use super::*;

    #[test]
    fn every_camera_has_its_lines() {
        let counters = CameraCounters { frames_gated: 7, decode_ms: 1500, ..Default::default() };
        let status = CameraStatus {
            camera: CameraId::new("gate-1").expect("an id"),
            name: "Gate".into(),
            state: CameraState::Stalled,
            reason: "no frame".into(),
            rules_rest: None,
            since: UtcUs(2_000_000),
            last_frame: None,
            analysed_fps: 0.0,
            clock_error_ms: Some(40.0),
            clock_offset_ms: None,
            clock_drift_ppm: None,
            counters,
        };
        let ring = RingStats { packets: 1, bytes: 10, seconds: 2.5, newest: None, packets_given_up: 0 };
        let text = text(&[(status, ring)]);
        for line in [
            "stopline_camera_state{camera=\"gate-1\",state=\"stalled\"} 1",
            "stopline_camera_state{camera=\"gate-1\",state=\"online\"} 0",
            "stopline_frames_skipped_total{camera=\"gate-1\",reason=\"quiet\"} 7",
            "stopline_decode_seconds_total{camera=\"gate-1\"} 1.5",
            "stopline_clock_error_seconds{camera=\"gate-1\"} 0.04",
            "stopline_ring_seconds{camera=\"gate-1\"} 2.5",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
        assert!(!text.contains("stopline_clock_offset_seconds{"), "unknown is not zero");
    }
}
