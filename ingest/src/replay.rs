//! A file as a camera: every frame, in order, the same each time.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::Arc,
};

use stopline_types::{CameraId, CaptureTime, Frame, SizePx, StreamRole, TimeSource, UtcUs};

use crate::{
    decode::{Demuxer, OpenFault, ReadFault},
    frames::{FrameMaker, Outcome},
    gate::{GateConfig, GatedMaker},
    packet::{Codec, Packet, StreamFormat},
    plan::AnalysePlan,
    ring::{Ring, RingLimits},
};

/// Start of files that say nothing of theirs: 2026-01-01T00:00:00Z.
pub const NOMINAL_START: UtcUs = UtcUs(1_767_225_600_000_000);
/// Error of a start that was given, milliseconds. An assumption: people give whole seconds.
pub const GIVEN_START_ERROR_MS: f64 = 500.0;
/// Error of a start out of a file's `creation_time`, milliseconds: MP4 keeps whole seconds (ISO/IEC 14496-12, `mvhd`),
/// and writers differ in whether they mean the first frame.
pub const FILE_START_ERROR_MS: f64 = 1000.0;

const CUT_SHORT: &str = "the file ends within it";

/// Why a file cannot be replayed, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// It cannot be opened.
    #[error("{path}: {source}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system answered.
        source: std::io::Error,
    },
    /// It is no video, or its index is missing.
    #[error("{path}: expected a video file; came something FFmpeg cannot read: {fault}")]
    NotVideo {
        /// The file.
        path: PathBuf,
        /// What FFmpeg answered.
        fault: String,
    },
    /// It holds sound or pictures of another kind only.
    #[error("{path}: expected a video stream; the file holds none")]
    NoVideoStream {
        /// The file.
        path: PathBuf,
    },
    /// A codec we do not take.
    #[error("{path}: expected H.264, H.265, MPEG-4 or MJPEG; came {codec}")]
    UnsupportedCodec {
        /// The file.
        path: PathBuf,
        /// FFmpeg's name of the codec.
        codec: String,
    },
    /// A raw stream outside of any container.
    #[error("{path}: expected time stamps; came none (a raw stream? wrap it: ffmpeg -r FPS -i IN -c copy OUT.mp4)")]
    NoTime {
        /// The file.
        path: PathBuf,
    },
    /// It ends before its header says; all frames up to there were handed out.
    #[error("{path}: ends at {at_s:.2} s after {frames} frames; its header promises {promised}")]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Seconds from its begin to where it ends.
        at_s: f64,
        /// Frames it holds.
        frames: u64,
        /// What was promised, in words.
        promised: String,
    },
    /// Some of its frames cannot be decoded; all others were handed out.
    #[error("{path}: {frames} frames cannot be decoded, the first at {at_s:.2} s: {fault}")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Seconds from its begin to the first of them.
        at_s: f64,
        /// How many.
        frames: u64,
        /// What was wrong with the first.
        fault: String,
    },
}

/// What a file is, and how far it has been read.
#[derive(Debug, Clone, PartialEq)]
pub struct FileInfo {
    /// Codec of its pictures.
    pub codec: Codec,
    /// Size of its pictures.
    pub size: SizePx,
    /// Frames a second by its header, if stated.
    pub fps: Option<f64>,
    /// Seconds by its header, if stated.
    pub duration_s: Option<f64>,
    /// Time of its first frame.
    pub start: CaptureTime,
    /// Encoded frames read so far.
    pub frames_read: u64,
    /// Decoded so far.
    pub frames_decoded: u64,
    /// Decoded, but above the plan's rate.
    pub frames_over_rate: u64,
    /// Not decodable.
    pub frames_undecodable: u64,
    /// Left undecoded because the road was quiet.
    pub frames_gated: u64,
}

