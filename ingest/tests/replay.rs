//! Files as cameras, clips and stills, on the rendered junction sample.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use stopline_ingest::{
    AnalysePlan, Codec, CropRequest, PartWanted, RingError, RingLimits, StillError,
    replay::{FileCamera, NOMINAL_START, ReplayError},
};
use stopline_types::{CameraId, Frame, SizePx, TimeSource, UtcUs};

const FIT: SizePx = SizePx { w: 640, h: 480 };

/// The first 14 s of a rendered clip, cut once for all tests.
fn sample(name: &str) -> PathBuf {
    static CUT: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        for name in ["main.mp4", "sub.mp4"] {
            let whole = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/junction_day").join(name);
            let (whole, cut) = (whole.display().to_string(), dir.path().join(name).display().to_string());
            tool("ffmpeg", &["-v", "error", "-i", &whole, "-t", "14", "-c", "copy", &cut]);
        }
        dir
    });
    CUT.path().join(name)
}

fn plan(max_fps: f64) -> AnalysePlan {
    AnalysePlan { fit: FIT, max_fps, crops: vec![CropRequest { x: 0.25, y: 0.25, w: 0.125, h: 0.25 }], region: None }
}

fn open(path: &Path, start: Option<UtcUs>, max_fps: f64) -> Result<FileCamera, ReplayError> {
    let limits = RingLimits { seconds: 60.0, bytes: 64 << 20 };
    FileCamera::open(path, CameraId::new("file").unwrap(), start, plan(max_fps), limits)
}

/// All frames up to the end or the first error.
fn frames(file: &mut FileCamera) -> (Vec<Frame>, Option<ReplayError>) {
    let mut all = Vec::new();
    loop {
        match file.next() {
            Ok(Some(frame)) => all.push(frame),
            Ok(None) => return (all, None),
            Err(e) => return (all, Some(e)),
        }
    }
}

fn digest(frames: &[Frame]) -> u64 {
    let mut hash = DefaultHasher::new();
    for frame in frames {
        (frame.seq, frame.time.utc, &frame.image.data).hash(&mut hash);
        frame.crops.iter().for_each(|crop| (crop.x, crop.y, &crop.image.data).hash(&mut hash));
    }
    hash.finish()
}

