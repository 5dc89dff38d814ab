//! Decoding only where something moves: on a quiet road a key frame now and then is all that is decoded.
//!
//! Judged by the sizes of the encoded frames, which cost nothing to look at. Between key frames an encoder sends what
//! changed; on a still picture that is noise, and a road user that comes into it makes the very next frame larger.
//!
//! - **Level**: the median size of the frames between two key frames.
//! - **Floor**: the level that one in twenty of the last [`KEPT`] groups is at or below: what stillness costs on this camera, in this
//!   light.
//! - **Ramp**: encoders mend a key frame in the frames after it, so that the first [`RAMP`] of a group are larger, in stillness too,
//!   by as much in every group. Each of these places has a floor of its own, learned in the same way.
//! - **Quiet**: [`GateConfig::quiet_s`] in which no frame was larger than [`GateConfig::wake_ratio`] floors of its place and no group's
//!   level above [`GateConfig::sleep_ratio`] floors nor above [`GateConfig::most_of_key`] of a key frame. The last keeps a road that is
//!   never still, where the floor is traffic, from being taken for a quiet one.
//! - **Waking**: one frame above [`GateConfig::wake_ratio`] floors. The group it belongs to was kept, so decoding goes on as if it had
//!   never stopped: nothing of what woke the gate is missed.
//!
//! A camera that fills up to a constant bit rate has no small frames and is never quiet: nothing is saved there, and nothing lost.

use std::collections::VecDeque;

use stopline_types::Frame;

use crate::{
    frames::{FrameMaker, Outcome},
    packet::Packet,
};

/// Groups whose levels are remembered: about ten minutes of two-second groups.
const KEPT: usize = 300;
/// Groups before anything is judged.
const LEARN: usize = 4;
/// Frames after a key frame that may be larger than the rest of their group in stillness.
const RAMP: usize = 16;
/// Packets of a group kept while asleep. A longer group is not kept: waking then waits for the next key frame, counted
/// as undecodable.
const MOST_KEPT: usize = 500;

/// When a road is quiet and when not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GateConfig {
    /// Seconds of quiet before decoding is reduced.
    pub quiet_s: f64,
    /// A frame larger than this many floors ends the quiet.
    pub wake_ratio: f64,
    /// A group whose level is above this many floors is not quiet.
    pub sleep_ratio: f64,
    /// A group whose level is above this share of its key frame is never quiet.
    pub most_of_key: f64,
    /// While it is quiet, one key frame in so many seconds is decoded; large ones are dear.
    pub look_every_s: f64,
}

impl Default for GateConfig {
    fn default() -> Self {
        Self { quiet_s: 8.0, wake_ratio: 1.8, sleep_ratio: 1.3, most_of_key: 0.06, look_every_s: 5.0 }
    }
}

/// What to do with a packet.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Verdict {
    Decode,
    /// Decode what was kept, then this one.
    Wake,
    Keep,
}

/// Judges the sizes of one stream's frames.
#[derive(Debug)]
struct Gate {
    config: GateConfig,
    key_bytes: usize,
    group: Vec<usize>,
    levels: VecDeque<usize>,
    /// Sizes at each place of the ramp, of as many groups.
    ramp: Vec<VecDeque<usize>>,
    floor: Option<f64>,
    ramp_floors: Vec<f64>,
    /// Media time since which all is quiet.
    quiet_since: Option<f64>,
    asleep: bool,
    /// Media time of the last key frame that was decoded.
    looked: f64,
}

impl Gate {
    fn new(config: GateConfig) -> Self {
        Self {
            config,
            key_bytes: 0,
            group: Vec::new(),
            levels: VecDeque::new(),
            ramp: vec![VecDeque::new(); RAMP],
            floor: None,
            ramp_floors: Vec::new(),
            quiet_since: None,
            asleep: false,
            looked: 0.0,
        }
    }

