//! From the boxes of a COCO detector to road users: a motorcycle is one object with its riders.
//!
//! The detector gives machine and person apart, finds many machines twice (whole and lower half), and for most
//! motorcycles seen from behind gives only the person. So, frame by frame:
//!
//! 1. boxes of one kind that lie in one another are one;
//! 2. a person who sits on a machine joins it, several persons too; the object is the box around all of them;
//! 3. a person left alone may be a rider whose machine was not found. Its box is lengthened to where the wheels would
//!    be by a ratio learned from the joined boxes of the same camera (at first 1.15); the tracker follows the
//!    lengthened box, so that it stays the same object when the machine is found in the next frame. Whether it *is* a
//!    rider is judged over the track (see [`super::ClassVotes`]); for a pedestrian the person's own box is given out.

use stopline_types::{BoxPx, Detection, VehicleClass};

/// Height of rider and machine over height of the person's box alone, before anything is learned. Riders' boxes end
/// between knee and foot.
const FIRST_RATIO: f32 = 1.15;
/// Share of each new joined pair in the learned ratio.
const LEARN: f32 = 0.02;

/// Tops and bottoms of two persons on one motorcycle differ by less than these shares of their height.
const PAIR_HEADS: f32 = 0.25;
const PAIR_SEATS: f32 = 0.35;

/// What can be matched with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Car, bus, truck.
    FourWheels,
    /// Motorcycle, bicycle, person.
    People,
}

/// An object in one frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// The object's box; for a person alone lengthened to the wheels.
    pub bbox: BoxPx,
    /// The box that was really seen.
    pub seen: BoxPx,
    /// What the detector called it; `Pedestrian` for a person without a machine.
    pub class: VehicleClass,
    /// The best score of its parts.
    pub score: f32,
    /// The score of the part that gave it its class.
    pub class_score: f32,
    /// Persons in it.
    pub persons: u32,
}

impl Observation {
    /// Which objects it may be the same as.
    #[must_use]
    pub fn group(&self) -> Group {
        match self.class {
            VehicleClass::Car | VehicleClass::Bus | VehicleClass::Truck => Group::FourWheels,
            VehicleClass::Motorcycle | VehicleClass::Bicycle | VehicleClass::Pedestrian => Group::People,
        }
    }
}

/// Joins riders with machines. One per camera: it learns the ratio.
#[derive(Debug, Clone)]
pub struct RiderMerger {
    ratio: f32,
}

impl Default for RiderMerger {
    fn default() -> Self {
        Self { ratio: FIRST_RATIO }
    }
}

impl RiderMerger {
    /// Height of rider and machine over height of the person's box, as learned.
    #[must_use]
    pub fn ratio(&self) -> f32 {
        self.ratio
    }

