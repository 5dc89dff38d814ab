//! Pictures at full size out of packets kept undecoded.

use std::collections::BTreeMap;

use stopline_types::{BgrImage, SizePx, UtcUs};

use crate::{
    decode::{Converter, Decoder, Fault, Picture},
    packet::Packet,
    plan::CropRequest,
    ring::Cut,
};

/// How far outside a cut an instant may lie and still be answered with the nearest frame, microseconds.
const OUTSIDE_US: i64 = 500_000;

/// Why a still could not be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StillError {
    /// The instant is not in the cut.
    #[error("a still of {at} is wanted, but the packets cut span {first} to {last}")]
    Outside {
        /// The instant.
        at: UtcUs,
        /// Begin of the cut.
        first: UtcUs,
        /// End of the cut.
        last: UtcUs,
    },
    /// The cut is empty.
    #[error("a still is wanted of a cut that holds no packets")]
    Empty,
    /// The frame did not come out of the decoder whole.
    #[error("the frame of {at} cannot be decoded: {reason}")]
    Undecodable {
        /// The frame's time.
        at: UtcUs,
        /// What went wrong.
        reason: String,
    },
}

/// A picture at the stream's full size.
#[derive(Debug, Clone, PartialEq)]
pub struct Still {
    /// Capture time of the frame.
    pub time: UtcUs,
    /// The picture.
    pub image: BgrImage,
}

/// A part of a frame that is wanted at the stream's own resolution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PartWanted {
    /// The frame nearest to this instant.
    pub at: UtcUs,
    /// Which part of it.
    pub part: CropRequest,
}

/// A part of a frame at the stream's own resolution.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Capture time of the frame.
    pub time: UtcUs,
    /// Size of the whole frame.
    pub frame_px: SizePx,
    /// Left edge in the frame, pixels.
    pub x: u32,
    /// Top edge in the frame, pixels.
    pub y: u32,
    /// The pixels.
    pub image: BgrImage,
}

impl Cut {
    /// For each instant the frame nearest to it, in the order asked. Decodes from the key frame before each, and no
    /// group of pictures twice. Not for async tasks: it computes.
    pub fn stills(&self, instants: &[UtcUs]) -> Result<Vec<Still>, StillError> {
        let wanted = instants.iter().map(|at| self.nearest(*at)).collect::<Result<Vec<_>, _>>()?;
        let mut made: BTreeMap<usize, Still> = BTreeMap::new();
        for (key, indices) in self.groups(&wanted) {
            decode_group(&self.packets[key..], key, indices, &mut |index, picture, converter| {
                let image = converter.scaled(picture, picture.size())?;
                made.insert(index, Still { time: self.packets[index].time.utc, image });
                Ok(())
            })?;
        }
        Ok(wanted.iter().filter_map(|index| made.get(index).cloned()).collect())
    }

    /// Parts of frames, in the order asked: only they are converted, and each group of pictures is decoded once for all
    /// of them. What cannot be made has its own error and does not keep the others. Not for async tasks: it computes.
    #[must_use]
    pub fn parts(&self, wanted: &[PartWanted]) -> Vec<Result<Part, StillError>> {
        let places: Vec<_> = wanted.iter().map(|wanted| self.nearest(wanted.at)).collect();
        let mut made: Vec<Option<Result<Part, StillError>>> = vec![None; wanted.len()];
        let known: Vec<usize> = places.iter().filter_map(|place| place.as_ref().ok().copied()).collect();
        for (key, indices) in self.groups(&known) {
            let in_group = indices.clone();
            let outcome = decode_group(&self.packets[key..], key, indices, &mut |index, picture, converter| {
                for (at, _) in places.iter().enumerate().filter(|(_, place)| **place == Ok(index)) {
                    let frame_px = picture.size();
                    let Some(part) = wanted[at].part.in_pixels(frame_px) else { continue };
                    let image = converter.cropped(picture, part)?;
                    let time = self.packets[index].time.utc;
                    made[at] = Some(Ok(Part { time, frame_px, x: part.0, y: part.1, image }));
                }
                Ok(())
            });
            if let Err(error) = outcome {
                let of_group =
                    |place: &Result<usize, StillError>| matches!(place, Ok(index) if in_group.contains(index));
                let missing = made.iter_mut().zip(&places).filter(|(made, place)| made.is_none() && of_group(place));
                missing.for_each(|(made, _)| *made = Some(Err(error.clone())));
            }
        }
        let outside = |at: UtcUs| StillError::Undecodable { at, reason: "the part lies outside of the picture".into() };
        made.into_iter()
            .zip(places)
            .zip(wanted)
            .map(|((made, place), wanted)| match (made, place) {
                (_, Err(error)) => Err(error),
                (Some(made), Ok(_)) => made,
                (None, Ok(_)) => Err(outside(wanted.at)),
            })
            .collect()
    }

    /// The packet nearest to an instant.
    fn nearest(&self, at: UtcUs) -> Result<usize, StillError> {
        let (Some(first), Some(last)) = (self.first(), self.last()) else { return Err(StillError::Empty) };
        if at.0 < first.0 - OUTSIDE_US || at.0 > last.0 + OUTSIDE_US {
            return Err(StillError::Outside { at, first, last });
        }
        let nearest = (0..self.packets.len()).min_by_key(|i| (self.packets[*i].time.utc.0 - at.0).abs());
        nearest.ok_or(StillError::Empty)
    }

    /// Packets by the key frame they need.
    fn groups(&self, wanted: &[usize]) -> BTreeMap<usize, Vec<usize>> {
        let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for index in wanted {
            let key = self.packets[..=*index].iter().rposition(|p| p.key).unwrap_or(0);
            groups.entry(key).or_default().push(*index);
        }
        groups
    }
}

/// Decodes `packets`, of which the first is a key frame and has index `base`, until all `wanted` were taken.
fn decode_group(
    packets: &[Packet],
    base: usize,
    mut wanted: Vec<usize>,
    take: &mut dyn FnMut(usize, &Picture, &mut Converter) -> Result<(), Fault>,
) -> Result<(), StillError> {
    wanted.sort_unstable();
    wanted.dedup();
    let undecodable =
        |index: usize, reason: String| StillError::Undecodable { at: packets[index - base].time.utc, reason };
    let first_wanted = wanted[0];
    let mut decoder = Decoder::open(&packets[0].format).map_err(|e| undecodable(first_wanted, e.to_string()))?;
    let mut converter = Converter::default();
    let session = packets[0].session;
    let mut rest = packets.iter().take_while(|p| p.session == session);
    loop {
        let ended = match rest.next() {
            Some(packet) => {
                // A broken packet matters only to pictures that depend on it: those come out damaged, or not at all.
                decoder.send(packet).ok();
                false
            }
            None => {
                decoder.finish().map_err(|e| undecodable(wanted[0], e.to_string()))?;
                true
            }
        };
        while let Ok(Some(picture)) = decoder.receive() {
            let Some(at) = wanted.iter().position(|i| Some(packets[i - base].media_us) == picture.media_us()) else {
                continue;
            };
            let index = wanted.remove(at);
            if picture.is_damaged() {
                return Err(undecodable(index, "packets it depends on are missing or broken".into()));
            }
            take(index, &picture, &mut converter).map_err(|e| undecodable(index, e.to_string()))?;
        }
        if wanted.is_empty() {
            return Ok(());
        }
        if ended {
            return Err(undecodable(wanted[0], "the decoder gave no picture for it".into()));
        }
    }
}
