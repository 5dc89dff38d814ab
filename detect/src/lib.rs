//! Inference, tracking, scene, signals and rules: from a decoded frame to events.
//!
//! - [`models`], [`inference`], [`workers`]: which model, running it, on which threads
//! - [`track`]: riders joined with their machines, objects followed over frames
//! - [`scene`], [`signal`]: what the camera sees, and what its signal heads show
//! - [`rules`], [`law`]: what is forbidden, and by which article
//! - [`plate`]: number plates, from pixels to a text that knows how sure it is
//! - [`analyze`]: one camera from detections to events
//!
//! Only [`inference`] touches ONNX Runtime. Rules never see pixels or a clock.

pub mod analyze;
pub mod inference;
pub mod law;
mod local_time;
pub mod models;
pub mod plate;
pub mod rules;
pub mod scene;
pub mod signal;
pub mod track;
pub mod workers;
