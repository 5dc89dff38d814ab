//! Counts of one camera, written by its tasks and threads.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use stopline_types::CameraCounters;

use crate::handoff::MailboxStats;

/// See [`CameraCounters`] for what each is.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) received: AtomicU64,
    pub(crate) decoded: AtomicU64,
    pub(crate) over_rate: AtomicU64,
    pub(crate) undecodable: AtomicU64,
    pub(crate) gated: AtomicU64,
    pub(crate) wakes: AtomicU64,
    pub(crate) decode_us: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) lost: AtomicU64,
    pub(crate) reconnects: AtomicU64,
    /// Panics caught in this camera's tasks and threads.
    pub(crate) panics: AtomicU64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Relaxed);
    }

    pub(crate) fn snapshot(&self, mailbox: MailboxStats, clock_steps: u64) -> CameraCounters {
        let get = |counter: &AtomicU64| counter.load(Relaxed);
        CameraCounters {
            frames_received: get(&self.received),
            frames_decoded: get(&self.decoded),
            frames_analysed: mailbox.analysed,
            frames_superseded: mailbox.superseded,
            frames_over_rate: get(&self.over_rate),
            frames_undecodable: get(&self.undecodable),
            frames_gated: get(&self.gated),
            gate_wakes: get(&self.wakes),
            decode_ms: get(&self.decode_us) / 1000,
            bytes_received: get(&self.bytes),
            packets_lost: get(&self.lost),
            reconnects: get(&self.reconnects),
            clock_steps,
        }
    }
}