/// Runs FFmpeg's own tools, which set-up installs.
fn tool(name: &str, args: &[&str]) -> String {
    let output = Command::new(name).args(args).output().unwrap_or_else(|e| panic!("{name}: {e}; run `make setup`"));
    assert!(output.status.success(), "{name} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn probe(path: &Path, entries: &str) -> Vec<String> {
    let path = path.to_str().unwrap();
    let args = ["-v", "error", "-select_streams", "v:0", "-show_entries", entries, "-of", "csv=p=0", path];
    tool("ffprobe", &args).lines().map(str::to_owned).collect()
}

#[test]
fn every_frame_and_the_same_twice() {
    let run = || {
        let mut file = open(&sample("sub.mp4"), None, 0.0).unwrap();
        let (frames, fault) = frames(&mut file);
        assert!(fault.is_none(), "{fault:?}");
        (digest(&frames), frames, file.info().clone())
    };
    let (first, all, info) = run();
    assert_eq!(all.len(), 175);
    assert_eq!((info.codec, info.size, info.frames_decoded), (Codec::H264, SizePx { w: 640, h: 360 }, 175));
    assert_eq!(
        (info.start.utc, info.start.source, info.start.error_ms),
        (NOMINAL_START, TimeSource::FileNominal, None)
    );
    for (i, frame) in all.iter().enumerate() {
        assert_eq!(frame.seq, i as u64);
        assert!((frame.media_s - i as f64 * 0.08).abs() < 1e-6, "{} at {}", frame.seq, frame.media_s);
        assert_eq!(frame.image.data.len(), 3 * 640 * 360);
    }
    let crop = &all[0].crops[0];
    assert_eq!((crop.index, crop.x, crop.y, crop.image.size), (0, 160, 90, SizePx { w: 80, h: 90 }));
    assert_eq!(first, run().0);
}

#[test]
fn a_crop_is_the_same_place_of_the_frame() {
    let mut file = open(&sample("sub.mp4"), None, 0.0).unwrap();
    let frame = file.next().unwrap().unwrap();
    assert_eq!(frame.image.size, frame.source, "not scaled, so pixels can be compared");
    let crop = &frame.crops[0];
    let mut difference = 0_u64;
    for row in 0..crop.image.size.h as usize {
        for byte in 0..crop.image.size.w as usize * 3 {
            let whole = ((row + crop.y as usize) * 640 + crop.x as usize) * 3 + byte;
            let part = row * crop.image.size.w as usize * 3 + byte;
            difference += u64::from(frame.image.data[whole].abs_diff(crop.image.data[part]));
        }
    }
    let mean = difference as f64 / crop.image.data.len() as f64;
    assert!(mean < 1.0, "mean difference {mean}");
}

#[test]
fn colours_are_those_of_ffmpeg() {
    let mut file = open(&sample("main.mp4"), None, 0.0).unwrap();
    let frame = file.next().unwrap().unwrap();
    assert_eq!((frame.source, frame.image.size), (SizePx { w: 1920, h: 1080 }, SizePx { w: 640, h: 360 }));
    let dir = tempfile::tempdir().unwrap();
    let raw = dir.path().join("frame.bgr");
    let input = sample("main.mp4");
    let scale = "scale=640:360:flags=area:in_color_matrix=bt709,format=bgr24";
    let (input, out) = (input.to_str().unwrap(), raw.to_str().unwrap());
    tool("ffmpeg", &["-v", "error", "-i", input, "-frames:v", "1", "-vf", scale, "-f", "rawvideo", out]);
    let reference = std::fs::read(&raw).unwrap();
    assert_eq!(reference.len(), frame.image.data.len());
    let sum: u64 = reference.iter().zip(&frame.image.data).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    let mean = sum as f64 / reference.len() as f64;
    assert!(mean < 1.5, "mean difference {mean} of 255");
}

#[test]
fn the_rate_is_limited_by_media_time() {
    let mut file = open(&sample("sub.mp4"), None, 5.0).unwrap();
    let (frames, _) = frames(&mut file);
    assert!((69..=72).contains(&frames.len()), "{} of 14 s", frames.len());
    let info = file.info();
    assert_eq!(info.frames_decoded, 175);
    assert_eq!(info.frames_over_rate + frames.len() as u64, 175);
}

#[test]
fn time_starts_where_it_is_told_to() {
    let start = UtcUs::parse("2026-11-21T00:30:00Z").unwrap();
    let mut file = open(&sample("sub.mp4"), Some(start), 0.0).unwrap();
    file.next().unwrap();
    let second = file.next().unwrap().unwrap();
    assert_eq!((second.time.utc, second.time.source), (start.plus_s(0.08), TimeSource::File));
    assert!(second.time.error_ms.is_some());
}

#[test]
fn a_clip_is_cut_at_a_key_frame_and_plays() {
    let start = UtcUs::parse("2026-11-21T00:30:00Z").unwrap();
    let mut file = open(&sample("main.mp4"), Some(start), 1.0).unwrap();
    let (from, to) = (start.plus_s(5.0), start.plus_s(8.0));
    while !file.ring().covers(to) {
        file.next().unwrap().unwrap();
    }
    let cut = file.ring().cut(from, to).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("clip.mp4");
    let info = cut.write_mp4(&path).unwrap();
    assert!(info.first <= from && info.last >= start.plus_s(7.92), "{info:?}");
    assert_eq!((info.codec, info.bytes), (Codec::H264, std::fs::metadata(&path).unwrap().len()));
    let bytes = std::fs::read(&path).unwrap();
    let position = |name: &[u8]| bytes.windows(4).position(|w| w == name).unwrap();
    assert!(position(b"moov") < position(b"mdat"), "the index comes first");

    let decoded = probe(&path, "frame=key_frame,pts_time");
    assert_eq!(decoded.len(), info.packets);
    assert!(decoded[0].starts_with("1,0.00"), "{}", decoded[0]);
    // The very bytes of the file: compared as FFmpeg hashes packets.
    let hash = |path: &Path| {
        let path = path.to_str().unwrap();
        let args =
            ["-v", "error", "-show_data_hash", "md5", "-show_entries", "packet=data_hash", "-of", "csv=p=0", path];
        tool("ffprobe", &args).lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let (clip, whole) = (hash(&path), hash(&sample("main.mp4")));
    let at = whole.windows(clip.len()).position(|window| window == clip);
    assert!(at.is_some(), "packets differ from the source");

    // A clip tells its own time again when it is replayed.
    let mut again = open(&path, None, 0.0).unwrap();
    assert_eq!(again.info().start.source, TimeSource::File);
    assert!(again.info().start.utc.since_s(info.first).abs() < 1.0);
    assert_eq!(frames(&mut again).0.len(), info.packets);
}

#[test]
fn stills_are_full_size_and_of_the_frame_nearest() {
    let start = UtcUs::parse("2026-11-21T00:30:00Z").unwrap();
    let mut file = open(&sample("main.mp4"), Some(start), 1.0).unwrap();
    while file.next().unwrap().is_some() {}
    let cut = file.ring().cut(start.plus_s(3.0), start.plus_s(9.0)).unwrap();
    let wanted = [start.plus_s(8.0), start.plus_s(4.03), start.plus_s(4.03)];
    let stills = cut.stills(&wanted).unwrap();
    assert_eq!(stills.len(), 3);
    assert_eq!(stills[0].image.size, SizePx { w: 1920, h: 1080 });
    assert_eq!(stills[0].time, start.plus_s(8.0));
    assert_eq!(stills[1].time, start.plus_s(4.0));
    assert_eq!(stills[1], stills[2]);
    assert!(cut.stills(&[start.plus_s(30.0)]).unwrap_err().to_string().contains("is wanted"));

    // The same frame as a replay gives, at full size.
    let plan = AnalysePlan { fit: SizePx { w: 1920, h: 1080 }, max_fps: 0.0, crops: Vec::new(), region: None };
    let limits = RingLimits { seconds: 1.0, bytes: 1 << 20 };
    let camera = CameraId::new("file").unwrap();
    let mut all = FileCamera::open(&sample("main.mp4"), camera, Some(start), plan, limits).unwrap();
    let same = std::iter::from_fn(|| all.next().unwrap()).find(|f| f.time.utc == stills[1].time).unwrap();
    assert!(same.image == stills[1].image);
}

#[test]
fn parts_are_those_of_the_stills_and_one_that_fails_keeps_no_other() {
    let start = UtcUs::parse("2026-11-21T00:30:00Z").unwrap();
    let mut file = open(&sample("main.mp4"), Some(start), 1.0).unwrap();
    while file.next().unwrap().is_some() {}
    let cut = file.ring().cut(start.plus_s(3.0), start.plus_s(9.0)).unwrap();
    let part = CropRequest { x: 0.5, y: 0.25, w: 0.125, h: 0.25 };
    let outside = CropRequest { x: 1.5, ..part };
    let wanted = [(8.0, part), (30.0, part), (4.0, part), (4.0, outside), (8.0, part)];
    let wanted = wanted.map(|(s, part)| PartWanted { at: start.plus_s(s), part });
    let parts = cut.parts(&wanted);
    assert!(matches!(parts[1], Err(StillError::Outside { .. })), "{:?}", parts[1]);
    assert!(parts[3].as_ref().unwrap_err().to_string().contains("outside of the picture"));
    let (late, early) = (parts[0].as_ref().unwrap(), parts[2].as_ref().unwrap());
    assert_eq!((late.time, early.time), (start.plus_s(8.0), start.plus_s(4.0)));
    assert_eq!((late.x, late.y, late.image.size), (960, 270, SizePx { w: 240, h: 270 }));
    assert_eq!((late.frame_px, Ok(late)), (SizePx { w: 1920, h: 1080 }, parts[4].as_ref()));

    let still = &cut.stills(&[start.plus_s(4.0)]).unwrap()[0].image;
    let row = |y: usize| &still.data[((270 + y) * 1920 + 960) * 3..][..240 * 3];
    // Chroma is interpolated across the part's edges only in the still.
    let inner = early.image.data.chunks_exact(240 * 3).enumerate().skip(2).take(266);
    let off = inner.flat_map(|(y, pixels)| pixels.iter().zip(row(y)).skip(6).take(240 * 3 - 12));
    let off: Vec<u8> = off.map(|(a, b)| a.abs_diff(*b)).collect();
    let mean = off.iter().map(|d| f64::from(*d)).sum::<f64>() / off.len() as f64;
    assert!(mean < 1.0, "the same pixels: {mean:.2} levels off in the mean, {:?} at most", off.iter().max());
}

#[test]
fn a_truncated_file_gives_what_it_has_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole.mp4");
    let (input, out) = (sample("sub.mp4"), whole.to_str().unwrap().to_owned());
    let args = ["-v", "error", "-i", input.to_str().unwrap(), "-c", "copy", "-movflags", "+faststart", &out];
    tool("ffmpeg", &args);
    let bytes = std::fs::read(&whole).unwrap();
    let cut = dir.path().join("cut.mp4");
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let mut file = open(&cut, None, 0.0).unwrap();
    let (frames, fault) = frames(&mut file);
    assert!((60..150).contains(&frames.len()), "{}", frames.len());
    let fault = fault.unwrap();
    let text = fault.to_string();
    assert!(matches!(fault, ReplayError::Truncated { .. }), "{text}");
    assert!(text.contains("cut.mp4") && text.contains("175 frames"), "{text}");
    assert!(file.next().unwrap().is_none(), "told once");
    assert!(file.ring().covers(UtcUs(i64::MAX)), "nothing more will come");

    // The index at the end is gone altogether.
    let headless = dir.path().join("headless.mp4");
    tool("ffmpeg", &["-v", "error", "-i", input.to_str().unwrap(), "-c", "copy", "-y", headless.to_str().unwrap()]);
    let bytes = std::fs::read(&headless).unwrap();
    std::fs::write(&headless, &bytes[..bytes.len() / 2]).unwrap();
    assert!(matches!(open(&headless, None, 0.0).err(), Some(ReplayError::NotVideo { .. })));
}

#[test]
fn a_corrupt_file_goes_on_at_the_next_key_frame_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let broken = dir.path().join("broken.mp4");
    let mut bytes = std::fs::read(sample("sub.mp4")).unwrap();
    let mdat = bytes.windows(4).position(|w| w == b"mdat").unwrap();
    let from = mdat + (bytes.len() - mdat) / 3;
    bytes[from..from + 30_000].fill(0xA5);
    std::fs::write(&broken, &bytes).unwrap();
    let mut file = open(&broken, None, 0.0).unwrap();
    let (frames, fault) = frames(&mut file);
    assert!((50..175).contains(&frames.len()), "{}", frames.len());
    assert!(frames.last().unwrap().media_s > 13.0, "goes on after the fault");
    assert_eq!(file.info().frames_decoded, frames.len() as u64);
    assert_eq!(file.info().frames_undecodable + frames.len() as u64, 175);
    let text = fault.unwrap().to_string();
    assert!(text.contains("broken.mp4") && text.contains("cannot be decoded"), "{text}");
}

