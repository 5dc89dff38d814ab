//! The last seconds of a stream, undecoded, in memory.
//!
//! Kept by groups of pictures: from a key frame to the next, so that everything in the ring can be decoded. Policy
//! when full: the oldest group goes, as soon as the rest still spans the seconds asked for, or at once when the byte
//! budget is passed. A single group larger than the whole budget is given up and counted; the ring is then empty until the next
//! key frame. Nothing here allocates per packet beyond the packet itself.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use stopline_types::UtcUs;
use tokio::sync::broadcast;

use crate::packet::Packet;

/// A capture time that lies so far before the newest is a step of the clock, not a frame out of order, seconds.
const STEP_BACK_S: f64 = 2.0;

/// Packets a live follower may be behind.
const FOLLOWED: usize = 256;

/// How much a ring keeps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RingLimits {
    /// Seconds that are surely there once received, byte budget permitting.
    pub seconds: f64,
    /// Bytes of packet data, never exceeded.
    pub bytes: usize,
}

/// Why nothing can be cut from a ring.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RingError {
    /// No key frame has come yet.
    #[error("no packets are kept of this stream yet")]
    Empty,
    /// The span wanted is already gone.
    #[error("{from} to {to} is wanted, but packets are kept only since {oldest}")]
    Gone {
        /// Begin of what is wanted.
        from: UtcUs,
        /// End of what is wanted.
        to: UtcUs,
        /// Oldest packet there is.
        oldest: UtcUs,
    },
    /// The span wanted has not come yet.
    #[error("{from} to {to} is wanted, but packets have come only until {newest}")]
    NotYet {
        /// Begin of what is wanted.
        from: UtcUs,
        /// End of what is wanted.
        to: UtcUs,
        /// Newest packet there is.
        newest: UtcUs,
    },
    /// The end is before the begin.
    #[error("{from} to {to} is wanted, but that ends before it begins")]
    Reversed {
        /// Begin of what is wanted.
        from: UtcUs,
        /// End of what is wanted.
        to: UtcUs,
    },
}

/// The ring of one stream. Clones share it.
#[derive(Debug, Clone)]
pub struct Ring(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    limits: RingLimits,
    /// Begins with a key frame, or is empty.
    packets: VecDeque<Packet>,
    bytes: usize,
    newest: Option<UtcUs>,
    ended: bool,
    given_up: u64,
    /// Who watches live; a packet costs nothing where nobody does.
    followers: broadcast::Sender<Packet>,
}

/// What a ring holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RingStats {
    /// Packets.
    pub packets: usize,
    /// Bytes of packet data.
    pub bytes: usize,
    /// Seconds from the oldest packet to the newest.
    pub seconds: f64,
    /// When the newest packet was taken.
    pub newest: Option<UtcUs>,
    /// Packets given up: of a group that alone was above the budget, or from before a step back of the clock.
    pub packets_given_up: u64,
}

/// Packets cut from a ring. The first is a key frame.
#[derive(Debug, Clone)]
pub struct Cut {
    pub(crate) packets: Vec<Packet>,
}

impl Cut {
    /// Time of the first packet: at or before what was asked for, or later if that was gone already.
    #[must_use]
    pub fn first(&self) -> Option<UtcUs> {
        self.packets.iter().map(|p| p.time.utc).min()
    }

    /// Time of the last packet.
    #[must_use]
    pub fn last(&self) -> Option<UtcUs> {
        self.packets.iter().map(|p| p.time.utc).max()
    }

    /// Its packets, in the order of decoding.
    #[must_use]
    pub fn packets(&self) -> &[Packet] {
        &self.packets
    }
}

impl Ring {
    /// An empty ring.
    #[must_use]
    pub fn new(limits: RingLimits) -> Self {
        let inner = Inner {
            limits,
            packets: VecDeque::new(),
            bytes: 0,
            newest: None,
            ended: false,
            given_up: 0,
            followers: broadcast::Sender::new(FOLLOWED),
        };
        Self(Arc::new(Mutex::new(inner)))
    }

    pub(crate) fn push(&self, packet: Packet) {
        self.lock().push(packet);
    }

    /// Says that nothing more will come, so that waiting for it is pointless.
    pub fn end(&self) {
        self.lock().ended = true;
    }

    /// A number above that of every session in it.
    pub(crate) fn next_session(&self) -> u32 {
        self.lock().packets.back().map_or(0, |packet| packet.session)
    }

