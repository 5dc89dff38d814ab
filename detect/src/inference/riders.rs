//! A motorcycle or bicycle is one object with its riders, as [`stopline_types::VehicleClass`] has it; models trained
//! on COCO see the riders apart.

use stopline_types::{BoxPx, Detection, VehicleClass};

/// Share of a person's box that must lie in the two-wheeler's.
const SHARE: f32 = 0.25;
/// How far a rider's feet may be below the wheels, in heights of the two-wheeler: boxes are not exact.
const BELOW: f32 = 0.15;
/// A family is up to four; more are a crowd, and who belongs to whom is anyone's guess.
const MOST: usize = 4;

/// Joins each person who rides to the two-wheeler below. The joint object keeps the two-wheeler's class and score.
pub(super) fn join(found: Vec<Detection>) -> Vec<Detection> {
    let (people, mut others): (Vec<_>, Vec<_>) = found.into_iter().partition(|d| d.class == VehicleClass::Pedestrian);
    // Judged by the boxes as they were found: a joined box is taller and would draw in people who stand behind.
    let wheels: Vec<(usize, BoxPx)> =
        others.iter().enumerate().filter(|(_, d)| two_wheeled(d.class)).map(|(at, d)| (at, d.bbox)).collect();
    let mut riders = vec![0; others.len()];
    for person in people {
        let seat = wheels
            .iter()
            .filter(|(at, wheels)| riders[*at] < MOST && rides(&person.bbox, wheels))
            .max_by(|a, b| person.bbox.overlap(&a.1).total_cmp(&person.bbox.overlap(&b.1)));
        match seat {
            Some((at, _)) => {
                riders[*at] += 1;
                others[*at].bbox = others[*at].bbox.around(&person.bbox);
            }
            None => others.push(person),
        }
    }
    others
}

fn two_wheeled(class: VehicleClass) -> bool {
    matches!(class, VehicleClass::Motorcycle | VehicleClass::Bicycle)
}

fn rides(person: &BoxPx, wheels: &BoxPx) -> bool {
    let middle = person.centre().x;
    let above_the_seat = person.y < wheels.centre().y;
    let feet_on_it = person.bottom() <= wheels.bottom() + BELOW * wheels.h;
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
        let joined = join(vec![driver, MOTORCYCLE, passenger]);
        assert_eq!(joined.len(), 1);
        assert_eq!((joined[0].class, joined[0].score), (VehicleClass::Motorcycle, 0.8));
        assert_eq!(joined[0].bbox, BoxPx::from_edges(100.0, 78.0, 130.0, 140.0));
    }

    #[test]
    fn people_on_foot_stay_people() {
        let beside = at(VehicleClass::Pedestrian, [126.0, 80.0, 18.0, 58.0]);
        let in_front = at(VehicleClass::Pedestrian, [105.0, 110.0, 18.0, 60.0]);
        let far = at(VehicleClass::Pedestrian, [300.0, 80.0, 18.0, 58.0]);
        let by_car = at(VehicleClass::Car, [295.0, 70.0, 80.0, 80.0]);
        assert_eq!(join(vec![beside, in_front, far, MOTORCYCLE, by_car]).len(), 5);
    }

    #[test]
    fn a_rider_goes_to_the_nearer_motorcycle() {
        let second = Detection { bbox: BoxPx::from([118.0, 104.0, 30.0, 40.0]), ..MOTORCYCLE };
        let rider = at(VehicleClass::Pedestrian, [124.0, 84.0, 18.0, 45.0]);
        let joined = join(vec![MOTORCYCLE, second, rider]);
        assert_eq!(joined[0].bbox, MOTORCYCLE.bbox);
        assert_eq!(joined[1].bbox, BoxPx::from_edges(118.0, 84.0, 148.0, 144.0));
    }
}
