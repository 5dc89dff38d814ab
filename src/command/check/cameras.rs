//! Every camera probed, side by side.

use std::{io::IsTerminal as _, io::Write as _, time::Duration};

use comfy_table::{Table, presets::UTF8_BORDERS_ONLY};
use serde::Serialize;
use stopline_ingest::{
    Devices, SessionError,
    probe::{Probe, probe},
};
use stopline_types::StreamRole;

use crate::config::{CameraConfig, Config};

/// Cameras probed at the same time.
const AT_ONCE: usize = 32;

/// One stream's answer.
#[derive(Debug, Serialize)]
pub(super) struct Probed {
    pub camera: String,
    pub stream: StreamRole,
    /// This is the stream that frames are analysed from.
    pub analysed: bool,
    pub good: bool,
    pub codec: Option<String>,
    pub size: Option<stopline_types::SizePx>,
    pub fps: Option<f64>,
    /// Frames from one key frame to the next.
    pub gop: Option<usize>,
    pub kbit_s: Option<f64>,
    pub clock_offset_ms: Option<f64>,
    /// What decoding and looking at it will take.
    pub expected_cores: Option<f64>,
    /// Why not, in words.
    pub fault: Option<String>,
}

pub(super) async fn probe_all(config: &Config, timeout: Duration) -> Vec<Probed> {
    // Turned off: not to be connected to.
    let mut waiting = config.cameras.iter().filter(|camera| camera.enabled).cloned();
    let devices = Devices::default();
    let mut running = tokio::task::JoinSet::new();
    let mut done = Vec::new();
    let (total, terminal) = (waiting.clone().count(), std::io::stderr().is_terminal());
    for camera in waiting.by_ref().take(AT_ONCE) {
        running.spawn(one(camera, devices.clone(), timeout));
    }
    let mut cameras_done = 0;
    while let Some(result) = running.join_next().await {
        match result {
            Ok(mut streams) => done.append(&mut streams),
            Err(error) => tracing::error!(%error, "a probe ended badly"),
        }
        cameras_done += 1;
        if terminal {
            drop(write!(std::io::stderr(), "\r{cameras_done} of {total} cameras probed "));
        }
        if let Some(camera) = waiting.next() {
            running.spawn(one(camera, devices.clone(), timeout));
        }
    }
    if terminal {
        drop(write!(std::io::stderr(), "\r{:40}\r", ""));
    }
    done.sort_by(|a, b| (&a.camera, a.stream).cmp(&(&b.camera, b.stream)));
    done
}

/// Decoding and scaling 1920×1080 at 25 frames/s on one thread takes about a tenth of a core (`--example cores` of stopline-ingest
/// measures it; a rendered junction at 4 Mbit/s, benches/RESULTS.md).
const DECODE_CORES_PER_PX_S: f64 = 0.1 / (1920.0 * 1080.0 * 25.0);

/// Receiving 4 Mbit/s into the ring takes about four thousandths of a core (the same example).
const RECEIVE_CORES_PER_KBIT_S: f64 = 0.004 / 4000.0;

/// Adds what each stream will cost: the analysed one is decoded whole and looked at up to `max_fps` times a second, for
/// `inference` each; the other is only received. A gate saves what the road's quiet allows; none is reckoned with.
pub(super) fn estimate(probed: &mut [Probed], max_fps: f64, inference: Duration) {
    for p in probed.iter_mut().filter(|p| p.good) {
        let (Some(size), Some(fps)) = (p.size, p.fps) else { continue };
        let px_s = f64::from(size.w) * f64::from(size.h) * fps;
        let looked_at = fps.min(max_fps) * inference.as_secs_f64();
        let received = p.kbit_s.unwrap_or_default() * RECEIVE_CORES_PER_KBIT_S;
        p.expected_cores = Some(if p.analysed { px_s * DECODE_CORES_PER_PX_S + looked_at } else { 0.0 } + received);
    }
}

async fn one(camera: CameraConfig, devices: Devices, timeout: Duration) -> Vec<Probed> {
    let analysed = camera.streams.analysed();
    let answers = probe(&camera.id, &camera.streams, &devices, timeout).await;
    let row = |(stream, answer): (StreamRole, Result<Probe, SessionError>)| {
        let id = camera.id.to_string();
        let mut probed = Probed {
            camera: id,
            stream,
            analysed: stream == analysed,
            good: answer.is_ok(),
            codec: None,
            size: None,
            fps: None,
            gop: None,
            kbit_s: None,
            clock_offset_ms: None,
            expected_cores: None,
            fault: None,
        };
        match answer {
            Ok(found) => {
                probed.codec = Some(found.codec.to_string());
                probed.size = Some(found.size);
                probed.fps = found.fps;
                probed.gop = found.gop;
                probed.kbit_s = found.kbit_s;
                probed.clock_offset_ms = found.clock_offset_ms;
            }
            // Camera and stream stand in the row already.
            Err(error) => probed.fault = Some(error.fault.to_string()),
        }
        probed
    };
    answers.into_iter().map(row).collect()
}

pub(super) fn table(probed: &[Probed]) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    table
        .set_header(["camera", "stream", "state", "codec", "size", "fps", "GOP", "kbit/s", "clock ms", "cores", "why"]);
    let figure = |value: Option<f64>| value.map(|v| format!("{v:.1}")).unwrap_or_default();
    for p in probed {
        table.add_row([
            p.camera.clone(),
            format!("{}{}", p.stream, if p.analysed { " (analysed)" } else { "" }),
            if p.good { "good" } else { "FAULT" }.to_owned(),
            p.codec.clone().unwrap_or_default(),
            p.size.map(|size| size.to_string()).unwrap_or_default(),
            figure(p.fps),
            p.gop.map(|frames| frames.to_string()).unwrap_or_default(),
            figure(p.kbit_s),
            // Adding zero turns "-0" into "+0".
            p.clock_offset_ms.map(|ms| format!("{:+.0}", ms.round() + 0.0)).unwrap_or_default(),
            p.expected_cores.map(|cores| format!("{cores:.3}")).unwrap_or_default(),
            p.fault.clone().unwrap_or_default(),
        ]);
    }
    table.to_string()
}
