//! Messages of one partition that wait to be written, and where ranges are cut. No I/O.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use sha2::{Digest as _, Sha256};

use crate::{ship::Unreadable, spool::Spooled};

/// A message taken apart.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Message {
    Event(Box<Spooled>),
    Unreadable(Box<Unreadable>),
}

impl Message {
    pub(super) fn offset(&self) -> u64 {
        match self {
            Self::Event(event) => event.number,
            Self::Unreadable(unreadable) => unreadable.number,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Event(event) => event.json.len(),
            Self::Unreadable(unreadable) => unreadable.raw.len(),
        }
    }
}

/// A range ready to be written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Range {
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) events: Vec<Spooled>,
    pub(super) unreadable: Vec<Unreadable>,
    /// Some of it may be in ClickHouse.
    pub(super) unsure: bool,
}

impl Range {
    /// Tells this range from one with the same offsets on a topic that was made anew.
    pub(super) fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for event in &self.events {
            hash.update(event.event.id().bytes());
        }
        hash.finalize()[..6].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// How ranges are cut.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    pub(super) rows: usize,
    pub(super) age: Duration,
}

/// One partition.
pub(super) struct Partition {
    waiting: VecDeque<(Message, bool)>,
    bytes: usize,
    oldest: Option<Instant>,
    /// A predecessor announced a range up to here and may have written it.
    announced: Option<(u64, Instant)>,
    /// No range was written since the partition was assigned.
    fresh: bool,
}

/// How long to wait for the end of an announced range: its last messages may have been deleted by the broker meanwhile.
const ANNOUNCED_WAIT: Duration = Duration::from_secs(30);

impl Partition {
    /// `announced`: from the metadata of the committed offset.
    pub(super) fn assigned(announced: Option<u64>) -> Self {
        let announced = announced.map(|last| (last, Instant::now()));
        Self { waiting: VecDeque::new(), bytes: 0, oldest: None, announced, fresh: true }
    }

    pub(super) fn push(&mut self, message: Message, again: bool) {
        // A broker may give what it gave before, after a rebalance.
        if self.waiting.back().is_some_and(|(last, _)| last.offset() >= message.offset()) {
            return;
        }
        self.bytes += message.bytes();
        self.oldest.get_or_insert_with(Instant::now);
        self.waiting.push_back((message, again));
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The next range, if one is full or old enough. It stays here until [`Self::written`].
    pub(super) fn due(&self, cut: Cut) -> Option<Range> {
        let (Some((first, _)), Some((newest, _))) = (self.waiting.front(), self.waiting.back()) else { return None };
        let first = first.offset();
        let take = match self.announced {
            Some((last, since)) if first <= last => {
                if newest.offset() < last && since.elapsed() < ANNOUNCED_WAIT {
                    return None;
                }
                self.waiting.iter().take_while(|(message, _)| message.offset() <= last).count()
            }
            _ => {
                let old = self.oldest.is_some_and(|oldest| oldest.elapsed() >= cut.age);
                if self.waiting.len() < cut.rows && !old {
                    return None;
                }
                self.waiting.len().min(cut.rows)
            }
        };
        let mut range = Range { first, last: first, events: Vec::new(), unreadable: Vec::new(), unsure: self.fresh };
        for (message, again) in self.waiting.iter().take(take) {
            range.last = message.offset();
            range.unsure |= again;
            match message {
                Message::Event(event) => range.events.push(event.as_ref().clone()),
                Message::Unreadable(unreadable) => range.unreadable.push(unreadable.as_ref().clone()),
            }
        }
        // An announced range keeps the end it was announced with, whatever is left of it.
        if let Some((last, _)) = self.announced.filter(|(last, _)| first <= *last) {
            range.last = last;
        }
        Some(range)
    }

    /// ClickHouse has everything up to `last`.
    pub(super) fn written(&mut self, last: u64) {
        while self.waiting.front().is_some_and(|(message, _)| message.offset() <= last) {
            self.bytes -= self.waiting.pop_front().map_or(0, |(message, _)| message.bytes());
        }
        self.oldest = (!self.waiting.is_empty()).then(Instant::now);
        self.announced = None;
        self.fresh = false;
    }
}

#[cfg(test)]
mod tests {
    use stopline_types::{CameraId, Event, EventId, Incident, UtcUs};

    use super::*;

    fn message(offset: u64) -> Message {
        let event = Event::Incident(Incident {
            id: EventId::of(&[&offset.to_string()]),
            camera: CameraId::new("cam-1").unwrap(),
            t_s: 0.0,
            utc: UtcUs(0),
            error_ms: None,
            kind: "queue".into(),
            lane: None,
            measured: [].into(),
        });
        let json = serde_json::to_string(&event).unwrap();
        Message::Event(Box::new(Spooled { number: offset, at: UtcUs(0), event, json }))
    }

    const NOW: Cut = Cut { rows: 3, age: Duration::ZERO };
    const LATER: Cut = Cut { rows: 3, age: Duration::from_secs(3600) };

    fn filled(announced: Option<u64>, offsets: std::ops::Range<u64>) -> Partition {
        let mut partition = Partition::assigned(announced);
        offsets.for_each(|offset| partition.push(message(offset), false));
        partition
    }

    #[test]
    fn ranges_are_cut_by_rows_or_age() {
        let mut partition = filled(None, 5..7);
        assert_eq!(partition.due(LATER), None);
        let range = partition.due(NOW).unwrap();
        assert_eq!((range.first, range.last, range.events.len(), range.unsure), (5, 6, 2, true));
        partition.push(message(7), false);
        partition.push(message(7), false);
        partition.push(message(8), false);
        assert_eq!(partition.due(LATER).unwrap().last, 7, "full");
        partition.written(7);
        let range = partition.due(NOW).unwrap();
        assert_eq!((range.first, range.last, range.unsure), (8, 8, false), "only the first is unsure");
        partition.written(8);
        assert_eq!((partition.due(NOW), partition.len(), partition.bytes()), (None, 0, 0));
        partition.push(message(9), true);
        assert!(partition.due(NOW).unwrap().unsure, "sent again by its edge");
    }

    #[test]
    fn an_announced_range_is_the_same_for_its_heir() {
        let mut heir = filled(Some(14), 10..14);
        assert_eq!(heir.due(NOW), None, "its end has not come yet");
        (14..20).for_each(|offset| heir.push(message(offset), false));
        let range = heir.due(NOW).unwrap();
        assert_eq!((range.first, range.last, range.events.len(), range.unsure), (10, 14, 5, true));
        heir.written(14);
        assert_eq!(heir.due(NOW).unwrap().first, 15);
        let passed = filled(Some(14), 15..17);
        assert_eq!(passed.due(NOW).unwrap().last, 16, "an announcement that lies behind counts no more");
    }

    #[test]
    fn a_topic_made_anew_has_other_tokens() {
        let (one, mut other) = (filled(None, 0..2).due(NOW).unwrap(), filled(None, 0..2).due(NOW).unwrap());
        assert_eq!(one.fingerprint(), other.fingerprint());
        other.events.pop();
        assert_ne!(one.fingerprint(), other.fingerprint());
    }
}
