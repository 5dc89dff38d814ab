//! The guard of the view on real video: normal traffic raises no alarm, and a view that moved, darkened, blurred or was
//! covered is noticed within ten seconds and returns by itself.
//!
//! FFmpeg gives five frames a second of each clip. Clips of `../shared` are skipped, visibly, where they are missing.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test ends at once, and says what it skipped")]

use std::path::{Path, PathBuf};
use std::process::Command;

use stopline_detect::scene::{Guard, GuardMemory, ViewFault};
use stopline_types::{BgrImage, SizePx};

const FPS: f64 = 5.0;

struct Clip {
    name: &'static str,
    frames: Vec<BgrImage>,
}

fn clips() -> Vec<Clip> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let shared = std::env::var_os("STOPLINE_SHARED").map_or_else(|| root.join("../shared"), PathBuf::from);
    let videos = shared.join("data/videos");
    let all = [
        ("junction_day", root.join("fixtures/junction_day/sub.mp4"), [640, 360]),
        ("hanoi", videos.join("hanoi_lythuongkiet_hangbai_16h30.mp4"), [640, 480]),
        ("us_road", videos.join("us_road_ahmetozlu.mp4"), [640, 352]),
    ];
    let mut clips = Vec::new();
    for (name, path, size) in all {
        if !path.is_file() {
            eprintln!("skipped: {} is missing", path.display());
            continue;
        }
        clips.push(Clip { name, frames: frames(&path, size.into()) });
    }
    clips
}

fn frames(path: &Path, size: SizePx) -> Vec<BgrImage> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(path)
        .args(["-vf", &format!("fps={FPS},scale={}:{}:flags=area", size.w, size.h)])
        .args(["-f", "rawvideo", "-pix_fmt", "bgr24", "-"])
        .output()
        .expect("ffmpeg: run `make setup`");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let bytes = 3 * size.w as usize * size.h as usize;
    output.stdout.chunks_exact(bytes).map(|data| BgrImage { size, data: data.to_vec() }).collect()
}

impl Clip {
    /// The clip again and again, forwards and backwards, so that no seam shows.
    fn at(&self, second: f64) -> &BgrImage {
        let n = self.frames.len();
        let i = (second * FPS).round() as usize % (2 * n - 2);
        &self.frames[if i < n { i } else { 2 * n - 2 - i }]
    }
}

/// The picture as it would be with every pixel taken from another place.
fn warped(image: &BgrImage, from: impl Fn(f64, f64) -> (f64, f64)) -> BgrImage {
    let (w, h) = (image.size.w as usize, image.size.h as usize);
    let mut data = Vec::with_capacity(image.data.len());
    for y in 0..h {
        for x in 0..w {
            let (sx, sy) = from(x as f64, y as f64);
            let (sx, sy) =
                ((sx.round().clamp(0.0, w as f64 - 1.0)) as usize, (sy.round().clamp(0.0, h as f64 - 1.0)) as usize);
            data.extend_from_slice(&image.data[3 * (sy * w + sx)..][..3]);
        }
    }
    BgrImage { size: image.size, data }
}

fn levels(image: &BgrImage, change: impl Fn(f64) -> f64) -> BgrImage {
    let data = image.data.iter().map(|level| change(f64::from(*level)).clamp(0.0, 255.0) as u8).collect();
    BgrImage { size: image.size, data }
}

/// Mean over a window of `2 r + 1` pixels each way, twice.
fn blurred(image: &BgrImage, r: usize) -> BgrImage {
    let pass = |image: &BgrImage, step: usize, count: usize, lines: usize, line_step: usize| {
        let mut data = image.data.clone();
        for line in 0..lines {
            for channel in 0..3 {
                let at = |i: usize| 3 * (line * line_step + i * step) + channel;
                for i in 0..count {
                    let (from, to) = (i.saturating_sub(r), (i + r).min(count - 1));
                    let sum: u32 = (from..=to).map(|j| u32::from(image.data[at(j)])).sum();
                    data[at(i)] = (sum / (to - from + 1) as u32) as u8;
                }
            }
        }
        BgrImage { size: image.size, data }
    };
    let (w, h) = (image.size.w as usize, image.size.h as usize);
    let once = pass(&pass(image, 1, w, h, w), w, h, w, 1);
    pass(&pass(&once, 1, w, h, w), w, h, w, 1)
}

