//! Inference, tracking, scene, signals and rules.

pub mod inference;
pub mod models;
pub mod workers;
