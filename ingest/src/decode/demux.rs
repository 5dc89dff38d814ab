//! Files, packet by packet.

use std::path::Path;

use bytes::Bytes;
use ffmpeg_next as ffmpeg;

use super::{Fault, params};
use crate::packet::{Codec, StreamFormat};

/// A file's video stream.
pub(crate) struct Demuxer {
    input: ffmpeg::format::context::Input,
    index: usize,
    time_base: ffmpeg::Rational,
    start: Option<i64>,
    pub(crate) format: StreamFormat,
    /// Frames the header promises, 0 if it says nothing.
    pub(crate) promised_frames: u64,
    /// Seconds the header promises.
    pub(crate) promised_s: Option<f64>,
    /// Mean frames a second the header states.
    pub(crate) fps: Option<f64>,
    /// Text of `creation_time`, if the file has one.
    pub(crate) creation_time: Option<String>,
}

/// Why a file cannot be a camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OpenFault {
    /// FFmpeg does not know it.
    NotReadable(Fault),
    /// It holds no moving picture.
    NoVideo,
    /// It holds one we do not take; its name.
    Codec(&'static str),
}

/// Why a file cannot be read on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReadFault {
    /// FFmpeg cannot.
    Fault(Fault),
    /// Its packets have no time stamps.
    NoTime,
}

/// One packet as the file has it.
pub(crate) struct FilePacket {
    pub(crate) data: Bytes,
    pub(crate) key: bool,
    /// Presentation time since the stream began, microseconds.
    pub(crate) media_us: i64,
    /// The file itself marks it as broken or cut short.
    pub(crate) broken: bool,
}

impl Demuxer {
    pub(crate) fn open(path: &Path) -> Result<Self, OpenFault> {
        super::quiet();
        let name = super::file_url(path).map_err(OpenFault::NotReadable)?;
        let input = ffmpeg::format::input(&name).map_err(|e| OpenFault::NotReadable(Fault(e)))?;
        let stream = input.streams().best(ffmpeg::media::Type::Video).ok_or(OpenFault::NoVideo)?;
        let codec: Codec = params::known_codec(stream.parameters().id()).map_err(OpenFault::Codec)?;
        let known = |value: i64| (value != ffmpeg::ffi::AV_NOPTS_VALUE).then_some(value);
        let time_base = stream.time_base();
        let seconds = |ticks: i64| ticks as f64 * f64::from(time_base);
        let rate = |r: ffmpeg::Rational| Some(f64::from(r)).filter(|fps| fps.is_finite() && *fps > 0.0);
        let fps = rate(stream.avg_frame_rate()).or_else(|| rate(stream.rate()));
        let container_s = known(input.duration()).filter(|us| *us > 0).map(|us| us as f64 / 1e6);
        let of_file = input.metadata().get("creation_time").map(str::to_owned);
        let creation_time = of_file.or_else(|| stream.metadata().get("creation_time").map(str::to_owned));
        Ok(Self {
            index: stream.index(),
            time_base,
            start: known(stream.start_time()),
            format: params::format_of(&stream.parameters(), codec),
            promised_frames: u64::try_from(stream.frames()).unwrap_or(0),
            promised_s: known(stream.duration()).filter(|d| *d > 0).map(seconds).or(container_s),
            fps,
            creation_time,
            input,
        })
    }

    /// The next packet of the video stream in the order of decoding; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<FilePacket>, ReadFault> {
        loop {
            let mut packet = ffmpeg::Packet::empty();
            match packet.read(&mut self.input) {
                Ok(()) => {}
                Err(ffmpeg::Error::Eof) => return Ok(None),
                Err(e) => return Err(ReadFault::Fault(Fault(e))),
            }
            if packet.stream() != self.index {
                continue;
            }
            // Old containers state decoding times only; raw streams none at all.
            let stamp = packet.pts().or(packet.dts()).ok_or(ReadFault::NoTime)?;
            let since = stamp - *self.start.get_or_insert(stamp);
            return Ok(Some(FilePacket {
                data: Bytes::copy_from_slice(packet.data().unwrap_or_default()),
                key: packet.is_key(),
                media_us: (since as f64 * f64::from(self.time_base) * 1e6).round() as i64,
                broken: packet.is_corrupt(),
            }));
        }
    }
}
