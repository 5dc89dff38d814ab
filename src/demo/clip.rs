//! A clip that the simulated cameras can stream: H.264 without B-frames, as cameras send it. Others are converted once.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};
use serde::Deserialize;

use crate::command::say;

#[derive(Deserialize)]
struct Probe {
    streams: Vec<Stream>,
}

#[derive(Deserialize)]
struct Stream {
    codec_name: Option<String>,
    #[serde(default)]
    has_b_frames: u32,
}

/// `clip` itself if it can be streamed, else a copy below `dir` that can.
pub(super) fn streamable(clip: &Path, dir: &Path) -> anyhow::Result<PathBuf> {
    let probe = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "v:0", "-show_entries", "stream=codec_name,has_b_frames"])
        .args(["-of", "json"])
        .arg(clip)
        .output()
        .context("ffprobe is missing: run `make setup`")?;
    if !probe.status.success() {
        bail!("{}: {}", clip.display(), String::from_utf8_lossy(&probe.stderr).trim());
    }
    let probe: Probe = serde_json::from_slice(&probe.stdout).context("ffprobe's answer")?;
    let Some(stream) = probe.streams.first() else { bail!("{}: no pictures in it", clip.display()) };
    let codec = stream.codec_name.as_deref().unwrap_or("unknown");
    if codec == "h264" && stream.has_b_frames == 0 {
        return Ok(clip.to_owned());
    }
    let copy = dir.join("clip.mp4");
    say(format!("converting {} ({codec}) to H.264 without B-frames, as cameras send it", clip.display()))?;
    let part = dir.join("clip.part.mp4");
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-i"])
        .arg(clip)
        .args(["-an", "-c:v", "libx264", "-preset", "veryfast", "-crf", "18", "-bf", "0", "-g", "50"])
        .args(["-pix_fmt", "yuv420p"])
        .arg(&part)
        .status()
        .context("ffmpeg is missing: run `make setup`")?;
    if !made.success() {
        bail!("{}: ffmpeg could not convert it; its own words stand above", clip.display());
    }
    fs::rename(&part, &copy)?;
    Ok(copy)
}
