//! Packets into an MP4 file, as they are.

use std::path::Path;

use ffmpeg_next as ffmpeg;

use super::{Fault, params};
use crate::packet::StreamFormat;

/// One packet of a clip, in the order of decoding.
pub(crate) struct MuxPacket<'a> {
    pub(crate) data: &'a [u8],
    pub(crate) key: bool,
    /// Presentation and decoding time in microseconds since the clip began.
    pub(crate) pts_us: i64,
    pub(crate) dts_us: i64,
    /// How long it is shown. A last packet of no duration would be cut off by the file's edit list.
    pub(crate) duration_us: i64,
}

const US: ffmpeg::Rational = ffmpeg::Rational(1, 1_000_000);

/// Writes the file with its index in front (`movflags=faststart`), so that it plays while it loads.
pub(crate) fn write_mp4<'a>(
    path: &Path,
    format: &StreamFormat,
    creation_time: &str,
    packets: impl Iterator<Item = MuxPacket<'a>>,
) -> Result<(), Fault> {
    super::quiet();
    let mut output = ffmpeg::format::output_as(&super::file_url(path)?, "mp4")?;
    {
        let mut stream = output.add_stream(ffmpeg::encoder::find(ffmpeg::codec::Id::None))?;
        stream.set_parameters(params::parameters(format)?);
        stream.set_time_base(ffmpeg::Rational(1, 90_000));
    }
    let mut metadata = ffmpeg::Dictionary::new();
    metadata.set("creation_time", creation_time);
    output.set_metadata(metadata);
    let mut options = ffmpeg::Dictionary::new();
    options.set("movflags", "+faststart");
    options.set("video_track_timescale", "90000");
    drop(output.write_header_with(options)?);
    let time_base = output.stream(0).map_or(ffmpeg::Rational(1, 90_000), |stream| stream.time_base());
    let mut last_dts = None;
    for packet in packets {
        let mut owned = ffmpeg::Packet::copy(packet.data);
        owned.set_stream(0);
        owned.set_pts(Some(packet.pts_us));
        owned.set_dts(Some(packet.dts_us));
        owned.set_duration(packet.duration_us);
        owned.rescale_ts(US, time_base);
        // Rounding to 90 kHz may make two stamps equal; a file must not have that.
        let dts = owned.dts().unwrap_or(0);
        let dts = last_dts.map_or(dts, |last: i64| dts.max(last + 1));
        last_dts = Some(dts);
        owned.set_dts(Some(dts));
        owned.set_pts(owned.pts().map(|pts| pts.max(dts)));
        if packet.key {
            owned.set_flags(ffmpeg::packet::Flags::KEY);
        }
        owned.write_interleaved(&mut output)?;
    }
    Ok(output.write_trailer()?)
}
