//! Made-up cases, passages and cameras over the rendered junction.

use std::{error::Error, fs, path::Path, process::Command};

use serde_json::{Value, json};
use stopline_types::{
    BoxPx, CameraCounters, CameraId, CameraState, CameraStatus, CaptureTime, EventId, LegalRef, Passage,
    PlateAlternative, PlateRead, Quantities, Review, RuleKind, SignalState, TimeSource, UtcUs, VehicleClass, Verdict,
    Versions, Violation, event::Moment,
};
use stopline_web::{CameraImage, CameraInfo, Certificate, Device, LivePacket};

use crate::memory::Memory;

const HOUR_S: f64 = 3600.0;
/// Size of the rendered clip, which its truth is measured in.
const FRAME_PX: [u32; 2] = [1920, 1080];
const CAMERAS: [(&str, &str); 6] = [
    ("ql10-cau-bo", "QL10 – cầu Bo, hướng vào thành phố"),
    ("ql39-nga-tu-hung-ha", "QL39 – ngã tư Hưng Hà"),
    ("le-loi-tran-hung-dao", "Lê Lợi – Trần Hưng Đạo"),
    ("ly-bon-tran-thai-tong", "Lý Bôn – Trần Thái Tông"),
    ("cua-ngo-phia-nam", "Cửa ngõ phía Nam"),
    ("vong-xuyen-phuc-khanh", "Vòng xuyến Phúc Khánh"),
];

