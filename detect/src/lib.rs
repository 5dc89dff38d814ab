//! Inference, tracking, scene, signals and rules.

pub mod analyze;
pub mod law;
pub mod rules;
pub mod scene;
pub mod signal;
pub mod track;
