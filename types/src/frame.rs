//! A decoded picture on its way from `ingest` to `detect`.

use crate::{BoxPx, CameraId, CaptureTime, SizePx, StreamRole};

/// Packed 8-bit pixels, blue green red, row by row without padding: `data.len() == 3 * w * h`.
#[derive(Clone, PartialEq, Eq)]
pub struct BgrImage {
    /// Size in pixels.
    pub size: SizePx,
    /// The pixels.
    pub data: Vec<u8>,
}

impl std::fmt::Debug for BgrImage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BgrImage({})", self.size)
    }
}

/// A small part of the frame kept at the stream's own resolution, because the analysed picture is smaller: a signal
/// head, a plate.
#[derive(Debug, Clone)]
pub struct Crop {
    /// Which of the crops asked for, by position in the request.
    pub index: usize,
    /// Left edge in the stream's frame, pixels.
    pub x: u32,
    /// Top edge in the stream's frame, pixels.
    pub y: u32,
    /// The pixels.
    pub image: BgrImage,
}

/// A decoded picture, already at the size the detector looks at.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The camera.
    pub camera: CameraId,
    /// The stream it came from.
    pub role: StreamRole,
    /// Counts decoded frames of this session from 0.
    pub seq: u64,
    /// When it was taken.
    pub time: CaptureTime,
    /// Seconds since the start of the file, or of this RTSP session's media.
    pub media_s: f64,
    /// Size of the stream's own frame. Boxes in events are in these pixels.
    pub source: SizePx,
    /// The picture, scaled to fit the detector's input with its shape kept.
    pub image: BgrImage,
    /// The part of the stream's frame that `image` shows, pixels of that frame; `None`: all of it.
    pub part: Option<BoxPx>,
    /// Parts asked for at full resolution.
    pub crops: Vec<Crop>,
    /// When its last packet was received, for delay figures; `None` for files.
    pub received: Option<std::time::Instant>,
}

impl Frame {
    /// The part of the stream's frame that the picture shows, pixels of that frame.
    #[must_use]
    pub fn seen(&self) -> BoxPx {
        self.part.unwrap_or(BoxPx { x: 0.0, y: 0.0, w: self.source.w.max(1) as f32, h: self.source.h.max(1) as f32 })
    }
}
