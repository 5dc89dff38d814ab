//! From cameras and files to frames for the detector and packets for evidence.
//!
//! ```text
//! RTSP ──session──▶ packet ──▶ ring (evidence: cut ▶ clip, stills)
//!                     └──▶ decoder thread ──frame──▶ mailbox ──▶ hub.take ──▶ detector
//! file ──replay──▶ frame, and its packets in a ring
//! ```
//!
//! Bounded everywhere: the ring by seconds and bytes (oldest group of pictures goes), the queue to a decoder by
//! packets (dropped up to the next key frame), the mailbox by one frame (newest wins). What is dropped is counted.
//!
//! What this crate does not know: what is in a picture, what becomes of a frame, where evidence is stored. Only
//! `decode` touches FFmpeg, only `connect` opens RTSP sessions.

mod analyse;
mod camera;
mod clip;
pub mod clock;
pub mod config;
mod connect;
mod counters;
mod decode;
mod device;
mod frames;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod gate;
pub mod handoff;
mod health;
mod packet;
mod pauses;
mod plan;
pub mod probe;
pub mod replay;
mod ring;
mod secret;
pub mod session;
mod stills;
mod tunnel;

pub use camera::{Camera, CameraSpec};
pub use clip::{ClipError, ClipInfo};
pub use connect::{SessionError, SessionFault};
pub use decode::decode_alone;
pub use device::Devices;
pub use gate::GateConfig;
pub use packet::{Codec, Packet, StreamFormat};
pub use plan::{AnalysePlan, CropRequest};
pub use ring::{Cut, Ring, RingError, RingLimits, RingStats};
pub use secret::{Login, Password, StreamUrl};
pub use stills::{Part, PartWanted, Still, StillError};
