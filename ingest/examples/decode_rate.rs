//! Frames a second of our decode path (file → BGR at the detector's size) beside the bare decoder on the same file, in
//! one run on one thread: `cargo run --release -p stopline-ingest --example decode_rate -- FILE [WIDTH HEIGHT]`.
//! Prints `{"file":…,"frames":…,"fit":[w,h],"raw_decode_fps":…,"stopline_decode_fps":…}`.
#![allow(clippy::print_stdout)]

use std::{error::Error, path::Path, time::Instant};

use ffmpeg_next as ffmpeg;
use stopline_ingest::{AnalysePlan, RingLimits, replay::FileCamera};
use stopline_types::{CameraId, SizePx};

/// Rounds of each, taken in turn so that a change of the machine's speed hits both; the best counts.
const ROUNDS: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (file, fit) = match arguments.as_slice() {
        [file] => (file, SizePx { w: 640, h: 480 }),
        [file, w, h] => (file, SizePx { w: w.parse()?, h: h.parse()? }),
        _ => return Err("expected FILE [WIDTH HEIGHT]".into()),
    };
    let path = Path::new(file);
    let (mut raw_best, mut ours_best, mut frames) = (0.0_f64, 0.0_f64, 0);
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let decoded = raw(path)?;
        raw_best = raw_best.max(decoded as f64 / begun.elapsed().as_secs_f64());
        let begun = Instant::now();
        frames = ours(path, fit)?;
        ours_best = ours_best.max(frames as f64 / begun.elapsed().as_secs_f64());
        if frames != decoded {
            return Err(format!("{file}: the bare decoder gave {decoded} frames, ours {frames}").into());
        }
    }
    let report = serde_json::json!({
        "file": file,
        "frames": frames,
        "fit": fit,
        "raw_decode_fps": raw_best.round(),
        "stopline_decode_fps": ours_best.round(),
    });
    println!("{report}");
    Ok(())
}

/// libavformat and libavcodec alone, one thread, pictures thrown away.
fn raw(path: &Path) -> Result<usize, Box<dyn Error>> {
    let mut input = ffmpeg::format::input(path)?;
    let stream = input.streams().best(ffmpeg::media::Type::Video).ok_or("no video stream")?;
    let index = stream.index();
    let mut context = ffmpeg::codec::Context::from_parameters(stream.parameters())?;
    context.set_threading(ffmpeg::threading::Config { count: 1, ..Default::default() });
    let mut decoder = context.decoder().video()?;
    let mut picture = ffmpeg::frame::Video::empty();
    let mut frames = 0;
    let packets: Vec<_> = input.packets().filter(|(stream, _)| stream.index() == index).map(|(_, p)| p).collect();
    for packet in &packets {
        decoder.send_packet(packet)?;
        while decoder.receive_frame(&mut picture).is_ok() {
            frames += 1;
        }
    }
    decoder.send_eof()?;
    while decoder.receive_frame(&mut picture).is_ok() {
        frames += 1;
    }
    Ok(frames)
}

/// As a replay does it: demuxed, kept in a ring, decoded, scaled to the detector's size in BGR.
fn ours(path: &Path, fit: SizePx) -> Result<usize, Box<dyn Error>> {
    let plan = AnalysePlan { fit, max_fps: f64::INFINITY, crops: Vec::new() };
    let limits = RingLimits { seconds: 10.0, bytes: 64 << 20 };
    let mut file = FileCamera::open(path, CameraId::new("bench")?, None, plan, limits)?;
    let mut frames = 0;
    while file.next()?.is_some() {
        frames += 1;
    }
    Ok(frames)
}
