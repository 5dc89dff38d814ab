//! `stopline scene preview`: the scene drawn on a frame of a file, a clip or the camera itself.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use stopline_detect::scene::preview;
use stopline_ingest::{AnalysePlan, Camera, CameraSpec, Devices, Ring, RingLimits, handoff::Hub, replay::FileCamera};
use stopline_types::{BgrImage, Frame, SizePx};

use super::super::say;
use crate::{Outcome, WrongUse, config::CameraConfig};

/// Longest side of the drawn picture, pixels.
const LARGEST: SizePx = SizePx { w: 3840, h: 2160 };
/// How long the camera may take to show a frame.
const PATIENCE: Duration = Duration::from_secs(20);
/// Plenty for the one frame that is wanted.
const RING: RingLimits = RingLimits { seconds: 2.0, bytes: 16 << 20 };

/// Where the frame comes from.
pub(super) enum From<'a> {
    Image(&'a Path),
    /// A clip, and the second of it.
    Video(&'a Path, f64),
    Camera,
}

pub(super) fn run(camera: &CameraConfig, from: From<'_>, out: &Path) -> anyhow::Result<Outcome> {
    let scene = super::scene_of(camera)?;
    if out.extension().is_none_or(|ext| !ext.eq_ignore_ascii_case("png")) {
        return Err(WrongUse(format!("{}: expected a name that ends in .png", out.display())).into());
    }
    let mut picture = match from {
        From::Image(file) => of_image(file)?,
        From::Video(file, at_s) => of_video(camera, file, at_s)?,
        From::Camera => of_camera(camera)?,
    };
    preview::draw(scene, &mut picture).map_err(WrongUse)?;
    let SizePx { w, h } = picture.size;
    picture.data.chunks_exact_mut(3).for_each(|pixel| pixel.swap(0, 2));
    let rgb = image::RgbImage::from_raw(w, h, picture.data).context("the picture's size")?;
    rgb.save(out).with_context(|| out.display().to_string())?;
    for warning in scene.warnings() {
        say(format_args!("warning: {warning}"))?;
    }
    say(format_args!("{}: camera {}, scene {}, {w}×{h}", out.display(), camera.id, scene.version()))?;
    Ok(Outcome::Success)
}

fn of_image(file: &Path) -> anyhow::Result<BgrImage> {
    let rgb = image::open(file).with_context(|| file.display().to_string())?.to_rgb8();
    let data = rgb.pixels().flat_map(|p| [p.0[2], p.0[1], p.0[0]]).collect();
    Ok(BgrImage { size: [rgb.width(), rgb.height()].into(), data })
}

/// Frames at the stream's own size, but no larger than [`LARGEST`].
fn plan(source: SizePx) -> AnalysePlan {
    AnalysePlan { fit: source.fit(LARGEST, false), max_fps: 0.0, crops: Vec::new(), region: None }
}

fn of_video(camera: &CameraConfig, file: &Path, at_s: f64) -> anyhow::Result<BgrImage> {
    let open = |fit| FileCamera::open(file, camera.id.clone(), None, plan(fit), RING);
    let size = open(LARGEST)?.info().size;
    let mut source = open(size)?;
    let mut last: Option<Frame> = None;
    while let Some(frame) = source.next()? {
        let there = frame.media_s >= at_s - 1e-6;
        last = Some(frame);
        if there {
            break;
        }
    }
    let frame = last.with_context(|| format!("{}: no frame", file.display()))?;
    anyhow::ensure!(
        frame.media_s >= at_s - 1.0,
        "{}: expected a frame at {at_s} s; the last is at {:.2} s",
        file.display(),
        frame.media_s
    );
    Ok(frame.image)
}

fn of_camera(camera: &CameraConfig) -> anyhow::Result<BgrImage> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let hub = Hub::new();
    let size = camera.scene.as_ref().map_or(LARGEST, |scene| scene.frame);
    let spec = CameraSpec {
        id: camera.id.clone(),
        name: camera.name.clone(),
        streams: Some(camera.streams.clone()),
        plan: Some(plan(size)),
        ring: Ring::new(RING),
    };
    let mailbox = hub.mailbox(&camera.id, 1.0);
    let started = Camera::start(spec, mailbox, &Devices::default(), runtime.handle())?;
    let began = Instant::now();
    let mut picture = None;
    while picture.is_none() && began.elapsed() < PATIENCE {
        let turns = hub.take(1, Duration::from_millis(250)).unwrap_or_default();
        picture = turns.first().map(|turn| {
            let frame: &Frame = turn.as_ref();
            frame.image.clone()
        });
    }
    let status = started.status();
    runtime.block_on(started.stop());
    picture.with_context(|| {
        format!(
            "camera {}: no frame within {} s: {} {}",
            camera.id,
            PATIENCE.as_secs(),
            status.state.as_str(),
            status.reason
        )
    })
}