/// An act in the rendered clip: vehicle, second, rule, what was measured, what is allowed, catalogue code.
type Act = (&'static str, f64, RuleKind, &'static [(&'static str, f64)], &'static [(&'static str, f64)], &'static str);
const ACTS: [Act; 8] = [
    (
        "r1",
        8.0,
        RuleKind::RedLight,
        &[("red_for_s", 8.0), ("past_line_m", 6.4), ("entered_on_red", 1.0)],
        &[("red_for_s", 0.5)],
        "MOTO_RED_LIGHT",
    ),
    (
        "v1",
        38.5,
        RuleKind::Speed,
        &[("speed_kmh", 72.0), ("speed_error_kmh", 2.6), ("excess_kmh", 22.0)],
        &[("speed_kmh", 50.0), ("tolerance_kmh", 5.0)],
        "CAR_SPEED_20_35",
    ),
    (
        "w1",
        16.4,
        RuleKind::WrongWay,
        &[("against_m", 14.2), ("time_s", 2.1)],
        &[("against_m", 5.0), ("time_s", 1.0)],
        "MOTO_WRONG_WAY",
    ),
    (
        "r2",
        44.4,
        RuleKind::RedLight,
        &[("red_for_s", 1.4), ("past_line_m", 2.1), ("entered_on_red", 1.0)],
        &[("red_for_s", 0.5)],
        "CAR_RED_LIGHT",
    ),
    (
        "m4",
        10.0,
        RuleKind::StopLine,
        &[("over_line_m", 2.3), ("stood_s", 9.2)],
        &[("over_line_m", 0.5), ("stood_s", 2.0)],
        "MOTO_SIGN",
    ),
    (
        "l1",
        31.6,
        RuleKind::WrongLane,
        &[("in_lane_m", 19.0), ("in_lane_s", 1.6)],
        &[("in_lane_m", 10.0), ("in_lane_s", 1.5)],
        "CAR_WRONG_LANE",
    ),
    ("z1", 50.0, RuleKind::NoStopping, &[("dwell_s", 95.0)], &[("dwell_s", 60.0)], "CAR_STOP_SIGN"),
    (
        "r3",
        45.0,
        RuleKind::RedLight,
        &[("red_for_s", 2.0), ("past_line_m", 4.0), ("entered_on_red", 1.0)],
        &[("red_for_s", 0.5)],
        "MOTO_RED_LIGHT",
    ),
];

pub struct Invented {
    acts: Vec<Violation>,
    plates: bool,
    dice: u64,
    track: u64,
}

/// Fills the memory; the clip's frames are cut with ffmpeg.
pub fn fill(memory: &Memory, junction: &Path, plates: bool) -> Result<Invented, Box<dyn Error>> {
    let truth: Value = serde_json::from_slice(&fs::read(junction.join("truth.json"))?)?;
    let law = fs::read_to_string(junction.join("../../config/law/violations.csv"))?;
    let mut invented = Invented { acts: Vec::new(), plates, dice: 7, track: 1000 };
    for act in &ACTS {
        let violation = invented.act(memory, junction, &truth, &law, act)?;
        invented.acts.push(violation);
    }
    let now = UtcUs::from(std::time::SystemTime::now());
    for n in 0..140 {
        let ago_s = if n < 14 { 240.0 * f64::from(n) + 95.0 } else { HOUR_S + 620.0 * f64::from(n - 13) };
        let mut violation = invented.violation(now.plus_s(-ago_s));
        if n == 3 {
            (violation.evidence, violation.confidence) = (None, 0.41);
        }
        if n == 5 {
            (violation.degraded, violation.analysed_fps, violation.error_ms) = (true, 3.1, None);
            violation.confidence = 0.62;
        }
        if n == 2 && violation.signal.is_some() {
            violation.confidence = 0.5;
            violation.signal_controller = Some(SignalState::Yellow);
            violation.doubts.push("signal: the picture shows red, the controller says yellow".to_owned());
        }
        if n >= 14 {
            let verdict = if n % 5 == 0 { Verdict::Rejected } else { Verdict::Confirmed };
            let review = Review {
                id: Review::id_of(violation.id, 1),
                violation: violation.id,
                camera: violation.camera.clone(),
                utc: violation.utc.plus_s(1500.0),
                revision: 1,
                verdict,
                reason: (verdict == Verdict::Rejected).then(|| "plate_unreadable".to_owned()),
                note: String::new(),
                plate: None,
                user: "binh".to_owned(),
            };
            memory.reviews.lock().unwrap().insert(violation.id, review);
        }
        memory.violations.lock().unwrap().push(violation);
    }
    for n in 0..1500 {
        let passage = invented.passage(now.plus_s(-57.0 * f64::from(n)));
        memory.passages.lock().unwrap().push(passage);
    }
    let still = fs::read(memory.evidence_root.join("r1/act.jpg"))?;
    let (film, scene) = (film(junction, &memory.evidence_root)?, scene(junction)?);
    for (n, (id, name)) in CAMERAS.into_iter().enumerate() {
        let camera = CameraId::new(id)?;
        let (state, reason) = match n {
            3 => (CameraState::Degraded, "2.8 frames/s; the rules need 4 frames/s to follow vehicles"),
            5 => (CameraState::Offline, "expected an answer from 10.4.7.16:554 within 5 s; came none"),
            _ => (CameraState::Online, ""),
        };
        let up = state != CameraState::Offline;
        let device = (n < 3).then(|| Device {
            name: "Hikvision iDS-2CD9396".to_owned(),
            serial: format!("F4412{n}"),
            certificate: Some(Certificate {
                number: format!("KĐ-{}", 1200 + n),
                issuer: "Viện Đo lường Việt Nam".to_owned(),
                issued: "2025-03-01".to_owned(),
                expires: if n == 1 { "2026-03-01" } else { "2027-03-01" }.to_owned(),
            }),
        });
        memory.infos.lock().unwrap().push(CameraInfo {
            camera: camera.clone(),
            name: name.to_owned(),
            site: name.split(" – ").next().unwrap_or(name).to_owned(),
            position: Some([20.44 + 0.013 * (n * 5 % 7) as f64, 106.32 + 0.017 * (n * 3 % 5) as f64]),
            device,
        });
        memory.scenes.lock().unwrap().insert(camera.clone(), scene.clone());
        if up {
            memory.films.lock().unwrap().insert(camera.clone(), film.clone());
        }
        memory.images.lock().unwrap().insert(camera.clone(), CameraImage { jpeg: still.clone().into(), utc: now });
        memory.cameras.lock().unwrap().push(CameraStatus {
            camera,
            name: name.to_owned(),
            state,
            reason: reason.to_owned(),
            rules_rest: (n == 4).then(|| "the view moved by 2.3 % of its width, 0.4 % of its height".to_owned()),
            since: now.plus_s(-HOUR_S * 5.3 / (n + 1) as f64),
            last_frame: Some(if up { now } else { now.plus_s(-2900.0) }),
            analysed_fps: if up { [8.0, 8.1, 7.9, 2.8, 8.0, 0.0][n] } else { 0.0 },
            clock_offset_ms: None,
            clock_drift_ppm: None,
            clock_error_ms: (n != 2).then(|| [12.0, 35.0, 0.0, 21.0, 18.0, 40.0][n]),
            counters: CameraCounters { reconnects: n as u64 % 3, bytes_received: 48_000_000_000, ..Default::default() },
        });
    }
    Ok(invented)
}

/// The scene of the rendered junction, as its camera file has it.
fn scene(junction: &Path) -> Result<Value, Box<dyn Error>> {
    let file = junction.join("../../config/examples/junction_day/cameras/junction_day.toml");
    let camera: Value = toml::from_str(&fs::read_to_string(file)?)?;
    Ok(camera["scene"].clone())
}

/// The clip's own H.264, an access unit a picture, as a camera would send it.
fn film(junction: &Path, folder: &Path) -> Result<Vec<LivePacket>, Box<dyn Error>> {
    let raw = folder.join("film.h264");
    // Delimiters tell where an access unit begins.
    let options = ["-an", "-c:v", "copy", "-bsf:v", "h264_mp4toannexb,h264_metadata=aud=insert", "-f", "h264"];
    ffmpeg(&["-i"], &junction.join("main.mp4"), &options, &raw)?;
    let data = fs::read(raw)?;
    let delimiter = [0, 0, 0, 1, 9];
    let mut starts: Vec<usize> =
        data.windows(5).enumerate().filter(|(_, w)| *w == delimiter).map(|(at, _)| at).collect();
    starts.push(data.len());
    let units = starts.windows(2).map(|pair| &data[pair[0]..pair[1]]);
    let packets = units.enumerate().map(|(n, unit)| LivePacket {
        key: unit.windows(4).any(|w| w[..3] == [0, 0, 1] && w[3] & 0x1f == 5),
        data: unit.to_vec().into(),
        media_us: n as i64 * 40_000,
        session: 0,
        utc: UtcUs(0),
    });
    Ok(packets.collect())
}

impl Invented {
    fn roll(&mut self, sides: usize) -> usize {
        // Numerical Recipes' linear congruential generator: the same cases every time.
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.dice >> 33) as usize % sides
    }

    /// One of the acts, at another time and camera.
    pub fn violation(&mut self, at: UtcUs) -> Violation {
        let which = self.track as usize % self.acts.len();
        let camera = self.roll(5);
        let mut violation = self.acts[which].clone();
        self.track += 1;
        let by_s = at.since_s(violation.utc);
        violation.camera = CameraId::new(CAMERAS[camera].0).expect("plain");
        violation.track = self.track;
        violation.utc = at;
        for moment in [&mut violation.moments.before, &mut violation.moments.act, &mut violation.moments.after] {
            moment.time.utc = moment.time.utc.plus_s(by_s);
        }
        violation.id = EventId::derive(&violation.camera, at, self.track, Some(violation.rule));
        violation
    }

    pub fn passage(&mut self, at: UtcUs) -> Passage {
        self.track += 1;
        let camera = CameraId::new(CAMERAS[self.roll(5)].0).expect("plain");
        let class = match self.roll(20) {
            0..=12 => VehicleClass::Motorcycle,
            13..=16 => VehicleClass::Car,
            17 => VehicleClass::Truck,
            18 => VehicleClass::Bus,
            _ => VehicleClass::Bicycle,
        };
        let speed_kmh = self.roll(3).gt(&0).then(|| 18.0 + self.roll(380) as f64 / 10.0);
        let plate = (self.plates && self.roll(4) > 0).then(|| {
            let text = format!("29{}1{:05}", ["B", "X", "G", "K"][self.roll(4)], 10_000 + self.roll(89_999));
            let confidence = 0.8 + self.roll(19) as f64 / 100.0;
            PlateRead { sure: confidence > 0.9, ..PlateRead::new(text, confidence) }
        });
        let passage = json!({
            "id": EventId::derive(&camera, at, self.track, None),
            "camera": camera,
            "t_s": 0.0,
            "utc": at,
            "error_ms": 12.0,
            "track": self.track,
            "class": class,
            "box": [400.0, 300.0, 90.0, 120.0],
            "frame_px": FRAME_PX,
            "confidence": 0.55 + self.roll(40) as f64 / 100.0,
            "plate": plate,
            "speed_kmh": speed_kmh,
            "lane": (self.roll(3) + 1).to_string(),
            "frames": 12 + self.roll(60),
            "entered": at.plus_s(-2.0),
            "left": at.plus_s(3.0),
            "trajectory": [[0.0, 400.0, 420.0]],
            "versions": versions(),
        });
        serde_json::from_value(passage).expect("the contract")
    }

    pub fn cameras_go_on(&mut self, memory: &Memory, now: UtcUs) {
        for camera in memory.cameras.lock().unwrap().iter_mut().filter(|c| c.state != CameraState::Offline) {
            camera.last_frame = Some(now);
            camera.counters.frames_received += 50;
            camera.counters.frames_decoded += 25;
            camera.counters.frames_analysed += 8;
            camera.counters.frames_over_rate += 16;
            camera.counters.frames_superseded += u64::from(camera.state == CameraState::Degraded);
        }
    }

    fn act(
        &self,
        memory: &Memory,
        junction: &Path,
        truth: &Value,
        law: &str,
        &(vehicle, at_s, rule, measured, limit, code): &Act,
    ) -> Result<Violation, Box<dyn Error>> {
        let folder = memory.evidence_root.join(vehicle);
        fs::create_dir_all(&folder)?;
        let clip = junction.join("main.mp4");
        let mut moments = Vec::new();
        for (name, dt_s) in [("before", -1.0), ("act", 0.0), ("after", 1.0)] {
            let (t_s, bbox, signal) = seen(truth, vehicle, at_s + dt_s).ok_or("the vehicle is never seen")?;
            ffmpeg(
                &["-ss", &format!("{t_s:.3}"), "-i"],
                &clip,
                &["-frames:v", "1", "-q:v", "3"],
                &folder.join(format!("{name}.jpg")),
            )?;
            let time =
                CaptureTime { utc: UtcUs(0).plus_s(t_s), error_ms: Some(12.0), source: TimeSource::SenderReport };
            moments.push(Moment { time, bbox, signal });
        }
        let from = format!("{:.3}", (at_s - 3.0).max(0.0));
        ffmpeg(
            &["-ss", &from, "-t", "7", "-i"],
            &clip,
            &["-c", "copy", "-an", "-movflags", "+faststart"],
            &folder.join("clip.mp4"),
        )?;
        fs::write(folder.join("manifest.json"), "{\"sample\": true}\n")?;
        fs::write(folder.join("manifest.sig"), "sample\n")?;

        let vehicles = truth["vehicles"].as_array().ok_or("no vehicles")?;
        let known = vehicles.iter().find(|v| v["id"] == vehicle).ok_or("no such vehicle")?;
        let class: VehicleClass = serde_json::from_value(known["cls"].clone())?;
        let plate = known["plate"].as_str().filter(|_| self.plates).map(read);
        let figures = |list: &[(&str, f64)]| -> Quantities {
            list.iter().map(|&(name, value)| (name.to_owned(), value)).collect()
        };
        let act = moments[1];
        let violation = json!({
            "id": EventId::of(&[vehicle]),
            "camera": CAMERAS[0].0,
            "t_s": at_s,
            "utc": act.time.utc,
            "error_ms": 12.0,
            "track": 1,
            "class": class,
            "box": act.bbox,
            "frame_px": FRAME_PX,
            "confidence": 0.87,
            "plate": plate,
            "speed_kmh": (rule == RuleKind::Speed).then_some(78.0),
            "rule": rule,
            "mode": "live",
            "measured": figures(measured),
            "limit": figures(limit),
            "signal": act.signal.filter(|_| matches!(rule, RuleKind::RedLight | RuleKind::StopLine)),
            "lane": "2",
            "moments": { "before": moments[0], "act": act, "after": moments[2] },
            "analysed_fps": 8.0,
            "degraded": false,
            "law": legal(law, code),
            "versions": versions(),
            "evidence": {
                "path": vehicle,
                "manifest_sha256": "5f1d7c0e9a42b6d38e0f4c1a7b95d2e6830c4f7a1b2d9e5c6f8091a3b4c5d6e7",
                "files": ["before.jpg", "act.jpg", "after.jpg", "clip.mp4"],
            },
        });
        Ok(serde_json::from_value(violation)?)
    }
}

/// A plate as the reader tells it: the vehicle's own, with the digits that are most easily taken for others.
fn read(display: &str) -> PlateRead {
    let text: String = display.chars().filter(char::is_ascii_alphanumeric).collect();
    let like = |from: char, to: char| text.replacen(from, &to.to_string(), 1);
    let others = [(like('8', 'B'), 0.03), (like('1', '7'), 0.02), (like('5', '6'), 0.01)];
    let others = others.into_iter().filter(|(other, _)| *other != text);
    let characters = text.char_indices().map(|(n, c)| if matches!(c, '8' | '1') && n > 3 { 0.88 } else { 0.99 });
    PlateRead {
        display: display.to_owned(),
        sure: true,
        characters: characters.collect(),
        alternatives: others.map(|(text, confidence)| PlateAlternative { text, confidence }).collect(),
        ..PlateRead::new(text.clone(), 0.94)
    }
}

fn versions() -> Versions {
    Versions { model: "nanodet-g@3f8a6c1d20b4".into(), scene: "9b1e07d4c2aa".into(), engine: "0.1.0".into() }
}

/// Second, box and signal of the frame nearest to `at_s` in which the vehicle is.
fn seen(truth: &Value, vehicle: &str, at_s: f64) -> Option<(f64, BoxPx, Option<SignalState>)> {
    let mut best: Option<(f64, BoxPx, Option<SignalState>)> = None;
    for frame in truth["frames"].as_array()? {
        let t_s = frame["t"].as_f64()?;
        let objects = frame["objects"].as_array()?;
        let Some(object) = objects.iter().find(|o| o["id"] == vehicle) else { continue };
        if best.is_some_and(|(known, ..)| (known - at_s).abs() <= (t_s - at_s).abs()) {
            continue;
        }
        let edges: Vec<f32> = object["box"].as_array()?.iter().filter_map(|v| Some(v.as_f64()? as f32)).collect();
        let [left, top, right, bottom] = edges[..] else { continue };
        if object["inside"].as_f64()? < 0.7 {
            continue; // more of it is outside the picture than is worth showing
        }
        let signal = serde_json::from_value(frame["signals"]["main"].clone()).ok();
        best = Some((t_s, BoxPx::from_edges(left, top, right, bottom), signal));
    }
    best
}

fn ffmpeg(before: &[&str], input: &Path, after: &[&str], output: &Path) -> Result<(), Box<dyn Error>> {
    let status =
        Command::new("ffmpeg").args(["-v", "error", "-y"]).args(before).arg(input).args(after).arg(output).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("ffmpeg for {}: {status}", output.display()).into()),
        Err(error) => Err(format!("ffmpeg: {error}; install the Debian package ffmpeg").into()),
    }
}

/// A row of the catalogue.
fn legal(law: &str, code: &str) -> Option<LegalRef> {
    let row = cells(law.lines().find(|line| line.starts_with(&format!("{code},")))?);
    Some(LegalRef {
        code: code.to_owned(),
        name_vi: row.get(1)?.clone(),
        name_en: row.get(2)?.clone(),
        article: row.get(4)?.clone(),
        fine_min_vnd: row.get(5)?.parse().ok()?,
        fine_max_vnd: row.get(6)?.parse().ok()?,
        points: row.get(7)?.parse().ok()?,
    })
}

/// The cells of a CSV line, some of them in quotes.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut quoted) = (vec![String::new()], false);
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            c => cells.last_mut().expect("never empty").push(c),
        }
    }
    cells
}