/// A file that plays the part of a camera. It is read as fast as frames are asked for, on the caller's thread.
pub struct FileCamera {
    path: PathBuf,
    demuxer: Demuxer,
    format: Arc<StreamFormat>,
    maker: GatedMaker,
    ring: Ring,
    ready: VecDeque<Frame>,
    info: FileInfo,
    last_us: i64,
    fault: Option<(f64, String)>,
    stage: Stage,
}

#[derive(Debug, PartialEq)]
enum Stage {
    Reading,
    /// All is read; what was wrong, if anything, is still to be told.
    Ended(Option<Ending>),
    Told,
}

/// Why reading ended before the end of the file.
#[derive(Debug, PartialEq)]
enum Ending {
    NoTime,
    Fault(String),
}

impl FileCamera {
    /// Opens a file. Its time begins at `start` if given, else at its own `creation_time`, else at
    /// [`NOMINAL_START`] (source `file_nominal`, error unknown: not evidence).
    pub fn open(
        path: &Path,
        camera: CameraId,
        start: Option<UtcUs>,
        plan: AnalysePlan,
        limits: RingLimits,
    ) -> Result<Self, ReplayError> {
        let io = |source| ReplayError::Open { path: path.to_owned(), source };
        if std::fs::metadata(path).map_err(io)?.is_dir() {
            return Err(io(std::io::Error::from(std::io::ErrorKind::IsADirectory)));
        }
        std::fs::File::open(path).map_err(io)?;
        let demuxer = Demuxer::open(path).map_err(|fault| {
            let path = path.to_owned();
            match fault {
                OpenFault::NotReadable(fault) => ReplayError::NotVideo { path, fault: fault.to_string() },
                OpenFault::NoVideo => ReplayError::NoVideoStream { path },
                OpenFault::Codec(codec) => ReplayError::UnsupportedCodec { path, codec: codec.to_owned() },
            }
        })?;
        let own = demuxer.creation_time.as_deref().and_then(|text| UtcUs::parse(text).ok());
        // A creation time of zero in MP4 (1904) or Unix terms means that the writer knew none.
        let own = own.filter(|at| at.0 > 0);
        let start = match (start, own) {
            (Some(utc), _) => CaptureTime { utc, error_ms: Some(GIVEN_START_ERROR_MS), source: TimeSource::File },
            (None, Some(utc)) => CaptureTime { utc, error_ms: Some(FILE_START_ERROR_MS), source: TimeSource::File },
            (None, None) => CaptureTime { utc: NOMINAL_START, error_ms: None, source: TimeSource::FileNominal },
        };
        let info = FileInfo {
            codec: demuxer.format.codec,
            size: demuxer.format.size,
            fps: demuxer.fps,
            duration_s: demuxer.promised_s,
            start,
            frames_read: 0,
            frames_decoded: 0,
            frames_over_rate: 0,
            frames_undecodable: 0,
            frames_gated: 0,
        };
        Ok(Self {
            path: path.to_owned(),
            format: Arc::new(demuxer.format.clone()),
            demuxer,
            maker: GatedMaker::new(FrameMaker::new(camera, StreamRole::Main, plan)),
            ring: Ring::new(limits),
            ready: VecDeque::new(),
            info,
            last_us: 0,
            fault: None,
            stage: Stage::Reading,
        })
    }

    /// Decodes key frames only while the road is quiet.
    #[must_use]
    pub fn gated(mut self, config: GateConfig) -> Self {
        self.maker = self.maker.gated(config);
        self
    }