    /// Whether everything up to `to` has come, or nothing more will.
    #[must_use]
    pub fn covers(&self, to: UtcUs) -> bool {
        let inner = self.lock();
        inner.ended || inner.newest.is_some_and(|newest| newest >= to)
    }

    /// Packets from the last key frame on, and whatever comes: for showing a picture live. Nobody waits for a slow
    /// follower: it is told how many packets it missed and should go on with the next key frame.
    #[must_use]
    pub fn follow(&self) -> (Vec<Packet>, broadcast::Receiver<Packet>) {
        let inner = self.lock();
        let begin = inner.packets.iter().rposition(|p| p.key).unwrap_or(inner.packets.len());
        (inner.packets.range(begin..).cloned().collect(), inner.followers.subscribe())
    }

    /// The packets from the last key frame at or before `from` up to `to`. If the begin is gone the cut begins with the
    /// oldest key frame there is; if the end has not come it ends with the newest packet (ask [`Ring::covers`] first).
    pub fn cut(&self, from: UtcUs, to: UtcUs) -> Result<Cut, RingError> {
        if to < from {
            return Err(RingError::Reversed { from, to });
        }
        let inner = self.lock();
        let (Some(oldest), Some(newest)) = (inner.packets.front(), inner.newest) else {
            return Err(RingError::Empty);
        };
        let oldest = oldest.time.utc;
        if to < oldest {
            return Err(RingError::Gone { from, to, oldest });
        }
        if from > newest {
            return Err(RingError::NotYet { from, to, newest });
        }
        let packets = &inner.packets;
        let begin = packets.iter().rposition(|p| p.key && p.time.utc <= from).unwrap_or(0);
        // Packets are in decoding order: those shown before `to` may follow one shown after it.
        let end = packets.iter().rposition(|p| p.time.utc <= to).map_or(begin + 1, |last| last.max(begin) + 1);
        Ok(Cut { packets: packets.range(begin..end).cloned().collect() })
    }

