//! From detection to disk: one thread takes events and returns only when the spool has synced them.
//!
//! The channel is bounded; when it is full the sender *waits* (detection slows, mailboxes replace older frames and
//! count them), so nothing that was found is dropped in memory.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use stopline_store::spool::Spool;
use stopline_types::Event;
use tokio::sync::broadcast;

/// Events that may wait for the disk.
const WAITING_EVENTS: usize = 1024;
/// Events written in one go.
const BATCH: usize = 256;
/// Live listeners further behind than this miss events and are told so.
const LIVE_BACKLOG: usize = 512;

/// Told of every event once it is durable.
pub(crate) type OnDurable = Arc<dyn Fn(&Event) + Send + Sync>;

/// The way in. Clones share one thread.
#[derive(Clone)]
pub(crate) struct Intake {
    sender: SyncSender<Event>,
    live: broadcast::Sender<Arc<Event>>,
    counters: Arc<Counters>,
}

#[derive(Default)]
struct Counters {
    durable: AtomicU64,
    shed: AtomicU64,
}

/// The thread behind an [`Intake`].
pub(crate) struct IntakeThread(JoinHandle<()>);

impl Intake {
    /// Starts the thread.
    pub(crate) fn start(spool: Arc<Spool>, on_durable: OnDurable) -> std::io::Result<(Self, IntakeThread)> {
        let (sender, receiver) = sync_channel(WAITING_EVENTS);
        let live = broadcast::Sender::new(LIVE_BACKLOG);
        let counters = Arc::new(Counters::default());
        let thread = {
            let (live, counters) = (live.clone(), Arc::clone(&counters));
            std::thread::Builder::new().name("intake".into()).spawn(move || {
                write_all(&receiver, &spool, &live, &counters, &on_durable);
            })?
        };
        Ok((Self { sender, live, counters }, IntakeThread(thread)))
    }

    /// Hands over an event; waits while the disk is behind. False: the intake has ended.
    pub(crate) fn put(&self, event: Event) -> bool {
        self.sender.send(event).is_ok()
    }

    /// Tells live listeners of an event that was made durable another way.
    pub(crate) fn announce(&self, event: Event) {
        // No listener is no fault.
        drop(self.live.send(Arc::new(event)));
    }

    /// Events from now on, each sent when durable.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Arc<Event>> {
        self.live.subscribe()
    }

    /// Events written, and passages shed because the spool was full.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.counters.durable.load(Ordering::Relaxed), self.counters.shed.load(Ordering::Relaxed))
    }
}

impl IntakeThread {
    /// Waits until everything handed over is on disk. All clones of the [`Intake`] must be gone.
    pub(crate) fn join(self) {
        if self.0.join().is_err() {
            tracing::error!("the intake thread panicked; its last events are lost");
        }
    }
}

fn write_all(
    receiver: &Receiver<Event>,
    spool: &Spool,
    live: &broadcast::Sender<Arc<Event>>,
    counters: &Counters,
    on_durable: &OnDurable,
) {
    while let Ok(first) = receiver.recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH {
            match receiver.try_recv() {
                Ok(event) => batch.push(event),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        let kept = append(spool, batch, counters);
        counters.durable.fetch_add(kept.len() as u64, Ordering::Relaxed);
        for event in kept {
            on_durable(&event);
            // No listener is no fault.
            drop(live.send(Arc::new(event)));
        }
    }
}

/// Writes a batch, however long it takes, and returns what the spool now holds.
fn append(spool: &Spool, batch: Vec<Event>, counters: &Counters) -> Vec<Event> {
    let mut pause = Duration::from_millis(100);
    loop {
        match spool.append(&batch) {
            Ok(outcome) => {
                counters.shed.fetch_add(outcome.shed as u64, Ordering::Relaxed);
                if outcome.shed == 0 {
                    return batch;
                }
                // The spool sheds passages only; see its promise.
                return batch.into_iter().filter(|event| !matches!(event, Event::Passage(_))).collect();
            }
            Err(error) => {
                tracing::error!(%error, waiting = batch.len(), "events could not be written to the spool; trying again");
                std::thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_secs(10));
            }
        }
    }
}
