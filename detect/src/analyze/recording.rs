//! What the detector saw in a clip, as JSON lines: tracker, signals and rules can be judged again without decoding
//! and inference. A frame is a line: `t_s`, `utc`, `frame_px` (of the stream), `detections` as `[class, score, box]`,
//! and the pictures of the signal heads as `crops` (BGR bytes in hexadecimal).

use serde::{Deserialize, Serialize};
use stopline_types::{
    BgrImage, BoxPx, CameraId, CaptureTime, Crop, Detection, Frame, SizePx, StreamRole, TimeSource, UtcUs, VehicleClass,
};

/// A line that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct RecordingError {
    /// From 1.
    pub line: usize,
    /// What was expected and found.
    pub reason: String,
}

#[derive(Serialize, Deserialize)]
struct Line {
    t_s: f64,
    utc: UtcUs,
    frame_px: SizePx,
    detections: Vec<(VehicleClass, f32, BoxPx)>,
    crops: Vec<CropLine>,
}

#[derive(Serialize, Deserialize)]
struct CropLine {
    index: usize,
    x: u32,
    y: u32,
    size_px: SizePx,
    bgr: String,
}

/// A frame with its detections as one line, without the line break.
#[must_use]
pub fn to_line(frame: &Frame, detections: &[Detection]) -> String {
    let hex = |data: &[u8]| data.iter().map(|byte| format!("{byte:02x}")).collect();
    let crop = |c: &Crop| CropLine { index: c.index, x: c.x, y: c.y, size_px: c.image.size, bgr: hex(&c.image.data) };
    let line = Line {
        t_s: frame.media_s,
        utc: frame.time.utc,
        frame_px: frame.source,
        detections: detections.iter().map(|d| (d.class, d.score, d.bbox)).collect(),
        crops: frame.crops.iter().map(crop).collect(),
    };
    serde_json::to_string(&line).unwrap_or_default()
}

/// All frames of a recording. They have no picture of their own, only the crops.
pub fn parse(camera: &CameraId, text: &str) -> Result<Vec<(Frame, Vec<Detection>)>, RecordingError> {
    let lines = text.lines().enumerate();
    lines
        .map(|(at, text)| frame_of(camera, at, text).map_err(|reason| RecordingError { line: at + 1, reason }))
        .collect()
}

fn frame_of(camera: &CameraId, at: usize, text: &str) -> Result<(Frame, Vec<Detection>), String> {
    let line: Line = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let crop = |c: CropLine| {
        let data = bytes(&c.bgr).filter(|data| data.len() == 3 * c.size_px.w as usize * c.size_px.h as usize);
        let data = data.ok_or_else(|| format!("crop {}: expected {} pixels in hexadecimal", c.index, c.size_px))?;
        Ok(Crop { index: c.index, x: c.x, y: c.y, image: BgrImage { size: c.size_px, data } })
    };
    let crops = line.crops.into_iter().map(crop).collect::<Result<_, String>>()?;
    let frame = Frame {
        camera: camera.clone(),
        role: StreamRole::Main,
        seq: at as u64,
        time: CaptureTime { utc: line.utc, error_ms: None, source: TimeSource::FileNominal },
        media_s: line.t_s,
        source: line.frame_px,
        image: BgrImage { size: [1, 1].into(), data: vec![0; 3] },
        part: None,
        crops,
        received: None,
    };
    let detections = line.detections.into_iter().map(|(class, score, bbox)| Detection { class, score, bbox });
    Ok((frame, detections.collect()))
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| (c as char).to_digit(16);
    hex.as_bytes().chunks(2).map(|two| Some((digit(two[0])? * 16 + digit(*two.get(1)?)?) as u8)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_frame_comes_back() {
        let image = BgrImage { size: [2, 1].into(), data: vec![0, 255, 16, 1, 2, 3] };
        let frame = Frame {
            camera: CameraId::new("cam").expect("plain"),
            role: StreamRole::Main,
            seq: 0,
            time: CaptureTime { utc: UtcUs(5_000_000), error_ms: None, source: TimeSource::File },
            media_s: 1.25,
            source: [640, 480].into(),
            image: image.clone(),
            part: None,
            crops: vec![Crop { index: 1, x: 7, y: 8, image }],
            received: None,
        };
        let seen = [Detection { class: VehicleClass::Car, score: 0.5, bbox: [1.0, 2.0, 3.0, 4.0].into() }];
        let text = to_line(&frame, &seen);
        let (back, detections) = parse(&frame.camera, &text).expect("readable").remove(0);
        assert_eq!((back.media_s, back.time.utc, back.source), (1.25, frame.time.utc, frame.source));
        assert_eq!(back.crops[0].image, frame.crops[0].image);
        assert_eq!(detections, seen);
        let broken = parse(&frame.camera, &text.replace("00ff", "0"));
        assert!(broken.expect_err("an error").to_string().starts_with("line 1: crop 1: expected 2×1"));
    }
}
