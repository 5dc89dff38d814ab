//! Doubles go: greedy non-maximum suppression.

use stopline_types::{Detection, VehicleClass};

use crate::models::Nms;

/// Most boxes kept per picture. Above it the weakest go: the time for one picture stays bounded.
const MOST: usize = 1000;

/// Which classes suppress one another.
#[derive(Debug)]
pub(super) struct Suppress {
    iou: f32,
    together: Vec<Vec<VehicleClass>>,
}

impl Suppress {
    pub(super) fn new(nms: &Nms) -> Self {
        Self { iou: nms.iou, together: nms.together.clone() }
    }

    /// Keeps the strongest of each heap of boxes that share more than the limit, strongest first.
    pub(super) fn apply(&self, mut found: Vec<Detection>) -> Vec<Detection> {
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        found.truncate(MOST);
        let mut kept: Vec<Detection> = Vec::new();
        for next in found {
            let double =
                |strong: &Detection| self.rivals(strong.class, next.class) && strong.bbox.iou(&next.bbox) > self.iou;
            if !kept.iter().any(double) {
                kept.push(next);
            }
        }
        kept
    }

    fn rivals(&self, a: VehicleClass, b: VehicleClass) -> bool {
        a == b || self.together.iter().any(|group| group.contains(&a) && group.contains(&b))
    }
}

#[cfg(test)]
mod tests {
    use stopline_types::BoxPx;

    use super::*;

    fn suppress() -> Suppress {
        Suppress::new(&Nms {
            iou: 0.5,
            together: vec![vec![VehicleClass::Car, VehicleClass::Bus, VehicleClass::Truck]],
        })
    }

    fn at(class: VehicleClass, score: f32, x: f32) -> Detection {
        Detection { class, score, bbox: BoxPx::from([x, 0.0, 10.0, 10.0]) }
    }

    fn kept(found: &[Detection]) -> Vec<(VehicleClass, f32)> {
        suppress().apply(found.to_vec()).iter().map(|d| (d.class, d.score)).collect()
    }

    #[test]
    fn the_stronger_of_a_pair_stays() {
        use VehicleClass::Car;
        // Shares of 10×10 boxes: 2 apart 8/12, 4 apart 6/14.
        assert_eq!(kept(&[at(Car, 0.5, 2.0), at(Car, 0.9, 0.0), at(Car, 0.4, 4.0)]), [(Car, 0.9), (Car, 0.4)]);
    }

    #[test]
    fn a_dropped_box_drops_no_other() {
        use VehicleClass::Car;
        // The middle one goes because of the first; the third touches only the middle one.
        assert_eq!(kept(&[at(Car, 0.9, 0.0), at(Car, 0.8, 3.0), at(Car, 0.7, 6.0)]), [(Car, 0.9), (Car, 0.7)]);
    }

    #[test]
    fn groups_rival_others_do_not() {
        use VehicleClass::{Bus, Car, Motorcycle, Pedestrian, Truck};
        assert_eq!(kept(&[at(Car, 0.9, 0.0), at(Truck, 0.8, 0.0), at(Bus, 0.7, 1.0)]), [(Car, 0.9)]);
        let apart = [at(Motorcycle, 0.9, 0.0), at(Pedestrian, 0.8, 0.0), at(Car, 0.7, 0.0)];
        assert_eq!(kept(&apart).len(), 3);
    }
}
