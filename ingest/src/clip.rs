//! A cut as an MP4 file, without encoding anew: the very bytes the camera sent.

use std::path::{Path, PathBuf};

use stopline_types::UtcUs;

use crate::{
    decode::{self, MuxPacket},
    packet::{Codec, Packet},
    ring::Cut,
};

/// Why a clip could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ClipError {
    /// There is nothing to write.
    #[error("{path}: the cut holds no packets")]
    Empty {
        /// The file that was to be written.
        path: PathBuf,
    },
    /// Its first key frame gives no picture. Such a clip would prove nothing, and FFmpeg's writer, which reads the parameter sets
    /// with less care than its decoder, can take minutes over broken ones.
    #[error("{path}: the clip's first key frame cannot be decoded: {fault}")]
    Undecodable {
        /// The file that was to be written.
        path: PathBuf,
        /// What FFmpeg answered.
        fault: String,
    },
    /// Writing failed.
    #[error("{path}: cannot write the clip: {fault}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What FFmpeg answered.
        fault: String,
    },
    /// The file could not be looked at after writing.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system answered.
        source: std::io::Error,
    },
}

/// What a clip holds.
#[derive(Debug, Clone, PartialEq)]
pub struct ClipInfo {
    /// Capture time of its first frame.
    pub first: UtcUs,
    /// Capture time of its last frame.
    pub last: UtcUs,
    /// Encoded frames.
    pub packets: usize,
    /// Size of the file, bytes.
    pub bytes: u64,
    /// Codec of its pictures.
    pub codec: Codec,
}

impl Cut {
    /// Writes the packets as an MP4 file, replacing one that is there. `creation_time` in it is the capture time of
    /// the first frame, in whole seconds. A camera whose codec or size was changed within the cut gives the longer part: a
    /// file has one of each. On an error the unfinished file is removed. Not for async tasks: it writes.
    pub fn write_mp4(&self, path: &Path) -> Result<ClipInfo, ClipError> {
        let kept = longest_of_one_format(&self.packets);
        let times_utc = || kept.iter().map(|packet| packet.time.utc);
        let (Some(first_packet), Some(first), Some(last)) = (kept.first(), times_utc().min(), times_utc().max()) else {
            return Err(ClipError::Empty { path: path.to_owned() });
        };
        decode::try_key_frame(first_packet)
            .map_err(|fault| ClipError::Undecodable { path: path.to_owned(), fault: fault.to_string() })?;
        let times = timeline(kept);
        let durations = durations(&times);
        let packets = kept.iter().zip(times).zip(durations).map(|((packet, (pts_us, dts_us)), duration_us)| {
            MuxPacket { data: &packet.data, key: packet.key, pts_us, dts_us, duration_us }
        });
        decode::write_mp4(path, &first_packet.format, &first.to_string(), packets).map_err(|fault| {
            // Best effort: the fault to report is the one that came first.
            std::fs::remove_file(path).ok();
            ClipError::Write { path: path.to_owned(), fault: fault.to_string() }
        })?;
        let io = |source| ClipError::Io { path: path.to_owned(), source };
        let bytes = std::fs::metadata(path).map_err(io)?.len();
        Ok(ClipInfo { first, last, packets: kept.len(), bytes, codec: first_packet.format.codec })
    }
}

/// The longest run of packets that one file can hold.
fn longest_of_one_format(packets: &[Packet]) -> &[Packet] {
    let kind = |packet: &Packet| (packet.format.codec, packet.format.size);
    let runs = packets.chunk_by(|a, b| kind(a) == kind(b));
    runs.max_by_key(|run| run.len()).unwrap_or_default()
}

/// From each decoding time to the next; the last lasts as long as the one before it, or a frame at 25/s.
fn durations(times: &[(i64, i64)]) -> Vec<i64> {
    let mut durations: Vec<i64> = times.windows(2).map(|pair| pair[1].1 - pair[0].1).collect();
    durations.push(durations.last().copied().unwrap_or(40_000));
    durations
}

/// Presentation and decoding times, microseconds from the first packet. Within a session by media time; from one
/// session to the next by capture time, since media time starts anew.
fn timeline(packets: &[Packet]) -> Vec<(i64, i64)> {
    let mut shown = Vec::with_capacity(packets.len());
    let mut latest = 0;
    let mut offset = packets.first().map_or(0, |p| -p.media_us);
    let mut before = packets.first();
    for packet in packets {
        if let Some(before) = before.replace(packet).filter(|before| before.session != packet.session) {
            let gap_us = (packet.time.utc.0 - before.time.utc.0).max(1000);
            offset = latest + gap_us - packet.media_us;
        }
        let pts = packet.media_us + offset;
        latest = latest.max(pts);
        shown.push(pts);
    }
    // Decoding times are the presentation times in order, early enough that none is decoded after it is shown.
    let mut sorted = shown.clone();
    sorted.sort_unstable();
    let early = sorted.iter().zip(&shown).map(|(dts, pts)| dts - pts).max().unwrap_or(0).max(0);
    shown.into_iter().zip(sorted).map(|(pts, dts)| (pts, dts - early)).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use stopline_types::{CaptureTime, SizePx, TimeSource};

    use super::*;
    use crate::packet::StreamFormat;

    fn packet(session: u32, media_ms: i64, utc_ms: i64) -> Packet {
        let format =
            StreamFormat { codec: Codec::H264, extra_data: Bytes::new(), size: SizePx { w: 16, h: 16 }, reorder: 0 };
        Packet {
            format: Arc::new(format),
            data: Bytes::new(),
            key: false,
            session,
            media_us: media_ms * 1000,
            time: CaptureTime { utc: UtcUs(utc_ms * 1000), error_ms: None, source: TimeSource::Receive },
            received: None,
            after_loss: false,
        }
    }

    #[test]
    fn pictures_are_decoded_before_they_are_shown() {
        // I P B B P B B in order of decoding.
        let shown = [0, 120, 40, 80, 240, 160, 200];
        let packets: Vec<_> = shown.iter().map(|ms| packet(0, 5000 + ms, *ms)).collect();
        let times = timeline(&packets);
        assert!(times.iter().all(|(pts, dts)| dts <= pts), "{times:?}");
        assert!(times.windows(2).all(|pair| pair[0].1 < pair[1].1), "{times:?}");
        assert_eq!(times.iter().map(|(pts, _)| pts / 1000).collect::<Vec<_>>(), shown);
    }

    #[test]
    fn a_new_session_follows_by_capture_time() {
        let packets = [packet(0, 9000, 0), packet(0, 9040, 40), packet(1, 0, 3040), packet(1, 40, 3080)];
        let shown: Vec<_> = timeline(&packets).iter().map(|(pts, _)| pts / 1000).collect();
        assert_eq!(shown, [0, 40, 3040, 3080]);
        assert_eq!(durations(&timeline(&packets)), [40_000, 3_000_000, 40_000, 40_000]);
        assert_eq!(durations(&[(0, 0)]), [40_000]);
    }
}
