//! What a track is, by vote over its frames.
//!
//! Guessed here, and said so in [`Judged::guessed`]: a person whose machine was never found is taken for a
//! motorcycle when it moves faster than people walk or run across a road, or stays in a lane for vehicles and does not
//! walk across it.

use stopline_types::VehicleClass;

/// Faster than this for `FAST_S` is no pedestrian, metres a second (13 km/h).
const FAST_M_S: f64 = 3.5;
/// How long a person must be that fast, seconds.
const FAST_S: f64 = 0.6;
/// Share of the votes with a machine that makes a person a rider.
const MACHINE_SHARE: f64 = 0.15;
/// Share of the votes with a machine that makes it a bicycle: motorcycles are many times as frequent, and detectors
/// take one for the other.
const BICYCLE_SHARE: f64 = 0.6;
/// Faster than this for `FAST_S` is no bicycle, metres a second (29 km/h).
const CYCLE_M_S: f64 = 8.0;
/// How long a person must be in a lane to be taken for a rider, seconds.
const LANE_S: f64 = 0.7;
/// Speeds that judge people are means over this time, seconds.
pub const PACE_S: f64 = 1.5;

/// The votes of a track.
#[derive(Debug, Clone, Default)]
pub struct ClassVotes {
    votes: [f64; 6],
    fast_s: f64,
    racing_s: f64,
    lane_s: f64,
    across_s: f64,
    seen_s: f64,
}

/// Where a road user is and how it moves there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InLane {
    /// In no lane for vehicles.
    Not,
    /// In one; standing, or moving along it.
    With,
    /// In one, moving across it.
    Across,
}

/// The outcome.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    /// What it most likely is.
    pub class: VehicleClass,
    /// True when the machine itself was never found.
    pub guessed: bool,
    /// Share of the class among the votes of its kind, 0 to 1.
    pub share: f64,
}

impl ClassVotes {
    /// One frame: what the detector called it and how surely.
    pub fn add(&mut self, class: VehicleClass, score: f32) {
        self.votes[class as usize] += f64::from(score);
    }

    /// `dt` seconds at `speed_m_s`, which is to be a mean over [`PACE_S`]: boxes of what is far away jitter by metres. `lane` says
    /// whether it is in a lane for vehicles and, if it moves there, how.
    pub fn moved(&mut self, dt: f64, speed_m_s: f64, lane: InLane) {
        self.seen_s += dt;
        if speed_m_s > FAST_M_S {
            self.fast_s += dt;
        }
        if speed_m_s > CYCLE_M_S {
            self.racing_s += dt;
        }
        match lane {
            InLane::Not => {}
            InLane::With => self.lane_s += dt,
            InLane::Across => self.across_s += dt,
        }
    }

    /// What it is.
    #[must_use]
    pub fn judge(&self) -> Judged {
        let of = |class: VehicleClass| self.votes[class as usize];
        let share = |class: VehicleClass, all: f64| of(class) / all.max(1e-9);
        let sure = |class, all| Judged { class, guessed: false, share: share(class, all) };
        let four = [VehicleClass::Car, VehicleClass::Bus, VehicleClass::Truck];
        let wheels: f64 = four.iter().map(|c| of(*c)).sum();
        let (motorcycle, bicycle, person) =
            (of(VehicleClass::Motorcycle), of(VehicleClass::Bicycle), of(VehicleClass::Pedestrian));
        if wheels >= motorcycle + bicycle + person {
            let best = four.into_iter().fold(VehicleClass::Car, |b, c| if of(c) > of(b) { c } else { b });
            return sure(best, wheels);
        }
        let machine = motorcycle + bicycle;
        if machine >= MACHINE_SHARE * (machine + person) {
            let is_bicycle = bicycle >= BICYCLE_SHARE * machine && self.racing_s < FAST_S;
            let class = if is_bicycle { VehicleClass::Bicycle } else { VehicleClass::Motorcycle };
            return sure(class, machine);
        }
        let in_traffic = self.lane_s >= LANE_S && self.lane_s >= 0.5 * self.seen_s && self.lane_s > self.across_s;
        let rides = self.fast_s >= FAST_S || in_traffic;
        if rides {
            Judged { class: VehicleClass::Motorcycle, guessed: true, share: 1.0 }
        } else {
            sure(VehicleClass::Pedestrian, person)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fast_person_is_a_rider_and_a_slow_one_is_not() {
        let mut votes = ClassVotes::default();
        for _ in 0..10 {
            votes.add(VehicleClass::Pedestrian, 0.6);
            votes.moved(0.16, 1.3, InLane::Not);
        }
        assert_eq!(votes.judge().class, VehicleClass::Pedestrian);
        for _ in 0..10 {
            votes.moved(0.16, 6.0, InLane::Not);
        }
        assert_eq!(votes.judge(), Judged { class: VehicleClass::Motorcycle, guessed: true, share: 1.0 });
        votes.add(VehicleClass::Motorcycle, 0.9);
        votes.add(VehicleClass::Motorcycle, 0.9);
        assert_eq!(votes.judge(), Judged { class: VehicleClass::Motorcycle, guessed: false, share: 1.0 });
    }

    #[test]
    fn who_waits_in_a_lane_is_a_rider_and_who_crosses_it_is_not() {
        let person = |lane: InLane| {
            let mut votes = ClassVotes::default();
            for _ in 0..20 {
                votes.add(VehicleClass::Pedestrian, 0.6);
                votes.moved(0.16, 0.9, lane);
            }
            votes.judge().class
        };
        assert_eq!(person(InLane::With), VehicleClass::Motorcycle);
        assert_eq!(person(InLane::Across), VehicleClass::Pedestrian);
    }
}