#[test]
fn what_is_no_video_is_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let fault = |path: &Path| open(path, None, 0.0).err().unwrap();
    let text = dir.path().join("notes.txt");
    std::fs::write(&text, "not a video").unwrap();
    assert!(matches!(fault(&text), ReplayError::NotVideo { .. }), "{}", fault(&text));
    let empty = dir.path().join("empty.mp4");
    std::fs::write(&empty, "").unwrap();
    assert!(matches!(fault(&empty), ReplayError::NotVideo { .. }), "{}", fault(&empty));
    let gone = dir.path().join("gone.mp4");
    assert!(matches!(fault(&gone), ReplayError::Open { .. }) && fault(&gone).to_string().contains("gone.mp4"));
    assert!(matches!(fault(dir.path()), ReplayError::Open { .. }));
    let sound = dir.path().join("sound.wav");
    let args = ["-v", "error", "-f", "lavfi", "-i", "sine=duration=1", sound.to_str().unwrap()];
    tool("ffmpeg", &args);
    assert!(matches!(fault(&sound), ReplayError::NoVideoStream { .. }), "{}", fault(&sound));
    let raw = dir.path().join("raw.h264");
    let main = sample("sub.mp4");
    tool("ffmpeg", &["-v", "error", "-i", main.to_str().unwrap(), "-c", "copy", raw.to_str().unwrap()]);
    let mut raw = open(&raw, None, 0.0).unwrap();
    assert!(matches!(raw.next(), Err(ReplayError::NoTime { .. })));
    assert!(raw.next().unwrap().is_none());
    let vp8 = dir.path().join("old.webm");
    let source = "testsrc=duration=1:size=64x48:rate=5";
    tool("ffmpeg", &["-v", "error", "-f", "lavfi", "-i", source, "-c:v", "libvpx", vp8.to_str().unwrap()]);
    assert!(fault(&vp8).to_string().ends_with("came vp8"), "{}", fault(&vp8));
}

