//! The two models that read plates: where in a vehicle's picture a plate is, and what stands on it.

mod locator;
mod reader;

use ort::value::{Outlet, TensorElementType, ValueType};

use super::InferenceError;

pub use locator::{LocatedPlate, PlateLocator};
pub use reader::{CharacterOdds, PlateReader, RawRead};

/// Most pictures in one run: a bound on memory, not on what may be asked.
const MOST_AT_ONCE: usize = 16;

/// Looks for a 32-bit float tensor of this name and shape among a graph's inputs or outputs. Dimensions the graph leaves
/// open (-1) are checked at each run.
fn check_outlet(
    model: &str,
    part: &'static str,
    outlets: &[Outlet],
    name: &str,
    expected: &[i64],
) -> Result<(), InferenceError> {
    let fits = |outlet: &Outlet| match outlet.dtype() {
        ValueType::Tensor { ty: TensorElementType::Float32, shape, .. } => {
            shape.len() == expected.len()
                && shape.iter().zip(expected).all(|(found, expected)| found == expected || *found == -1)
        }
        _ => false,
    };
    if outlets.iter().any(|outlet| outlet.name() == name && fits(outlet)) {
        return Ok(());
    }
    let found: Vec<_> = outlets.iter().map(|outlet| format!("{}: {}", outlet.name(), outlet.dtype())).collect();
    Err(InferenceError::Mismatch {
        model: model.into(),
        part,
        expected: format!("{name}: Tensor<f32> {expected:?} (-1: any)"),
        found: found.join(" and "),
    })
}

fn wrong_shape(model: &str, part: &'static str, expected: &[i64], found: &[i64]) -> InferenceError {
    InferenceError::Mismatch {
        model: model.into(),
        part,
        expected: format!("{expected:?}"),
        found: format!("{found:?}"),
    }
}

fn wrong_head(model: String, found: &str, asked: &str) -> InferenceError {
    InferenceError::Mismatch {
        model,
        part: "the head",
        expected: found.into(),
        found: format!("asked to be a {asked}"),
    }
}
