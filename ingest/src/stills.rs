//! Pictures at full size out of packets kept undecoded.

use std::collections::BTreeMap;

use stopline_types::{BgrImage, UtcUs};

use crate::{
    decode::{Converter, Decoder},
    packet::Packet,
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

impl Cut {
    /// For each instant the frame nearest to it, in the order asked. Decodes from the key frame before each, and no
    /// group of pictures twice. Not for async tasks: it computes.
    pub fn stills(&self, instants: &[UtcUs]) -> Result<Vec<Still>, StillError> {
        let (Some(first), Some(last)) = (self.first(), self.last()) else { return Err(StillError::Empty) };
        let mut wanted = Vec::with_capacity(instants.len());
        for at in instants.iter().copied() {
            if at.0 < first.0 - OUTSIDE_US || at.0 > last.0 + OUTSIDE_US {
                return Err(StillError::Outside { at, first, last });
            }
            let nearest = (0..self.packets.len()).min_by_key(|i| (self.packets[*i].time.utc.0 - at.0).abs());
            wanted.push(nearest.ok_or(StillError::Empty)?);
        }
        let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for index in &wanted {
            let key = self.packets[..=*index].iter().rposition(|p| p.key).unwrap_or(0);
            groups.entry(key).or_default().push(*index);
        }
        let mut made: BTreeMap<usize, Still> = BTreeMap::new();
        for (key, indices) in groups {
            decode_group(&self.packets[key..], key, indices, &mut made)?;
        }
        Ok(wanted.iter().filter_map(|index| made.get(index).cloned()).collect())
    }
}

/// Decodes `packets`, of which the first is a key frame and has index `base`, until all `wanted` are made.
fn decode_group(
    packets: &[Packet],
    base: usize,
    mut wanted: Vec<usize>,
    made: &mut BTreeMap<usize, Still>,
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
            let image = converter.scaled(&picture, picture.size()).map_err(|e| undecodable(index, e.to_string()))?;
            made.insert(index, Still { time: packets[index - base].time.utc, image });
        }
        if wanted.is_empty() {
            return Ok(());
        }
        if ended {
            return Err(undecodable(wanted[0], "the decoder gave no picture for it".into()));
        }
    }
}
