//! YOLOX (Ge et al. 2021, <https://arxiv.org/abs/2107.08430>), output not decoded in the graph. A row holds the centre's
//! offset in cells, the logarithm of the size in cells, objectness and class scores.

use super::{Anchor, Edges};

/// Objectness times class.
pub(super) fn score(row: &[f32], class: usize) -> f32 {
    row[4] * row[5 + class]
}

/// Where the box lies.
pub(super) fn edges(row: &[f32], anchor: Anchor) -> Edges {
    let x = row[0] * anchor.stride + anchor.x;
    let y = row[1] * anchor.stride + anchor.y;
    let half_w = row[2].exp() * anchor.stride / 2.0;
    let half_h = row[3].exp() * anchor.stride / 2.0;
    [x - half_w, y - half_h, x + half_w, y + half_h]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_by_hand() {
        // Centre (16 + 0.5 * 8, 32 + 0.25 * 8) = (20, 34), size 8 * e^ln 2 = 16 by 8 * e^0 = 8.
        let row = [0.5, 0.25, 2.0_f32.ln(), 0.0, 0.8, 0.1, 0.5];
        let edges = edges(&row, Anchor { x: 16.0, y: 32.0, stride: 8.0 });
        for (got, want) in edges.iter().zip([12.0, 30.0, 28.0, 38.0]) {
            assert!((got - want).abs() < 1e-5, "{edges:?}");
        }
        assert_eq!(score(&row, 1), 0.4);
    }
}
