//! Every camera probed, side by side.

use std::{io::IsTerminal as _, io::Write as _, time::Duration};

use comfy_table::{Table, presets::UTF8_BORDERS_ONLY};
use serde::Serialize;
use stopline_ingest::{
    SessionError,
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
    /// Why not, in words.
    pub fault: Option<String>,
}

pub(super) async fn probe_all(config: &Config, timeout: Duration) -> Vec<Probed> {
    let mut waiting = config.cameras.iter().cloned();
    let mut running = tokio::task::JoinSet::new();
    let mut done = Vec::new();
    let (total, terminal) = (config.cameras.len(), std::io::stderr().is_terminal());
    for camera in waiting.by_ref().take(AT_ONCE) {
        running.spawn(one(camera, timeout));
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
            running.spawn(one(camera, timeout));
        }
    }
    if terminal {
        drop(write!(std::io::stderr(), "\r{:40}\r", ""));
    }
    done.sort_by(|a, b| (&a.camera, a.stream).cmp(&(&b.camera, b.stream)));
    done
}

async fn one(camera: CameraConfig, timeout: Duration) -> Vec<Probed> {
    let analysed = camera.streams.analysed();
    let answers = probe(&camera.id, &camera.streams, timeout).await;
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
    table.set_header(["camera", "stream", "state", "codec", "size", "fps", "GOP", "kbit/s", "clock ms", "why"]);
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
            figure(p.clock_offset_ms),
            p.fault.clone().unwrap_or_default(),
        ]);
    }
    table.to_string()
}
