//! A motorcycle or bicycle is one object with its riders, as [`stopline_types::VehicleClass`] has it; models trained
//! on COCO see the riders apart.

use stopline_types::{BoxPx, Detection, VehicleClass};

/// Share of a person's box that must lie in the two-wheeler's.
const SHARE: f32 = 0.25;
/// How far a rider's feet may be below the wheels, in heights of the two-wheeler: boxes are not exact.
const BELOW: f32 = 0.15;
/// How far down the two-wheeler, in its heights, a rider's feet reach at least: else it is the next rider behind.
const REACH: f32 = 0.4;
/// A family is up to four; more are a crowd, and who belongs to whom is anyone's guess.
const MOST: usize = 4;

/// Joins each person who rides to the two-wheeler below. The joint object keeps the two-wheeler's class, and its
/// score where that reaches `confidence`; a weaker two-wheeler takes the rider's score, or goes if nobody rides it.
/// Strongest first.
pub(super) fn join(found: Vec<Detection>, confidence: f32) -> Vec<Detection> {
    let (people, mut others): (Vec<_>, Vec<_>) = found.into_iter().partition(|d| d.class == VehicleClass::Pedestrian);
    // Judged by the boxes as they were found: a joined box is taller and would draw in people who stand behind.
    let wheels: Vec<(usize, Detection)> =
        others.iter().copied().enumerate().filter(|(_, d)| two_wheeled(d.class)).collect();
    let mut riders = vec![0; others.len()];
    for person in people {
        let seat = wheels.iter().filter(|(at, wheels)| riders[*at] < MOST && rides(&person.bbox, &wheels.bbox)).max_by(
            |(_, a), (_, b)| {
                let sure = |wheels: &Detection| wheels.score >= confidence;
                let shared = |wheels: &Detection| person.bbox.overlap(&wheels.bbox);
                sure(a).cmp(&sure(b)).then(shared(a).total_cmp(&shared(b)))
            },
        );
        match seat {
            Some((at, wheels)) => {
                riders[*at] += 1;
                let joined = &mut others[*at];
                joined.bbox = joined.bbox.around(&person.bbox);
                if wheels.score < confidence {
                    joined.score = joined.score.max(person.score);
                }
            }
            None => {
                others.push(person);
                riders.push(0);
            }
        }
    }
    let mut seen: Vec<_> = others.into_iter().zip(riders).collect();
    seen.retain(|(d, riders)| *riders > 0 || d.score >= confidence);
    seen.sort_by(|(a, _), (b, _)| b.score.total_cmp(&a.score));
    seen.into_iter().map(|(d, _)| d).collect()
}

/// Whether it has riders.
pub(super) fn two_wheeled(class: VehicleClass) -> bool {
    matches!(class, VehicleClass::Motorcycle | VehicleClass::Bicycle)
}

fn rides(person: &BoxPx, wheels: &BoxPx) -> bool {
    let middle = person.centre().x;
    let above_the_seat = person.y < wheels.centre().y;
    let feet = (person.bottom() - wheels.y) / wheels.h;
    let feet_on_it = (REACH..=1.0 + BELOW).contains(&feet);
    let upright_over_it = middle >= wheels.x && middle <= wheels.right();
    upright_over_it && above_the_seat && feet_on_it && person.overlap(wheels) >= SHARE * person.area()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(class: VehicleClass, bbox: [f32; 4]) -> Detection {
        Detection { class, score: 0.5, bbox: BoxPx::from(bbox) }
    }

    const MOTORCYCLE: Detection =
        Detection { class: VehicleClass::Motorcycle, score: 0.8, bbox: BoxPx { x: 100.0, y: 100.0, w: 30.0, h: 40.0 } };

    #[test]
    fn driver_and_passenger_become_one_with_the_motorcycle() {
        let driver = at(VehicleClass::Pedestrian, [105.0, 80.0, 18.0, 45.0]);
        let passenger = at(VehicleClass::Pedestrian, [112.0, 78.0, 16.0, 44.0]);
        let joined = join(vec![driver, MOTORCYCLE, passenger], 0.4);
        assert_eq!(joined.len(), 1);
        assert_eq!((joined[0].class, joined[0].score), (VehicleClass::Motorcycle, 0.8));
        assert_eq!(joined[0].bbox, BoxPx::from_edges(100.0, 78.0, 130.0, 140.0));
    }

    #[test]
    fn people_on_foot_stay_people() {
        let beside = at(VehicleClass::Pedestrian, [126.0, 80.0, 18.0, 58.0]);
        let in_front = at(VehicleClass::Pedestrian, [105.0, 110.0, 18.0, 60.0]);
        let far = at(VehicleClass::Pedestrian, [300.0, 80.0, 18.0, 58.0]);
        let behind = at(VehicleClass::Pedestrian, [105.0, 60.0, 18.0, 54.0]);
        let by_car = at(VehicleClass::Car, [295.0, 70.0, 80.0, 80.0]);
        assert_eq!(join(vec![beside, in_front, far, behind, MOTORCYCLE, by_car], 0.4).len(), 6);
    }

    #[test]
    fn a_rider_goes_to_the_nearer_motorcycle() {
        let second = Detection { bbox: BoxPx::from([118.0, 104.0, 30.0, 40.0]), ..MOTORCYCLE };
        let rider = at(VehicleClass::Pedestrian, [124.0, 84.0, 18.0, 45.0]);
        let joined = join(vec![MOTORCYCLE, second, rider], 0.4);
        assert_eq!(joined[0].bbox, MOTORCYCLE.bbox);
        assert_eq!(joined[1].bbox, BoxPx::from_edges(118.0, 84.0, 148.0, 144.0));
    }

    #[test]
    fn a_weak_motorcycle_counts_only_under_a_rider() {
        let weak = Detection { score: 0.2, ..MOTORCYCLE };
        let rider = at(VehicleClass::Pedestrian, [105.0, 80.0, 18.0, 45.0]);
        let joined = join(vec![rider, weak], 0.4);
        assert_eq!(joined.len(), 1);
        assert_eq!((joined[0].class, joined[0].score), (VehicleClass::Motorcycle, 0.5), "there as surely as the rider");
        assert_eq!(join(vec![weak], 0.4), []);
    }

    #[test]
    fn a_sure_motorcycle_goes_before_a_weak_one() {
        let weak = Detection { score: 0.2, bbox: BoxPx::from([104.0, 80.0, 20.0, 50.0]), ..MOTORCYCLE };
        let rider = at(VehicleClass::Pedestrian, [105.0, 80.0, 18.0, 45.0]);
        let joined = join(vec![weak, rider, MOTORCYCLE], 0.4);
        assert_eq!(joined.len(), 1);
        assert_eq!(joined[0].score, 0.8);
    }
}