    /// The road users of a frame.
    pub fn merge(&mut self, detections: &[Detection]) -> Vec<Observation> {
        let of = |wanted: &[VehicleClass]| -> Vec<Detection> {
            detections.iter().copied().filter(|d| wanted.contains(&d.class) && d.bbox.area() > 0.0).collect()
        };
        let cars = one_of_each(of(&[VehicleClass::Car, VehicleClass::Bus, VehicleClass::Truck]), |_, _| 0.85);
        // The whole machine and its lower half stand on the same wheels; a machine behind another does not.
        let bottoms = |a: &BoxPx, b: &BoxPx| (a.bottom() - b.bottom()).abs() / a.h.max(b.h);
        let machines = one_of_each(of(&[VehicleClass::Motorcycle, VehicleClass::Bicycle]), |a, b| {
            if bottoms(a, b) < 0.15 { 0.6 } else { 0.9 }
        });
        // The whole person and the upper half have the same head.
        let tops = |a: &BoxPx, b: &BoxPx| (a.y - b.y).abs() / a.h.max(b.h);
        let persons = one_of_each(of(&[VehicleClass::Pedestrian]), |a, b| if tops(a, b) < 0.15 { 0.7 } else { 0.9 });

        let mut riders: Vec<Vec<Detection>> = vec![Vec::new(); machines.len()];
        let mut alone = Vec::new();
        for person in persons {
            let fit = |machine: &Detection| sits_on(&person.bbox, &machine.bbox);
            let best = (0..machines.len()).max_by(|a, b| fit(&machines[*a]).total_cmp(&fit(&machines[*b])));
            match best.filter(|best| fit(&machines[*best]) > 0.0) {
                Some(best) => riders[best].push(person),
                None => alone.push(person),
            }
        }

        let mut objects: Vec<Observation> = cars.into_iter().map(|car| plain(car, 0)).collect();
        for (machine, riders) in machines.iter().zip(&riders) {
            let mut object = plain(*machine, riders.len() as u32);
            for rider in riders {
                object.bbox = object.bbox.around(&rider.bbox);
                object.score = object.score.max(rider.score);
            }
            object.seen = object.bbox;
            if let [rider] = riders.as_slice()
                && machine.class == VehicleClass::Motorcycle
                && machine.score.min(rider.score) >= 0.3
            {
                let ratio = (object.bbox.bottom() - rider.bbox.y) / rider.bbox.h;
                if (1.0..1.6).contains(&ratio) {
                    self.ratio += LEARN * (ratio - self.ratio);
                }
            }
            objects.push(object);
        }
        for person in alone {
            // Two persons of whom one covers the other, and no machine: a pair on one motorcycle, or two walkers so
            // close that they are one for us. Heads and seats of a pair are at one height; who stands behind another
            // shows higher up.
            let near = |o: &&mut Observation| {
                let (a, b) = (&o.seen, &person.bbox);
                let level = (a.y - b.y).abs() < PAIR_HEADS * a.h.max(b.h)
                    && (a.bottom() - b.bottom()).abs() < PAIR_SEATS * a.h.max(b.h);
                o.class == VehicleClass::Pedestrian && level && a.overlap(b) > 0.5 * smaller(a, b)
            };
            if let Some(other) = objects.iter_mut().find(near) {
                other.seen = other.seen.around(&person.bbox);
                other.bbox = self.lengthen(other.seen);
                other.persons += 1;
                other.score = other.score.max(person.score);
                continue;
            }
            objects.push(Observation { bbox: self.lengthen(person.bbox), ..plain(person, 1) });
        }
        absorb_parts(without_passengers(objects))
    }

    fn lengthen(&self, person: BoxPx) -> BoxPx {
        BoxPx { h: person.h * self.ratio, ..person }
    }
}

/// Drops persons and machines seen inside a car, bus or truck: passengers, reflections, lamps. A rider in front of a
/// car stands lower than it, one behind it shows above its roof.
fn without_passengers(objects: Vec<Observation>) -> Vec<Observation> {
    let cars: Vec<BoxPx> = objects.iter().filter(|o| o.group() == Group::FourWheels).map(|o| o.bbox).collect();
    let in_car = |o: &Observation| {
        let b = o.bbox;
        cars.iter().any(|car| {
            car.overlap(&b) > 0.85 * b.area() && b.bottom() < car.bottom() - 0.1 * car.h && b.y > car.y + 0.02 * car.h
        })
    };
    objects.into_iter().filter(|o| o.group() == Group::FourWheels || !in_car(o)).collect()
}

/// Takes parts of a machine, and second persons, into the object they lie in. A part of the same machine lies in the
/// lower half of the object; a machine farther away, half hidden behind it, in the upper one.
fn absorb_parts(mut objects: Vec<Observation>) -> Vec<Observation> {
    objects.sort_by(|a, b| b.bbox.area().total_cmp(&a.bbox.area()));
    let mut kept: Vec<Observation> = Vec::new();
    for part in objects {
        let b = part.bbox;
        let machine = part.persons == 0 && part.group() == Group::People;
        let holds = |o: &&mut Observation| {
            let whole = o.bbox;
            let inside = whole.overlap(&b) / b.area().max(1e-3);
            let on_its_wheels =
                b.centre().y > whole.centre().y - 0.05 * whole.h && b.bottom() < whole.bottom() + 0.25 * whole.h;
            let its_person = part.class == VehicleClass::Pedestrian && o.persons > 0;
            o.group() == Group::People && ((machine && inside > 0.65 && on_its_wheels) || (its_person && inside > 0.85))
        };
        match kept.iter_mut().find(holds) {
            None => kept.push(part),
            Some(whole) if machine => {
                whole.bbox = whole.bbox.around(&b);
                if whole.class == VehicleClass::Pedestrian {
                    whole.seen = whole.seen.around(&b);
                    whole.bbox = whole.seen;
                    (whole.class, whole.class_score) = (part.class, part.class_score);
                } else {
                    whole.seen = whole.bbox;
                }
                whole.score = whole.score.max(part.score);
            }
            Some(whole) => {
                whole.persons += 1;
                whole.score = whole.score.max(part.score);
            }
        }
    }
    kept
}

