//! The usual shape: a process for each camera that decodes down to five frames a second, and a model that looks at each of them.

use std::{
    io::Read as _,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use stopline_types::{BgrImage, CameraId, CaptureTime, Frame, SizePx, StreamRole, TimeSource, UtcUs};

use super::{ANALYSED_FPS, Crowd, end, process_cpu_s};
use crate::{cli::DensityArgs, config::EngineConfig, engine::detection};

pub(super) struct Theirs {
    pub decode: f64,
    pub model: f64,
}

struct Ffmpeg(Child);

impl Drop for Ffmpeg {
    fn drop(&mut self) {
        end(&mut self.0);
    }
}

pub(super) fn measure(args: &DensityArgs, crowd: &Crowd, config: &EngineConfig) -> anyhow::Result<Theirs> {
    let mut detector = detection::detectors(config, 1)?.pop().context("no detector")?;
    let size = SizePx { w: 640, h: 360 };
    let (frames, arrived) = std::sync::mpsc::sync_channel::<Vec<u8>>(args.cameras);
    let mut running = Vec::new();
    for n in 0..args.cameras {
        let mut child = ffmpeg(&crowd.url("sub", n), size)?;
        let mut pipe = child.stdout.take().context("piped")?;
        running.push(Ffmpeg(child));
        let frames = frames.clone();
        std::thread::spawn(move || {
            loop {
                let mut pixels = vec![0; 3 * (size.w * size.h) as usize];
                if pipe.read_exact(&mut pixels).is_err() || frames.send(pixels).is_err() {
                    return;
                }
            }
        });
    }
    drop(frames);
    let decoded_s = |running: &[Ffmpeg]| running.iter().map(|child| process_cpu_s(child.0.id())).sum::<f64>();
    let mut look = |pixels: Vec<u8>| detector.detect(&[&frame(pixels, size)?]).map_err(anyhow::Error::from).map(drop);
    // Their start is not what is measured.
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(8) {
        look(arrived.recv_timeout(Duration::from_secs(30)).context("ffmpeg gives no pictures")?)?;
    }
    let before = (decoded_s(&running), process_cpu_s(std::process::id()));
    let (began, mut looked_at) = (Instant::now(), 0_u32);
    while began.elapsed() < Duration::from_secs(args.seconds) {
        look(arrived.recv_timeout(Duration::from_secs(30)).context("ffmpeg gives no pictures")?)?;
        looked_at += 1;
    }
    let film_s = f64::from(looked_at) / ANALYSED_FPS;
    Ok(Theirs {
        decode: (decoded_s(&running) - before.0) / film_s,
        model: (process_cpu_s(std::process::id()) - before.1) / film_s,
    })
}

/// Frigate 0.18's arguments for a detect stream, but for the pictures: in the detector's own size and layout, which spares its
/// side the second scaling.
fn ffmpeg(url: &str, size: SizePx) -> anyhow::Result<Child> {
    let mut command = Command::new("ffmpeg");
    command
        .args(["-hide_banner", "-loglevel", "warning", "-threads", "2", "-avoid_negative_ts", "make_zero"])
        .args(["-fflags", "+genpts+discardcorrupt", "-rtsp_transport", "tcp", "-timeout", "5000000"])
        .args(["-use_wallclock_as_timestamps", "1", "-i", url, "-r", "5"])
        .args(["-vf", &format!("fps=5,scale={}:{}", size.w, size.h), "-threads", "2", "-f", "rawvideo"])
        .args(["-pix_fmt", "bgr24", "pipe:"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().context("ffmpeg")
}

fn frame(data: Vec<u8>, size: SizePx) -> anyhow::Result<Frame> {
    Ok(Frame {
        camera: CameraId::new("bench")?,
        role: StreamRole::Sub,
        seq: 0,
        time: CaptureTime { utc: UtcUs(0), error_ms: None, source: TimeSource::FileNominal },
        media_s: 0.0,
        source: size,
        image: BgrImage { size, data },
        part: None,
        crops: Vec::new(),
        received: None,
    })
}
