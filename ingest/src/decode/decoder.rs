//! One stream's decoder.

use ffmpeg_next as ffmpeg;
use stopline_types::SizePx;

use super::{Fault, params};
use crate::packet::{Packet, StreamFormat};

/// A decoded picture, still as the codec left it (usually YUV 4:2:0). Belongs to the decoder's thread.
pub(crate) struct Picture {
    pub(super) frame: ffmpeg::frame::Video,
}

impl Picture {
    /// `media_us` of the packet it came from.
    pub(crate) fn media_us(&self) -> Option<i64> {
        self.frame.pts().or_else(|| self.frame.timestamp())
    }

    pub(crate) fn size(&self) -> SizePx {
        SizePx { w: self.frame.width(), h: self.frame.height() }
    }

    /// Whether parts of it are made up because data was missing or broken.
    pub(crate) fn is_damaged(&self) -> bool {
        self.frame.is_corrupt() || self.frame.has_decode_errors()
    }
}

/// Decodes packets of one format, on one thread: streams are decoded side by side, not each in parallel.
pub(crate) struct Decoder {
    inner: ffmpeg::decoder::Video,
}

impl Decoder {
    pub(crate) fn open(format: &StreamFormat) -> Result<Self, Fault> {
        super::quiet();
        let mut context = ffmpeg::codec::Context::from_parameters(params::parameters(format)?)?;
        context.set_threading(ffmpeg::threading::Config { count: 1, ..Default::default() });
        let mut decoder = context.decoder();
        decoder.set_packet_time_base(ffmpeg::Rational(1, 1_000_000));
        Ok(Self { inner: decoder.video()? })
    }

    /// Gives it one packet. Take every picture that is ready before the next.
    pub(crate) fn send(&mut self, packet: &Packet) -> Result<(), Fault> {
        let mut owned = ffmpeg::Packet::copy(&packet.data);
        owned.set_pts(Some(packet.media_us));
        if packet.key {
            owned.set_flags(ffmpeg::packet::Flags::KEY);
        }
        Ok(self.inner.send_packet(&owned)?)
    }

    /// Says that no packet follows, so that held-back pictures come out.
    pub(crate) fn finish(&mut self) -> Result<(), Fault> {
        Ok(self.inner.send_eof()?)
    }

    /// The next picture in order of presentation, if one is ready.
    pub(crate) fn receive(&mut self) -> Result<Option<Picture>, Fault> {
        let mut frame = ffmpeg::frame::Video::empty();
        match self.inner.receive_frame(&mut frame) {
            Ok(()) => Ok(Some(Picture { frame })),
            Err(ffmpeg::Error::Eof) => Ok(None),
            Err(ffmpeg::Error::Other { errno }) if errno == ffmpeg::error::EAGAIN => Ok(None),
            Err(e) => Err(Fault(e)),
        }
    }

    /// Forgets everything before the next packet, which has to be a key frame.
    pub(crate) fn reset(&mut self) {
        self.inner.flush();
    }
}

/// Whether a key frame gives a whole picture.
pub(crate) fn try_key_frame(packet: &Packet) -> Result<(), Fault> {
    let mut decoder = Decoder::open(&packet.format)?;
    decoder.send(packet)?;
    decoder.finish()?;
    match decoder.receive()? {
        Some(picture) if !picture.is_damaged() => Ok(()),
        _ => Err(Fault(ffmpeg::Error::InvalidData)),
    }
}
