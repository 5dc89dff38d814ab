//! NanoDet (RangiLyu 2020): generalised focal loss, Li et al. 2020, <https://arxiv.org/abs/2006.04388>. A row holds the
//! class scores (sigmoid done), and for left, top, right and bottom the logits of the distances 0, 1, … `bins - 1`
//! strides from the cell's centre; an edge lies at the mean of its distribution.

use super::{Anchor, Edges};

/// Where the box lies, by the `4 · bins` logits.
pub(super) fn edges(logits: &[f32], bins: usize, anchor: Anchor) -> Edges {
    let x = anchor.x + anchor.stride / 2.0;
    let y = anchor.y + anchor.stride / 2.0;
    let distance = |side: usize| mean(&logits[side * bins..][..bins]) * anchor.stride;
    [x - distance(0), y - distance(1), x + distance(2), y + distance(3)]
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

    #[test]
    fn decodes_by_hand() {
        // Three bins. Equal logits: mean 1. Weights 1, 1, 2 (ln 2): (0 + 1 + 4) / 4 = 1.25. One sure bin: its number,
        // however large the logits.
        let logits = [0.0, 0.0, 0.0, 0.0, 0.0, 2.0_f32.ln(), -200.0, -200.0, 0.0, 300.0, 0.0, 0.0];
        let edges = edges(&logits, 3, Anchor { x: 32.0, y: 16.0, stride: 16.0 });
        // Centre (40, 24); left 16, top 20, right 32, bottom 0.
        for (got, want) in edges.iter().zip([24.0, 4.0, 72.0, 24.0]) {
            assert!((got - want).abs() < 1e-4, "{edges:?}");
        }
    }
}
