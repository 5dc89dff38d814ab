//! YOLOX (Ge et al. 2021, <https://arxiv.org/abs/2107.08430>), output not decoded in the graph.

use stopline_types::VehicleClass;

use super::{Anchor, Candidate, best};

/// One row: centre offset in cells, log of the size in cells, objectness, class scores. The score is objectness
/// times class.
pub(super) fn read(
    row: &[f32],
    anchor: Anchor,
    classes: &[(usize, VehicleClass)],
    confidence: f32,
) -> Option<Candidate> {
    let objectness = row[4];
    // Class scores are at most 1, so most rows end here.
    if objectness < confidence {
        return None;
    }
    let (class, class_score) = best(&row[5..], classes);
    let score = objectness * class_score;
    if score < confidence {
        return None;
    }
    let x = row[0] * anchor.stride + anchor.x;
    let y = row[1] * anchor.stride + anchor.y;
    let half_w = row[2].exp() * anchor.stride / 2.0;
    let half_h = row[3].exp() * anchor.stride / 2.0;
    Some(Candidate { class, score, left: x - half_w, top: y - half_h, right: x + half_w, bottom: y + half_h })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLASSES: [(usize, VehicleClass); 2] = [(0, VehicleClass::Pedestrian), (1, VehicleClass::Car)];
    const ANCHOR: Anchor = Anchor { x: 16.0, y: 32.0, stride: 8.0 };

    #[test]
    fn decodes_by_hand() {
        // Centre (16 + 0.5 * 8, 32 + 0.25 * 8) = (20, 34), size 8 * e^ln 2 = 16 by 8 * e^0 = 8.
        let found = read(&[0.5, 0.25, 2.0_f32.ln(), 0.0, 0.8, 0.1, 0.5], ANCHOR, &CLASSES, 0.3).unwrap();
        assert_eq!(found.class, VehicleClass::Car);
        let got = [found.score, found.left, found.top, found.right, found.bottom];
        for (got, want) in got.iter().zip([0.4, 12.0, 30.0, 28.0, 38.0]) {
            assert!((got - want).abs() < 1e-5, "{found:?}");
        }
    }

    #[test]
    fn the_product_must_reach_the_confidence() {
        assert_eq!(read(&[0.0, 0.0, 0.0, 0.0, 0.5, 0.1, 0.5], ANCHOR, &CLASSES, 0.3), None);
        assert_eq!(read(&[0.0, 0.0, 0.0, 0.0, 0.2, 1.0, 1.0], ANCHOR, &CLASSES, 0.3), None);
    }
}
