//! Pictures of what was missed and made up, with a page to look through them.
//!
//! Each picture: the whole frame of the moment, and beside it the place enlarged one second before, then, and one second
//! after. Green: where the truth says the road user is. Red: where the event says.

use std::{fs, path::Path};

use anyhow::Context as _;
use image::{
    ExtendedColorType, RgbImage,
    codecs::jpeg::JpegEncoder,
    imageops::{self, FilterType},
};
use stopline_ingest::{AnalysePlan, RingLimits, replay::FileCamera};
use stopline_types::{BgrImage, BoxPx, CameraId, Frame, SizePx};

use super::{Score, Sighting, Truth};
use crate::engine::stills::draw_box;

/// The whole frame, and the three enlarged places beside it.
const WHOLE: SizePx = SizePx { w: 1440, h: 810 };
const PLACE: SizePx = SizePx { w: 480, h: 270 };
const QUALITY: u8 = 85;
/// Seconds before and after.
const AROUND_S: [f64; 3] = [-1.0, 0.0, 1.0];
const TRUTH: [u8; 3] = [60, 220, 60];
const EVENT: [u8; 3] = [40, 40, 255];
/// Of these the plate is shown, not the vehicle.
const PLATE: &str = "wrong plate";
/// More are not written; how many were left out is said.
const MOST: usize = 300;
const STYLE: &str = "body{font:15px sans-serif;margin:1em;background:#111;color:#ddd}img{width:100%;max-width:1920px}";

/// What is to be shown of a score.
pub(crate) struct Misses<'t> {
    truth: &'t Truth,
    cases: Vec<Case>,
    left_out: usize,
}

struct Case {
    heading: &'static str,
    words: String,
    t_s: f64,
    who: Option<String>,
    said: Option<BoxPx>,
    file: String,
    /// Made while the clip is read.
    whole: Option<RgbImage>,
    places: Vec<RgbImage>,
}

impl<'t> Misses<'t> {
    pub(crate) fn of(truth: &'t Truth, score: &Score) -> Self {
        let mut cases = Vec::new();
        let mut case = |heading, words: String, t_s: f64, who: Option<&str>, said| {
            let (who, file) =
                (who.map(str::to_owned), format!("{:03}-{heading}.jpg", cases.len() + 1).replace(' ', "-"));
            cases.push(Case { heading, words, t_s, who, said, file, whole: None, places: Vec::new() });
        };
        for (rule, s) in &score.rules {
            for missed in &s.missed {
                let t_s = f64::midpoint(missed.from_s, missed.to_s);
                let words = format!("{rule}: {} from {:.1} to {:.1} s", missed.who, missed.from_s, missed.to_s);
                case("missed act", words, t_s, Some(&missed.who), None);
            }
            for said in &s.made_up {
                let who = said.vehicle.as_deref();
                let on = who.map(|who| format!(" on {who}")).unwrap_or_default();
                let words = format!(
                    "{rule}: track {} ({}){on} at {:.1} s: {}; event {}",
                    said.track, said.class, said.t_s, said.why, said.id
                );
                case("false alarm", words, said.t_s, who, Some(said.bbox));
            }
        }
        if let Some(passages) = &score.passages {
            for missed in &passages.missed {
                let seen = truth.vehicle(&missed.who, missed.from_s).map(|vehicle| vehicle.track.all());
                let large = |s: &Sighting| s.bbox.area() * s.visible * s.inside;
                let best = seen.into_iter().flatten().max_by(|a, b| large(a.1).total_cmp(&large(b.1)));
                let words =
                    format!("{} ({}) from {:.1} to {:.1} s", missed.who, missed.class, missed.from_s, missed.to_s);
                case("missed passage", words, best.map_or(missed.from_s, |(t_s, _)| t_s), Some(&missed.who), None);
            }
            for stray in &passages.of_nobody {
                let words = format!("track {} ({}) at {:.1} s", stray.track, stray.class, stray.t_s);
                case("passage of nobody", words, stray.t_s, None, Some(stray.bbox));
            }
            for switch in &passages.switches {
                let words =
                    format!("track {} from {} to {} at {:.1} s", switch.track, switch.from, switch.to, switch.t_s);
                case("mixed up", words, switch.t_s, Some(&switch.to), None);
            }
            for misread in &passages.plates.misread {
                let seen = truth.vehicle(&misread.who, misread.t_s).map(|vehicle| vehicle.track.all());
                let width = |s: &Sighting| s.plate.map_or(0.0, |plate| plate.width_px * plate.visible);
                let best = seen.into_iter().flatten().max_by(|a, b| width(a.1).total_cmp(&width(b.1)));
                let words = format!("{}: {} read as {}", misread.who, misread.plate, misread.read);
                case(PLATE, words, best.map_or(misread.t_s, |(t_s, _)| t_s), Some(&misread.who), None);
            }
        }
        let left_out = cases.len().saturating_sub(MOST);
        cases.truncate(MOST);
        Self { truth, cases, left_out }
    }

    /// Writes the pictures out of `video` and `index.html` into `dir`; how many there are.
    pub(crate) fn write(mut self, video: &Path, dir: &Path) -> anyhow::Result<usize> {
        fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
        let open = |fit| {
            let plan = AnalysePlan { fit, max_fps: 0.0, crops: Vec::new(), region: None };
            let limits = RingLimits { seconds: 1.0, bytes: 1 << 20 };
            FileCamera::open(video, CameraId::new("misses")?, None, plan, limits).map_err(anyhow::Error::from)
        };
        // Its size is known only once it is open; frames are wanted in that size.
        let size = open(WHOLE)?.info().size;
        let mut file = open(size)?;
        let half_frame_s = 0.5 / file.info().fps.unwrap_or(25.0);
        let mut last = None;
        while let Some(frame) = file.next()? {
            for case in &mut self.cases {
                case.look(self.truth, &frame, frame.media_s + half_frame_s, dir)?;
            }
            last = Some(frame);
        }
        let last = last.with_context(|| format!("{}: no picture in it", video.display()))?;
        for case in &mut self.cases {
            // What lies after the end is shown by the last frame.
            case.look(self.truth, &last, f64::INFINITY, dir)?;
        }
        let page = dir.join("index.html");
        fs::write(&page, self.page()).with_context(|| page.display().to_string())?;
        Ok(self.cases.len())
    }