    /// The next frame in order of time; `None` at the end. A file that is cut short or broken gives the frames it
    /// has, then one error, then `None`.
    #[expect(clippy::should_implement_trait, reason = "not an iterator: an error comes after frames, and once")]
    pub fn next(&mut self) -> Result<Option<Frame>, ReplayError> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Ok(Some(frame));
            }
            match std::mem::replace(&mut self.stage, Stage::Told) {
                Stage::Reading => self.stage = self.read(),
                Stage::Ended(why) => return self.verdict(why).map_or(Ok(None), Err),
                Stage::Told => return Ok(None),
            }
        }
    }

    /// What it is, and how far it has been read.
    #[must_use]
    pub fn info(&self) -> &FileInfo {
        &self.info
    }

    /// Its packets, so that evidence is cut as from a camera.
    #[must_use]
    pub fn ring(&self) -> Ring {
        self.ring.clone()
    }

    /// Reads one packet and returns the stage that follows.
    fn read(&mut self) -> Stage {
        let file_packet = match self.demuxer.next() {
            Ok(Some(packet)) => packet,
            Ok(None) => return self.end(None),
            Err(ReadFault::Fault(fault)) => return self.end(Some(Ending::Fault(fault.to_string()))),
            Err(ReadFault::NoTime) => return self.end(Some(Ending::NoTime)),
        };
        self.info.frames_read += 1;
        let media_us = file_packet.media_us;
        self.last_us = self.last_us.max(media_us);
        let time = CaptureTime { utc: UtcUs(self.info.start.utc.0 + media_us), ..self.info.start };
        if file_packet.broken {
            let fault = Some(CUT_SHORT.to_owned());
            self.count(media_us, Outcome { undecodable: 1, fault, ..Outcome::default() });
            return Stage::Reading;
        }
        let packet = Packet {
            format: Arc::clone(&self.format),
            data: file_packet.data,
            key: file_packet.key,
            session: 0,
            media_us,
            time,
            received: None,
            after_loss: false,
        };
        self.ring.push(packet.clone());
        let ready = &mut self.ready;
        let outcome = self.maker.packet(&packet, &mut |frame| ready.push_back(frame));
        self.count(media_us, outcome);
        Stage::Reading
    }

    fn end(&mut self, why: Option<Ending>) -> Stage {
        let ready = &mut self.ready;
        let outcome = self.maker.finish(&mut |frame| ready.push_back(frame));
        self.count(self.last_us, outcome);
        self.ring.end();
        Stage::Ended(why)
    }

    fn count(&mut self, media_us: i64, outcome: Outcome) {
        self.info.frames_decoded += outcome.decoded;
        self.info.frames_over_rate += outcome.over_rate;
        self.info.frames_undecodable += outcome.undecodable;
        self.info.frames_gated += outcome.gated;
        if let (None, Some(fault)) = (&self.fault, outcome.fault) {
            self.fault = Some((media_us as f64 / 1e6, fault));
        }
    }

    /// What is wrong with the file as a whole.
    fn verdict(&mut self, ending: Option<Ending>) -> Option<ReplayError> {
        let read_fault = match ending {
            Some(Ending::NoTime) => return Some(ReplayError::NoTime { path: self.path.clone() }),
            Some(Ending::Fault(fault)) => Some(fault),
            None => None,
        };
        let (path, at_s) = (self.path.clone(), self.last_us as f64 / 1e6);
        let whole = self.info.frames_read - self.cut_short();
        let promised = self.demuxer.promised_frames;
        if promised > whole || read_fault.is_some() {
            let promised = match (promised, self.info.duration_s) {
                (0, Some(s)) => format!("{s:.2} s"),
                (0, None) => "more".to_owned(),
                (n, Some(s)) => format!("{n} frames in {s:.2} s"),
                (n, None) => format!("{n} frames"),
            };
            let promised = read_fault.map_or(promised.clone(), |fault| format!("{promised} (reading on: {fault})"));
            return Some(ReplayError::Truncated { path, at_s, frames: whole, promised });
        }
        let (at_s, fault) = self.fault.take()?;
        Some(ReplayError::Corrupt { path, at_s, frames: self.info.frames_undecodable, fault })
    }

    /// 1 if the last packet was only partly there.
    fn cut_short(&self) -> u64 {
        u64::from(self.fault.as_ref().is_some_and(|(_, why)| why == CUT_SHORT))
    }
}
