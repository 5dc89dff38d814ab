//! Encoded frames: what the ring keeps, the decoder reads and a clip is made of.

use std::{fmt, sync::Arc, time::Instant};

use bytes::Bytes;
use stopline_types::{CaptureTime, SizePx};

/// How the pictures are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// ITU-T H.264.
    H264,
    /// ITU-T H.265.
    H265,
    /// MPEG-4 part 2, in files only.
    Mpeg4,
    /// Motion JPEG (over RTP: RFC 2435).
    Mjpeg,
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::H264 => "H.264",
            Self::H265 => "H.265",
            Self::Mpeg4 => "MPEG-4",
            Self::Mjpeg => "MJPEG",
        })
    }
}

/// What a decoder must know before the first packet.
#[derive(Clone, PartialEq, Eq)]
pub struct StreamFormat {
    /// The codec.
    pub codec: Codec,
    /// Parameter sets, framed like the packets: Annex B from a camera, `avcC` or `hvcC` from an MP4 file.
    pub extra_data: Bytes,
    /// Size of the pictures as displayed.
    pub size: SizePx,
    /// Pictures the decoder must hold back to give them out in order, as far as known before decoding (a file's reader
    /// looks ahead). Too few costs a picture where the first reordered ones come.
    pub reorder: u8,
}

impl fmt::Debug for StreamFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.codec, self.size)
    }
}

/// One encoded frame, cheap to clone.
#[derive(Debug, Clone)]
pub struct Packet {
    /// What it is encoded as.
    pub format: Arc<StreamFormat>,
    /// The access unit. From a camera: Annex B with the parameter sets before every key frame.
    pub data: Bytes,
    /// Decodable without any other.
    pub key: bool,
    /// Numbers the sessions of a stream: `media_us` is comparable only within one.
    pub session: u32,
    /// Presentation time since the session or file began, microseconds.
    pub media_us: i64,
    /// When the picture was taken.
    pub time: CaptureTime,
    /// When its last byte came; `None` for files.
    pub received: Option<Instant>,
    /// True when packets before this one were lost on the way.
    pub after_loss: bool,
}

impl Packet {
    /// `media_us` in seconds.
    #[must_use]
    pub fn media_s(&self) -> f64 {
        self.media_us as f64 / 1e6
    }
}
