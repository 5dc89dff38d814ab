//! NanoDet (RangiLyu 2020): generalised focal loss, Li et al. 2020, <https://arxiv.org/abs/2006.04388>. The score of
//! a class stands for itself; each edge's distance from the cell's centre is the mean of a distribution.

use stopline_types::VehicleClass;

use super::{Anchor, Candidate, best};

/// One row: class scores (sigmoid done), and for left, top, right, bottom the logits of the distances
/// 0, 1, … `bins - 1` strides.
pub(super) fn read(
    scores: &[f32],
    distances: &[f32],
    bins: usize,
    anchor: Anchor,
    classes: &[(usize, VehicleClass)],
    confidence: f32,
) -> Option<Candidate> {
    let (class, score) = best(scores, classes);
    if score < confidence {
        return None;
    }
    let x = anchor.x + anchor.stride / 2.0;
    let y = anchor.y + anchor.stride / 2.0;
    let edge = |side: usize| mean(&distances[side * bins..][..bins]) * anchor.stride;
    Some(Candidate { class, score, left: x - edge(0), top: y - edge(1), right: x + edge(2), bottom: y + edge(3) })
}

/// Mean of 0, 1, 2, … under the softmax of `logits`.
fn mean(logits: &[f32]) -> f32 {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (mut total, mut weighted) = (0.0, 0.0);
    for (distance, logit) in logits.iter().enumerate() {
        let weight = (logit - most).exp();
        total += weight;
        weighted += weight * distance as f32;
    }
    weighted / total
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLASSES: [(usize, VehicleClass); 2] = [(0, VehicleClass::Bus), (2, VehicleClass::Motorcycle)];
    const ANCHOR: Anchor = Anchor { x: 32.0, y: 16.0, stride: 16.0 };

    #[test]
    fn decodes_by_hand() {
        // Three bins. Equal logits: mean 1. Weights 1, 1, 2 (ln 2): (0 + 1 + 4) / 4 = 1.25. One sure bin: its number.
        let distances = [0.0, 0.0, 0.0, 0.0, 0.0, 2.0_f32.ln(), -200.0, -200.0, 0.0, 300.0, 0.0, 0.0];
        let found = read(&[0.2, 0.9, 0.6], &distances, 3, ANCHOR, &CLASSES, 0.5).unwrap();
        assert_eq!((found.class, found.score), (VehicleClass::Motorcycle, 0.6));
        // Centre (40, 24); left 16, top 20, right 32, bottom 0.
        let got = [found.left, found.top, found.right, found.bottom];
        for (got, want) in got.iter().zip([24.0, 4.0, 72.0, 24.0]) {
            assert!((got - want).abs() < 1e-4, "{found:?}");
        }
    }

    #[test]
    fn below_the_confidence_is_nothing() {
        assert_eq!(read(&[0.2, 0.9, 0.4], &[0.0; 12], 3, ANCHOR, &CLASSES, 0.5), None);
    }
}