    fn judge(&mut self, key: bool, bytes: usize, media_s: f64) -> Verdict {
        if key {
            let calm = self.end_of_group();
            self.key_bytes = bytes;
            self.quiet_since = if calm { self.quiet_since.or(Some(media_s)) } else { None };
            // A long enough quiet ends at a key frame only: what follows it need not be decoded.
            let quiet_s = self.quiet_since.map_or(0.0, |since| media_s - since);
            if quiet_s < 0.0 {
                // Media time began anew.
                self.quiet_since = None;
            }
            let slept_on = self.asleep && calm;
            self.asleep = calm && (self.asleep || quiet_s >= self.config.quiet_s);
            if slept_on && (0.0..self.config.look_every_s).contains(&(media_s - self.looked)) {
                return Verdict::Keep;
            }
            self.looked = media_s;
            return Verdict::Decode;
        }
        let place = self.group.len();
        self.group.push(bytes);
        let calm = self.floor.is_some_and(|floor| {
            let floor = self.ramp_floors.get(place).map_or(floor, |of_place| of_place.max(floor));
            (bytes as f64) <= floor * self.config.wake_ratio
        });
        if !calm {
            self.quiet_since = None;
        }
        match (self.asleep, calm) {
            (true, true) => Verdict::Keep,
            (true, false) => {
                self.asleep = false;
                Verdict::Wake
            }
            (false, _) => Verdict::Decode,
        }
    }

    /// Learns from the group that ended; whether it was calm.
    fn end_of_group(&mut self) -> bool {
        if self.group.is_empty() {
            return self.asleep;
        }
        for (known, bytes) in self.ramp.iter_mut().zip(&self.group) {
            remember(known, *bytes);
        }
        let middle = self.group.len() / 2;
        let level = *self.group.select_nth_unstable(middle).1;
        self.group.clear();
        remember(&mut self.levels, level);
        if self.levels.len() < LEARN {
            return false;
        }
        let floor = floor_of(&self.levels);
        self.floor = Some(floor);
        self.ramp_floors = self.ramp.iter().take_while(|known| !known.is_empty()).map(floor_of).collect();
        let small = level as f64 <= self.key_bytes as f64 * self.config.most_of_key;
        small && level as f64 <= floor * self.config.sleep_ratio
    }
}

fn remember(known: &mut VecDeque<usize>, bytes: usize) {
    known.push_back(bytes);
    if known.len() > KEPT {
        known.pop_front();
    }
}

/// What one in twenty is at or below; `known` is not empty.
fn floor_of(known: &VecDeque<usize>) -> f64 {
    let mut sizes: Vec<usize> = known.iter().copied().collect();
    let at = sizes.len() / 20;
    (*sizes.select_nth_unstable(at).1).max(1) as f64
}

/// A [`FrameMaker`] behind a gate, or without one.
pub(crate) struct GatedMaker {
    maker: FrameMaker,
    gate: Option<Gate>,
    /// Packets since the last key frame, with it, that were not decoded.
    kept: Vec<Packet>,
    /// The kept group is no longer whole.
    broken: bool,
}

impl GatedMaker {
    pub(crate) fn new(maker: FrameMaker) -> Self {
        Self { maker, gate: None, kept: Vec::new(), broken: false }
    }

    pub(crate) fn gated(self, config: GateConfig) -> Self {
        Self { gate: Some(Gate::new(config)), ..self }
    }