fn plain(d: Detection, persons: u32) -> Observation {
    Observation { bbox: d.bbox, seen: d.bbox, class: d.class, score: d.score, class_score: d.score, persons }
}

fn smaller(a: &BoxPx, b: &BoxPx) -> f32 {
    a.area().min(b.area()).max(1e-3)
}

/// Keeps the best of boxes that lie in one another by more than a share of the smaller one.
fn one_of_each(mut found: Vec<Detection>, share: impl Fn(&BoxPx, &BoxPx) -> f32) -> Vec<Detection> {
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<Detection> = Vec::new();
    for d in found {
        let same = |k: &Detection| k.bbox.overlap(&d.bbox) > share(&k.bbox, &d.bbox) * smaller(&k.bbox, &d.bbox);
        if !kept.iter().any(same) {
            kept.push(d);
        }
    }
    kept
}

/// How well a person sits on a machine: 0 not at all, 1 exactly. A rider's middle is above the machine's middle
/// or about there (the box of a whole motorcycle often holds the rider), and the boxes share most of their width.
fn sits_on(person: &BoxPx, machine: &BoxPx) -> f32 {
    let across = person.right().min(machine.right()) - person.x.max(machine.x);
    let across = across / person.w.min(machine.w).max(1e-3);
    let apart = (person.centre().x - machine.centre().x).abs() / person.w.max(machine.w).max(1e-3);
    let drop = (machine.bottom() - person.bottom()) / person.h.max(1e-3);
    let above = machine.centre().y - person.centre().y;
    let touch = person.bottom() - machine.y;
    let fits = across > 0.55
        && apart < 0.45
        && (-0.15..0.7).contains(&drop)
        && above > -0.1 * person.h
        && touch > 0.1 * machine.h.min(person.h)
        && machine.h < 2.0 * person.h
        && person.h < 3.0 * machine.h;
    if !fits {
        return 0.0;
    }
    (across.min(1.0) * (1.0 - apart) * (1.0 - drop.abs() / 2.0)).max(1e-3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn d(class: VehicleClass, score: f32, bbox: [f32; 4]) -> Detection {
        Detection { class, score, bbox: bbox.into() }
    }

    #[test]
    fn rider_and_passenger_and_machine_are_one() {
        let mut merger = RiderMerger::default();
        let found = merger.merge(&[
            d(VehicleClass::Motorcycle, 0.5, [100.0, 150.0, 40.0, 60.0]),
            d(VehicleClass::Motorcycle, 0.3, [102.0, 120.0, 36.0, 90.0]),
            d(VehicleClass::Pedestrian, 0.6, [102.0, 100.0, 36.0, 80.0]),
            d(VehicleClass::Pedestrian, 0.4, [105.0, 92.0, 34.0, 70.0]),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].class, VehicleClass::Motorcycle);
        assert_eq!(found[0].bbox, BoxPx::from_edges(100.0, 100.0, 140.0, 210.0));
    }

    #[test]
    fn a_walker_beside_a_machine_stays_apart() {
        let mut merger = RiderMerger::default();
        let found = merger.merge(&[
            d(VehicleClass::Motorcycle, 0.5, [100.0, 150.0, 40.0, 60.0]),
            d(VehicleClass::Pedestrian, 0.6, [145.0, 120.0, 30.0, 90.0]),
        ]);
        assert_eq!(found.len(), 2);
        let walker = found.iter().find(|o| o.class == VehicleClass::Pedestrian).expect("a walker");
        assert!(walker.bbox.bottom() > walker.seen.bottom());
    }

    #[test]
    fn the_ratio_is_learned() {
        let mut merger = RiderMerger::default();
        for _ in 0..300 {
            merger.merge(&[
                d(VehicleClass::Motorcycle, 0.5, [100.0, 150.0, 40.0, 74.0]),
                d(VehicleClass::Pedestrian, 0.6, [102.0, 124.0, 36.0, 80.0]),
            ]);
        }
        assert!((merger.ratio() - 1.25).abs() < 0.01, "{}", merger.ratio());
    }
}
