//! The shipper's thread.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use stopline_types::UtcUs;
use tokio::runtime::Runtime;

use super::{
    BatchWriter, Portion, ShipOptions, ShipState, held,
    write::{FIRST_PAUSE, LONGEST_PAUSE, LOOK},
};
use crate::spool::{Batch, Spool};

pub(super) struct Worker {
    pub(super) spool: Arc<Spool>,
    pub(super) options: ShipOptions,
    pub(super) writer: BatchWriter,
}

impl Worker {
    pub(super) fn run(self, runtime: &Runtime) {
        // A batch found in the spool at the start may have been sent by a predecessor.
        let mut unsure = true;
        while let Some(batch) = runtime.block_on(self.next()) {
            let limits = (batch.first, batch.last);
            let portion = Portion { limits, events: &batch.events, unreadable: &[], unsure };
            if !runtime.block_on(self.writer.write(&portion)) {
                break;
            }
            unsure = !runtime.block_on(self.acknowledge(&batch));
        }
        held(&self.writer.stats).state = ShipState::Stopped;
    }

    /// The next batch, once it is full or old enough. `None`: stopped.
    async fn next(&self) -> Option<Batch> {
        let mut pause = FIRST_PAUSE;
        loop {
            let mut pending = 0;
            while pending == 0 {
                if self.writer.stopping() {
                    return None;
                }
                pending = self.spool.wait(LOOK);
            }
            let deadline = Instant::now() + self.options.age;
            while pending < self.options.rows as u64 && Instant::now() < deadline && !self.writer.stopping() {
                let left = deadline.saturating_duration_since(Instant::now());
                std::thread::sleep(left.min(Duration::from_millis(20)));
                pending = self.spool.wait(Duration::ZERO);
            }
            match self.spool.next_batch(self.options.rows, self.options.bytes) {
                Ok(Some(batch)) => return Some(batch),
                Ok(None) => {}
                Err(error) => {
                    self.writer.failed(&error);
                    if !self.writer.pause(pause).await {
                        return None;
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// False: the batch stays and comes again.
    async fn acknowledge(&self, batch: &Batch) -> bool {
        let oldest = batch.events.iter().map(|event| event.at).min();
        match self.spool.ack(batch) {
            Ok(()) => {
                let mut stats = held(&self.writer.stats);
                stats.state = ShipState::Idle;
                stats.batches += 1;
                stats.last_error.clear();
                let now: UtcUs = std::time::SystemTime::now().into();
                stats.last_delay_ms = oldest.map(|oldest| now.since_s(oldest) * 1e3);
                true
            }
            Err(error) => {
                self.writer.failed(&error);
                let _stopped = self.writer.pause(LONGEST_PAUSE).await;
                false
            }
        }
    }
}