    /// Takes the next packet and gives every frame that is ready to `emit`.
    pub(crate) fn packet(&mut self, packet: &Packet, emit: &mut dyn FnMut(Frame)) -> Outcome {
        let Some(gate) = &mut self.gate else { return self.maker.packet(packet, emit) };
        let verdict = gate.judge(packet.key, packet.data.len(), packet.media_s());
        let mut outcome = Outcome::default();
        match verdict {
            Verdict::Keep => {
                outcome.gated = 1;
                if packet.key {
                    self.kept.clear();
                    self.broken = false;
                }
                self.broken |= packet.after_loss && !packet.key || self.kept.len() >= MOST_KEPT;
                if self.broken {
                    self.kept.clear();
                } else {
                    self.kept.push(packet.clone());
                }
                return outcome;
            }
            Verdict::Wake => {
                outcome.wakes = 1;
                for kept in std::mem::take(&mut self.kept) {
                    outcome.add(self.maker.packet(&kept, emit));
                }
            }
            Verdict::Decode => self.kept.clear(),
        }
        if packet.key {
            self.broken = false;
        }
        if self.broken {
            // What it depends on was not kept.
            let orphan = Packet { after_loss: true, ..packet.clone() };
            outcome.add(self.maker.packet(&orphan, emit));
        } else {
            outcome.add(self.maker.packet(packet, emit));
        }
        outcome
    }

    /// Takes the frames that the decoder still holds back at the end of a stream.
    pub(crate) fn finish(&mut self, emit: &mut dyn FnMut(Frame)) -> Outcome {
        self.kept.clear();
        self.maker.finish(emit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds groups of 25 frames a second with key frames of 50 kB and says how many of the others were decoded.
    struct Road {
        gate: Gate,
        at: usize,
    }

    impl Road {
        fn new() -> Self {
            Self { gate: Gate::new(GateConfig::default()), at: 0 }
        }

        fn frames(&mut self, n: usize, bytes: impl Fn(usize) -> usize) -> Vec<Verdict> {
            let verdicts = (0..n).map(|i| {
                let key = self.at.is_multiple_of(25);
                let media_s = self.at as f64 / 25.0;
                self.at += 1;
                self.gate.judge(key, if key { 50_000 } else { bytes(i) }, media_s)
            });
            verdicts.collect()
        }
    }

    fn kept(verdicts: &[Verdict]) -> usize {
        verdicts.iter().filter(|v| **v == Verdict::Keep).count()
    }

    #[test]
    fn a_quiet_road_is_left_alone_and_one_large_frame_wakes_at_once() {
        let mut road = Road::new();
        let noise = |i: usize| 500 + (i * 7919) % 200;
        let first = road.frames(25 * 20, noise);
        assert!(kept(&first) > 0, "asleep after the learning and eight seconds of quiet");
        assert_eq!(kept(&first[..25 * 8]), 0);
        assert_eq!(kept(&road.frames(250, noise)), 248, "all but a key frame each five seconds");
        road.frames(5, noise);
        assert_eq!(road.frames(1, |_| 2000), [Verdict::Wake]);
        let after = road.frames(25 * 7, noise);
        assert_eq!(kept(&after), 0, "stays awake for a while");
        assert!(kept(&road.frames(25 * 10, noise)) > 100, "and falls asleep again");
    }

    #[test]
    fn a_camera_that_mends_its_key_frames_sleeps_too() {
        let mut road = Road::new();
        // As x264 does on a still picture under noise: five times the rest, and down to it within ten frames.
        let noise = |i: usize| 1000 + (i * 7919) % 300 + 4000 / ((i % 25).max(1) * (i % 25).max(1));
        road.frames(25 * 20, noise);
        assert_eq!(kept(&road.frames(250, noise)), 248);
        // In the ramp a road user is noticed a few frames later than elsewhere, and the group is decoded from its key frame.
        let verdicts = road.frames(25, |i| noise(i) + if i >= 3 { 1500 } else { 0 });
        let woken = verdicts.iter().position(|v| *v == Verdict::Wake).unwrap();
        assert!(woken <= 6, "{verdicts:?}");
    }

    #[test]
    fn traffic_without_end_is_not_taken_for_quiet() {
        let mut road = Road::new();
        let verdicts = road.frames(25 * 120, |i| 6000 + (i * 7919) % 3000);
        assert_eq!(kept(&verdicts), 0);
    }
}
