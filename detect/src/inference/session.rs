//! What all models have in common: how a session is made, and whether its numbers are numbers.

use ort::session::{Session, builder::GraphOptimizationLevel};

use super::Runtime;
use crate::models::VerifiedModel;

pub(super) fn open(runtime: &Runtime, model: &VerifiedModel, threads: usize) -> ort::Result<Session> {
    Session::builder(&runtime.environment)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(threads)?
        .with_inter_threads(1)?
        // The machine's other threads decode; a worker that waits must not burn a core.
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?
        .commit_from_memory(&model.bytes)
}

/// An exponent of all ones is an infinity or no number. Written so that it becomes vector instructions.
pub(super) fn all_finite(values: &[f32]) -> bool {
    const EXPONENT: u32 = 0x7f80_0000;
    !values.chunks(1024).any(|chunk| chunk.iter().fold(false, |bad, v| bad | (v.to_bits() & EXPONENT == EXPONENT)))
}