type Change = (&'static str, Box<dyn Fn(&BgrImage) -> BgrImage>, fn(&ViewFault) -> bool);

fn changes() -> Vec<Change> {
    let shift = |share: f64| {
        move |image: &BgrImage| {
            let by = share * f64::from(image.size.w);
            warped(image, |x, y| (x + by, y))
        }
    };
    let moved = |fault: &ViewFault| matches!(fault, ViewFault::Moved { .. } | ViewFault::Another);
    vec![
        ("shifted by 2 % of the width", Box::new(shift(0.02)), moved),
        ("shifted by 5 %", Box::new(shift(0.05)), moved),
        ("shifted by 30 %", Box::new(shift(0.3)), moved),
        (
            "tilted by 3 % of the height",
            Box::new(|i| {
                let by = 0.03 * f64::from(i.size.h);
                warped(i, |x, y| (x, y - by))
            }),
            moved,
        ),
        (
            "turned by 4 degrees",
            Box::new(|i| {
                let (w, h) = (f64::from(i.size.w) / 2.0, f64::from(i.size.h) / 2.0);
                let (s, c) = 4.0_f64.to_radians().sin_cos();
                warped(i, |x, y| (w + c * (x - w) - s * (y - h), h + s * (x - w) + c * (y - h)))
            }),
            moved,
        ),
        ("a fifth of the light", Box::new(|i| levels(i, |level| 0.2 * level)), |f| *f == ViewFault::Dark),
        ("black", Box::new(|i| levels(i, |_| 3.0)), |f| matches!(f, ViewFault::Dark | ViewFault::Covered)),
        ("out of focus", Box::new(|i| blurred(i, 3)), |f| matches!(f, ViewFault::Blurred | ViewFault::Covered)),
        ("far out of focus", Box::new(|i| blurred(i, 12)), |f| matches!(f, ViewFault::Blurred | ViewFault::Covered)),
        ("a bag over it", Box::new(|i| levels(i, |level| 128.0 + 0.03 * level)), |f| *f != ViewFault::Dark),
        (
            "three quarters covered",
            Box::new(|i| {
                let mut image = i.clone();
                let (w, h) = (image.size.w as usize, image.size.h as usize);
                for y in 0..h {
                    image.data[3 * y * w..][..3 * w * 3 / 4].fill(95);
                }
                image
            }),
            |f| *f == ViewFault::Covered,
        ),
    ]
}

/// Plays `seconds` of a clip from `from_s` on; gives the second at which `stop` first holds.
fn play(
    guard: &mut Guard,
    clip: &Clip,
    from_s: f64,
    seconds: f64,
    change: impl Fn(&BgrImage) -> BgrImage,
    stop: impl Fn(&Guard) -> bool,
) -> Option<f64> {
    // The guard looks once a second; frames between would only cost the test time.
    for i in 0..seconds as usize {
        let t_s = from_s + i as f64;
        guard.look(t_s, &change(clip.at(t_s)));
        if stop(guard) {
            return Some(t_s);
        }
    }
    None
}

#[test]
fn traffic_raises_no_alarm() {
    for clip in clips() {
        let mut guard = Guard::new("scene", None);
        let alarm = play(&mut guard, &clip, 0.0, 400.0, BgrImage::clone, |guard| guard.fault().is_some());
        assert_eq!(alarm, None, "{}: {:?}", clip.name, guard.fault());
        eprintln!("{}: 400 s without an alarm", clip.name);
    }
}

/// Dusk and dawn of a quarter of an hour each: brightness to a quarter, contrast to a half, noise.
#[test]
fn dusk_raises_no_alarm() {
    for clip in clips() {
        let mut guard = Guard::new("scene", None);
        let mut state = 1_u32;
        for i in 0..1800_u32 {
            let t_s = f64::from(i);
            let night = if i < 60 { 0.0 } else { (f64::from(i - 60) / 900.0).min(1.0) };
            let mut image = levels(clip.at(t_s), |level| level * (1.0 - 0.75 * night));
            for level in image.data.iter_mut().step_by(7) {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *level = level.saturating_add(((state >> 24) as f64 * 0.05 * night) as u8);
            }
            guard.look(t_s, &image);
            assert_eq!(guard.fault(), None, "{} at {t_s} s", clip.name);
        }
    }
}

#[test]
fn a_wrong_view_is_noticed_within_ten_seconds_and_returns() {
    let mut missed = Vec::new();
    for clip in clips() {
        for (name, change, expected) in changes() {
            let mut guard = Guard::new("scene", None);
            assert_eq!(play(&mut guard, &clip, 0.0, 60.0, BgrImage::clone, |g| g.fault().is_some()), None);
            let noticed = play(&mut guard, &clip, 60.0, 30.0, &change, |g| g.fault().is_some());
            let fault = guard.fault();
            match noticed {
                Some(t) if t - 60.0 <= 10.0 && fault.as_ref().is_some_and(expected) => {
                    eprintln!("{}: {name}: after {} s: {}", clip.name, t - 60.0, fault.unwrap());
                    assert!(!guard.trusts(61.0), "what was judged just before it was noticed is not trusted");
                }
                other => missed.push(format!("{}: {name}: {other:?} {fault:?}", clip.name)),
            }
            // A view that stays wrong stays suspended.
            play(&mut guard, &clip, 91.0, 20.0, &change, |_| false);
            if guard.fault().is_none() && noticed.is_some() {
                missed.push(format!("{}: {name}: forgotten", clip.name));
            }
            let back = play(&mut guard, &clip, 111.0, 30.0, BgrImage::clone, |g| g.fault().is_none());
            if !back.is_some_and(|t| t - 111.0 <= 15.0) {
                missed.push(format!("{}: {name}: does not return: {:?}", clip.name, guard.fault()));
            }
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

/// Knocked while the engine was down: the next start still knows the old view. A scene drawn anew asks for a new one.
#[test]
fn the_view_is_known_after_a_restart() {
    for clip in clips() {
        let mut guard = Guard::new("scene", None);
        assert_eq!(guard.memory(), None);
        play(&mut guard, &clip, 0.0, 40.0, BgrImage::clone, |_| false);
        let json = serde_json::to_string(&guard.memory().expect("it has learned")).unwrap();
        let memory: GuardMemory = serde_json::from_str(&json).unwrap();
        let shift = |image: &BgrImage| warped(image, |x, y| (x + 0.03 * 640.0, y));

        let mut again = Guard::new("scene", Some(memory.clone()));
        assert!(again.has_learned());
        let noticed = play(&mut again, &clip, 0.0, 20.0, shift, |g| g.fault().is_some());
        assert!(noticed.is_some_and(|t| t <= 10.0), "{}: {noticed:?}", clip.name);
        let mut redrawn = Guard::new("another scene", Some(memory));
        assert!(!redrawn.has_learned());
        assert_eq!(play(&mut redrawn, &clip, 0.0, 60.0, shift, |g| g.fault().is_some()), None);
    }
}

#[test]
fn pictures_too_small_or_broken_are_left_alone() {
    let mut guard = Guard::new("scene", None);
    for (w, h, bytes) in [(0, 0, 0), (1, 1, 3), (640, 480, 10), (80, 60, 80 * 60 * 3)] {
        for t in 0..30 {
            guard.look(f64::from(t), &BgrImage { size: [w, h].into(), data: vec![7; bytes] });
        }
        assert_eq!((guard.fault(), guard.has_learned()), (None, false));
    }
}