#[test]
fn h265_and_old_containers_work_too() {
    let dir = tempfile::tempdir().unwrap();
    let source = "testsrc=duration=2:size=320x240:rate=10";
    for (name, codec, encoder, extra) in [
        ("h265.mp4", Codec::H265, "libx265", ["-x265-params", "log-level=none:keyint=5"]),
        ("dvr.avi", Codec::H264, "libx264", ["-bf", "0"]),
        ("reordered.mp4", Codec::H264, "libx264", ["-bf", "3"]),
        ("old.avi", Codec::Mpeg4, "mpeg4", ["-g", "5"]),
        ("jpeg.avi", Codec::Mjpeg, "mjpeg", ["-q:v", "5"]),
    ] {
        let path = dir.path().join(name);
        let out = path.to_str().unwrap();
        let [key, value] = extra;
        let pixels = if codec == Codec::Mjpeg { "yuvj420p" } else { "yuv420p" };
        let args = ["-v", "error", "-f", "lavfi", "-i", source, "-pix_fmt", pixels, "-c:v", encoder, key, value, out];
        tool("ffmpeg", &args);
        let mut file = open(&path, None, 0.0).unwrap();
        let (frames, fault) = frames(&mut file);
        assert!(fault.is_none(), "{name}: {fault:?}");
        assert_eq!((frames.len(), file.info().codec), (20, codec), "{name}");
        assert!(frames.windows(2).all(|pair| pair[0].media_s < pair[1].media_s), "{name}");
        assert_eq!(frames[0].image.size, SizePx { w: 640, h: 480 }, "enlarged to the detector's input");
        if name == "h265.mp4" {
            let start = file.info().start.utc;
            let clip = dir.path().join("clip.mp4");
            let info = file.ring().cut(start.plus_s(0.7), start.plus_s(1.4)).unwrap().write_mp4(&clip).unwrap();
            let out = clip.to_str().unwrap();
            let count =
                ["-v", "error", "-count_frames", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", out];
            assert_eq!(tool("ffprobe", &count).trim(), info.packets.to_string());
        }
    }
}

#[test]
fn the_ring_stays_within_its_budget_on_a_file() {
    let limits = RingLimits { seconds: 60.0, bytes: 300_000 };
    let camera = CameraId::new("file").unwrap();
    let mut file = FileCamera::open(&sample("sub.mp4"), camera, None, plan(1.0), limits).unwrap();
    while file.next().unwrap().is_some() {
        assert!(file.ring().stats().bytes <= limits.bytes);
    }
    assert!(file.ring().stats().packets > 0);
    let gone = file.ring().cut(NOMINAL_START, NOMINAL_START.plus_s(1.0)).unwrap_err();
    assert!(matches!(gone, RingError::Gone { .. }), "{gone}");
}

#[test]
fn a_clip_that_reorders_without_saying_so_loses_no_frame() {
    // Its parameter sets do not tell how many pictures to hold back; the reader finds out by looking ahead.
    let clip =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/videos/vn_parked_motorbikes_plates_480p.mp4");
    if !clip.exists() {
        eprintln!("skipped: {} is not there", clip.display());
        return;
    }
    let mut file = open(&clip, None, 0.0).unwrap();
    let mut frames = 0;
    while file.next().unwrap().is_some_and(|frame| frame.media_s < 1.0) {
        frames += 1;
    }
    assert_eq!((file.info().frames_undecodable, frames), (0, 30));
}
