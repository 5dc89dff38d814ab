//! Inference, tracking, scene, signals and rules.
