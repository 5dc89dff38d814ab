//! RTSP sessions, packet ring, decode, frame hand-off, files as cameras.

mod clip;
pub mod clock;
pub mod config;
mod counters;
mod decode;
mod frames;
pub mod handoff;
mod packet;
mod plan;
pub mod replay;
mod ring;
mod secret;
mod stills;

pub use clip::{ClipError, ClipInfo};
pub use packet::{Codec, Packet, StreamFormat};
pub use plan::{AnalysePlan, CropRequest};
pub use ring::{Cut, Ring, RingError, RingLimits, RingStats};
pub use secret::{Login, Password, StreamUrl};
pub use stills::{Still, StillError};
