//! Feeds detections from a file of JSON lines to the analyzer and prints its events as JSON lines: for tuning rules in
//! seconds, without decoding or inference.
//!
//! `cargo run -p stopline-detect --example replay_detections -- CAMERA.toml DETECTIONS.jsonl [VIOLATIONS.csv]`
//!
//! A line: `{"t": 1.5, "w": 640, "h": 480, "dets": [["car", 0.71, x, y, w, h], …], "crops": [{"x": …, "y": …, "w": …,
//! "h": …, "bgr": "hex"}]}`; boxes in pixels of the frame, `person` for pedestrians, crops in the order of the signals.

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use stopline_detect::analyze::Analyzer;
use stopline_detect::law::Catalogue;
use stopline_detect::scene::{Scene, SceneConfig};
use stopline_types::{
    BgrImage, CameraId, CaptureTime, Crop, Detection, Event, Frame, SizePx, StreamRole, TimeSource, UtcUs, VehicleClass,
};

#[derive(Deserialize)]
struct CameraFile {
    scene: SceneConfig,
}

#[derive(Deserialize)]
struct Line {
    t: f64,
    w: u32,
    h: u32,
    dets: Vec<(String, f32, f32, f32, f32, f32)>,
    #[serde(default)]
    crops: Vec<CropLine>,
}

#[derive(Deserialize)]
struct CropLine {
    x: u32,
    y: u32,
    w: u32,
    h: u32,
    bgr: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [camera, detections, rest @ ..] = args.as_slice() else {
        return Err("usage: replay_detections CAMERA.toml DETECTIONS.jsonl [VIOLATIONS.csv]".into());
    };
    let file: CameraFile =
        toml::Value::try_from(toml::from_str::<toml::Table>(&std::fs::read_to_string(camera)?)?)?.try_into()?;
    let scene = Scene::resolve(&file.scene)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    let catalogue = match rest {
        [law, ..] => Catalogue::load(Path::new(law))?,
        [] => Catalogue::default(),
    };
    let id = CameraId::new("replay")?;
    let mut analyzer = Analyzer::new(id.clone(), Arc::new(scene), Arc::new(catalogue), "file".to_owned());
    let start = UtcUs::parse("2026-11-21T07:30:00Z")?;
    let mut out = std::io::stdout().lock();
    let mut events: Vec<Event> = Vec::new();
    let mut phases = String::new();
    for (seq, line) in std::fs::read_to_string(detections)?.lines().enumerate() {
        let line: Line = serde_json::from_str(line)?;
        let frame = frame(&id, seq as u64, start, &line)?;
        let found = line.dets.iter().filter_map(|(word, score, x, y, w, h)| {
            let class = VehicleClass::parse(if word == "person" { "pedestrian" } else { word })?;
            Some(Detection { class, score: *score, bbox: [*x, *y, *w, *h].into() })
        });
        events.extend(analyzer.observe(&frame, found.collect()));
        phases = analyzer
            .phases()
            .iter()
            .flat_map(|log| log.phases())
            .map(|p| format!("{} from {:.2} s (after {:.2} s)", p.state, p.from_s, p.after_s))
            .collect::<Vec<_>>()
            .join(", ");
    }
    events.extend(analyzer.finish());
    events.sort_by_key(|e| (e.utc(), e.id()));
    for event in &events {
        writeln!(out, "{}", serde_json::to_string(event)?)?;
    }
    writeln!(std::io::stderr(), "{phases}")?;
    Ok(())
}

fn frame(camera: &CameraId, seq: u64, start: UtcUs, line: &Line) -> Result<Frame, Box<dyn Error>> {
    let crop = |(index, c): (usize, &CropLine)| {
        let byte = |i: usize| u8::from_str_radix(c.bgr.get(2 * i..2 * i + 2).unwrap_or("?"), 16);
        let data = (0..c.bgr.len() / 2).map(byte).collect::<Result<Vec<u8>, _>>()?;
        Ok::<_, Box<dyn Error>>(Crop { index, x: c.x, y: c.y, image: BgrImage { size: [c.w, c.h].into(), data } })
    };
    Ok(Frame {
        camera: camera.clone(),
        role: StreamRole::Sub,
        seq,
        time: CaptureTime { utc: start.plus_s(line.t), error_ms: None, source: TimeSource::FileNominal },
        media_s: line.t,
        source: SizePx { w: line.w, h: line.h },
        image: BgrImage { size: SizePx { w: 1, h: 1 }, data: vec![0; 3] },
        crops: line.crops.iter().enumerate().map(crop).collect::<Result<_, _>>()?,
        received: None,
    })
}
