//! Objects over time: riders joined with their machines, then a tracker of the ByteTrack kind.
//!
//! Method: Zhang et al., ByteTrack (ECCV 2022): confident boxes are matched to tracks first, the weak ones then only
//! to what is left; buffered overlap after Yang et al., Hard to Track Objects with Irregular Motions (WACV 2023).
//! All times are seconds of the media, so that 6 and 25 frames a second behave alike.

mod assign;
mod kalman;
mod riders;
mod tracker;
mod votes;

pub use assign::assign;
pub use kalman::BoxFilter;
pub use riders::{Group, Observation, RiderMerger};
pub use tracker::{Seen, Step, Tracker};
pub use votes::{ClassVotes, InLane, Judged, PACE_S};
