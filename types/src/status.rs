//! How a camera is doing.

use serde::{Deserialize, Serialize};

use crate::{CameraId, UtcUs};

/// The life of a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum CameraState {
    /// Being reached.
    Connecting,
    /// Frames come.
    Online,
    /// Frames come, but fewer than the rules need, or one of two streams is missing.
    Degraded,
    /// Connected, yet no frame for longer than the stall time.
    Stalled,
    /// Not reachable; tried again with growing pauses.
    Offline,
    /// Left alone on purpose: turned off in its file, or its log-in was refused and trying on would lock the account.
    Suspended,
}

impl CameraState {
    /// The word used in JSON and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Online => "online",
            Self::Degraded => "degraded",
            Self::Stalled => "stalled",
            Self::Offline => "offline",
            Self::Suspended => "suspended",
        }
    }
}

/// Counts since the engine started, for one camera. Frames that were not looked at stand with their reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct CameraCounters {
    /// Encoded frames received, both streams.
    pub frames_received: u64,
    /// Frames of the analysed stream decoded.
    pub frames_decoded: u64,
    /// Frames the detector looked at.
    pub frames_analysed: u64,
    /// Decoded but replaced in the mailbox by a newer one before the detector was free.
    pub frames_superseded: u64,
    /// Decoded but above the camera's analysed rate.
    pub frames_over_rate: u64,
    /// Received on the analysed stream but not decodable.
    pub frames_undecodable: u64,
    /// Received on the analysed stream and left undecoded because the road was quiet.
    pub frames_gated: u64,
    /// Times the quiet ended.
    pub gate_wakes: u64,
    /// Time spent decoding and scaling, milliseconds.
    pub decode_ms: u64,
    /// Bytes received, both streams.
    pub bytes_received: u64,
    /// Packets the network lost, as far as sequence numbers tell.
    pub packets_lost: u64,
    /// Sessions that ended and were opened again.
    pub reconnects: u64,
    /// Times the camera's clock was set by more than half a second while it was watched.
    pub clock_steps: u64,
}

/// A camera's state as shown to people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CameraStatus {
    /// The camera.
    pub camera: CameraId,
    /// Its name for people.
    pub name: String,
    /// The state.
    pub state: CameraState,
    /// Why, in words; empty when online. Never holds a credential.
    pub reason: String,
    /// Why the rules of this camera rest although frames come, in words: its view moved, is covered, dark or blurred, or
    /// the stream does not fit the scene. Null: they do not.
    #[serde(default)]
    pub rules_rest: Option<String>,
    /// Since when.
    pub since: UtcUs,
    /// When the last frame came.
    pub last_frame: Option<UtcUs>,
    /// Frames a second the detector looked at, over the last ten seconds.
    pub analysed_fps: f64,
    /// Error of the camera's capture time, milliseconds.
    pub clock_error_ms: Option<f64>,
    /// Camera's clock minus ours, network delay included, milliseconds; null: it sends no reports that can be believed.
    #[serde(default)]
    pub clock_offset_ms: Option<f64>,
    /// How fast its clock runs away from ours, parts per million; null: not watched for long enough.
    #[serde(default)]
    pub clock_drift_ppm: Option<f64>,
    /// Counts since start.
    pub counters: CameraCounters,
}