    /// What it holds.
    #[must_use]
    pub fn stats(&self) -> RingStats {
        let inner = self.lock();
        let oldest = inner.packets.front().map(|p| p.time.utc);
        RingStats {
            packets: inner.packets.len(),
            bytes: inner.bytes,
            seconds: oldest.zip(inner.newest).map_or(0.0, |(from, to)| to.since_s(from)),
            newest: inner.newest,
            packets_given_up: inner.given_up,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn push(&mut self, packet: Packet) {
        if self.followers.receiver_count() > 0 {
            // Nobody listening any more is no error.
            self.followers.send(packet.clone()).ok();
        }
        let follows = self.packets.back().is_some_and(|last| last.session == packet.session);
        if !follows && !packet.key {
            return;
        }
        if self.newest.is_some_and(|newest| newest.since_s(packet.time.utc) > STEP_BACK_S) {
            // The clock stepped back: what is held lies in a time that is yet to come and would never be found.
            self.given_up += self.packets.len() as u64;
            self.packets.clear();
            (self.bytes, self.newest) = (0, None);
            if !packet.key {
                return;
            }
        }
        self.bytes += packet.data.len();
        self.newest = Some(self.newest.map_or(packet.time.utc, |newest| newest.max(packet.time.utc)));
        self.packets.push_back(packet);
        while self.may_drop_oldest_group() {
            let Some(next) = self.second_key() else {
                self.given_up += self.packets.len() as u64;
                self.packets.clear();
                self.bytes = 0;
                return;
            };
            let gone: usize = self.packets.drain(..next).map(|p| p.data.len()).sum();
            self.bytes -= gone;
        }
    }

    fn may_drop_oldest_group(&self) -> bool {
        if self.bytes > self.limits.bytes {
            return true;
        }
        let (Some(next), Some(newest)) = (self.second_key(), self.newest) else { return false };
        newest.since_s(self.packets[next].time.utc) >= self.limits.seconds
    }

    fn second_key(&self) -> Option<usize> {
        self.packets.iter().skip(1).position(|p| p.key).map(|at| at + 1)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use stopline_types::{CaptureTime, SizePx, TimeSource};

    use super::*;
    use crate::packet::{Codec, StreamFormat};

    fn packet(i: i64, key: bool, bytes: usize) -> Packet {
        let format =
            StreamFormat { codec: Codec::H264, extra_data: Bytes::new(), size: SizePx { w: 16, h: 16 }, reorder: 0 };
        Packet {
            format: Arc::new(format),
            data: vec![0; bytes].into(),
            key,
            session: 0,
            media_us: i * 100_000,
            time: CaptureTime { utc: UtcUs(i * 100_000), error_ms: None, source: TimeSource::File },
            received: None,
            after_loss: false,
        }
    }

    fn s(seconds: f64) -> UtcUs {
        UtcUs(0).plus_s(seconds)
    }

    #[test]
    fn keeps_the_seconds_asked_for_in_whole_groups() {
        let ring = Ring::new(RingLimits { seconds: 3.0, bytes: 1 << 20 });
        for i in 0..100 {
            ring.push(packet(i, i % 10 == 0, 100));
            assert!(ring.stats().seconds <= 4.0);
        }
        let cut = ring.cut(s(7.25), s(8.5)).unwrap();
        assert_eq!((cut.first(), cut.last()), (Some(s(7.0)), Some(s(8.5))));
        assert!(cut.packets()[0].key);
        assert!(ring.covers(s(9.9)) && !ring.covers(s(10.0)));
        assert!(matches!(ring.cut(s(1.0), s(2.0)), Err(RingError::Gone { .. })));
        assert!(matches!(ring.cut(s(11.0), s(12.0)), Err(RingError::NotYet { .. })));
        assert!(matches!(ring.cut(s(8.0), s(7.0)), Err(RingError::Reversed { .. })));
        assert_eq!(ring.cut(s(1.0), s(8.0)).unwrap().first(), Some(s(6.0)), "what is left of it");
        ring.end();
        assert!(ring.covers(s(10.0)));
    }

    #[test]
    fn a_follower_begins_with_the_last_key_frame_and_misses_nothing() {
        let ring = Ring::new(RingLimits { seconds: 60.0, bytes: 1 << 20 });
        for i in 0..25 {
            ring.push(packet(i, i % 10 == 0, 10));
        }
        let (begin, mut rest) = ring.follow();
        assert_eq!(begin.iter().map(|p| p.media_us / 100_000).collect::<Vec<_>>(), [20, 21, 22, 23, 24]);
        ring.push(packet(25, false, 10));
        assert_eq!(rest.try_recv().map(|p| p.media_us).ok(), Some(2_500_000));
        assert!(Ring::new(RingLimits { seconds: 1.0, bytes: 10 }).follow().0.is_empty());
    }

    #[test]
    fn begins_with_a_key_frame() {
        let ring = Ring::new(RingLimits { seconds: 3.0, bytes: 1 << 20 });
        ring.push(packet(0, false, 10));
        assert_eq!(ring.cut(s(0.0), s(1.0)).unwrap_err(), RingError::Empty);
        ring.push(packet(1, true, 10));
        assert_eq!(ring.stats().packets, 1);
    }

    #[test]
    fn a_new_session_begins_with_a_key_frame_too() {
        let ring = Ring::new(RingLimits { seconds: 60.0, bytes: 1 << 20 });
        let of = |session, i, key| Packet { session, ..packet(i, key, 10) };
        [of(1, 0, true), of(1, 1, false), of(2, 2, false), of(2, 3, true), of(2, 4, false)]
            .into_iter()
            .for_each(|p| ring.push(p));
        let kept: Vec<_> = ring.lock().packets.iter().map(|p| p.media_us / 100_000).collect();
        assert_eq!(kept, [0, 1, 3, 4]);
    }

    #[test]
    fn a_group_above_the_budget_is_given_up_and_counted() {
        let ring = Ring::new(RingLimits { seconds: 60.0, bytes: 1000 });
        for i in 0..11 {
            ring.push(packet(i, i == 0, 100));
        }
        assert_eq!(ring.stats().packets_given_up, 11);
        assert_eq!(ring.cut(s(0.0), s(1.0)).unwrap_err(), RingError::Empty);
        ring.push(packet(12, true, 100));
        assert_eq!(ring.stats().packets, 1);
    }

    proptest! {
        #[test]
        fn never_above_the_budget_and_always_decodable(
            packets in prop::collection::vec((any::<bool>(), 1_usize..400), 1..200),
            bytes in 200_usize..3000,
            seconds in 0.0_f64..10.0,
        ) {
            let ring = Ring::new(RingLimits { seconds, bytes });
            for (i, (key, size)) in packets.into_iter().enumerate() {
                ring.push(packet(i as i64, key, size));
                let inner = ring.lock();
                prop_assert!(inner.bytes <= bytes);
                prop_assert_eq!(inner.bytes, inner.packets.iter().map(|p| p.data.len()).sum::<usize>());
                prop_assert!(inner.packets.front().is_none_or(|p| p.key));
            }
        }
    }
}