    fn page(&self) -> String {
        let mut html =
            format!("<!doctype html><meta charset=utf-8><title>Missed and made up</title><style>{STYLE}</style>");
        html += "<h1>Missed and made up</h1><p>Green: the truth. Red: the event. Left the moment, right the place one \
                 second before, then, one second after.</p>";
        for cases in self.cases.chunk_by(|a, b| a.heading == b.heading) {
            html += &format!("<h2>{}</h2>", cases[0].heading);
            for case in cases {
                html += &format!("<h3>{}</h3><img loading=lazy src=\"{}\">", escaped(&case.words), case.file);
            }
        }
        if self.left_out > 0 {
            html += &format!("<p>{} more are not shown.</p>", self.left_out);
        }
        html
    }
}

impl Case {
    /// Takes what it needs of a frame that is on show until `until_s`, and writes the picture when it has all.
    fn look(&mut self, truth: &Truth, frame: &Frame, until_s: f64, dir: &Path) -> anyhow::Result<()> {
        while let Some(offset_s) = AROUND_S.get(self.places.len()) {
            let at_s = (self.t_s + offset_s).max(0.0);
            if at_s >= until_s {
                return Ok(());
            }
            let size = frame.image.size;
            let (sx, sy) = (size.w as f32 / truth.frame_px.w as f32, size.h as f32 / truth.frame_px.h as f32);
            let vehicle = self.who.as_ref().and_then(|who| truth.vehicle(who, self.t_s));
            let seen = vehicle.and_then(|vehicle| vehicle.track.at(at_s));
            let plate = seen.and_then(|seen| seen.plate).filter(|_| self.heading == PLATE);
            let truly = plate.map(|plate| plate.bbox).or(seen.map(|seen| seen.bbox)).map(|bbox| bbox.scaled(sx, sy));
            let said = self.said.map(|said| said.scaled(sx, sy));
            let mut image = frame.image.clone();
            truly.into_iter().for_each(|bbox| draw_box(&mut image, bbox, TRUTH));
            let moment = *offset_s == 0.0;
            said.filter(|_| moment).into_iter().for_each(|bbox| draw_box(&mut image, bbox, EVENT));
            let picture = rgb(image)?;
            // Where it is not in the picture any more, or not yet, its place is shown all the same.
            let nearest = || {
                let seen = vehicle?.track.all().min_by(|a, b| (a.0 - at_s).abs().total_cmp(&(b.0 - at_s).abs()))?;
                Some(seen.1.bbox.scaled(sx, sy))
            };
            let (x, y, w, h) = place(truly.or(said).or_else(nearest), size);
            let place = imageops::crop_imm(&picture, x, y, w, h).to_image();
            self.places.push(imageops::resize(&place, PLACE.w, PLACE.h, FilterType::Triangle));
            if moment {
                self.whole = Some(imageops::resize(&picture, WHOLE.w, WHOLE.h, FilterType::Triangle));
            }
            if let (Some(whole), 3) = (self.whole.take_if(|_| self.places.len() == 3), self.places.len()) {
                self.save(&whole, &dir.join(&self.file))?;
            }
        }
        Ok(())
    }

    fn save(&self, whole: &RgbImage, path: &Path) -> anyhow::Result<()> {
        let mut sheet = RgbImage::new(WHOLE.w + PLACE.w, WHOLE.h);
        imageops::replace(&mut sheet, whole, 0, 0);
        for (i, place) in self.places.iter().enumerate() {
            imageops::replace(&mut sheet, place, WHOLE.w.into(), i as i64 * i64::from(PLACE.h));
        }
        let mut jpeg = Vec::new();
        let mut encoder = JpegEncoder::new_with_quality(&mut jpeg, QUALITY);
        let (w, h) = sheet.dimensions();
        encoder.encode(sheet.as_raw(), w, h, ExtendedColorType::Rgb8).context("JPEG")?;
        fs::write(path, jpeg).with_context(|| path.display().to_string())
    }
}

/// The part of the frame around `bbox` in the shape of [`PLACE`]: at least twice the box, at least 160 pixels high.
fn place(bbox: Option<BoxPx>, size: SizePx) -> (u32, u32, u32, u32) {
    let Some(bbox) = bbox else { return (0, 0, size.w, size.h) };
    let shape = PLACE.w as f32 / PLACE.h as f32;
    let h = (bbox.h * 2.0).max(bbox.w * 2.0 / shape).max(160.0).min(size.h as f32);
    let w = (h * shape).min(size.w as f32);
    let corner = |centre: f32, span: f32, whole: u32| (centre - span / 2.0).clamp(0.0, whole as f32 - span) as u32;
    (corner(bbox.centre().x, w, size.w), corner(bbox.centre().y, h, size.h), w as u32, h as u32)
}

fn rgb(mut image: BgrImage) -> anyhow::Result<RgbImage> {
    image.data.chunks_exact_mut(3).for_each(|pixel| pixel.swap(0, 2));
    RgbImage::from_raw(image.size.w, image.size.h, image.data).context("a frame of the wrong length")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
