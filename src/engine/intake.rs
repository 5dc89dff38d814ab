//! From detection to disk: one thread takes events and returns only when the spool has synced them.
//!
//! The channel is bounded; when it is full the sender *waits* (detection slows, mailboxes replace older frames and
//! count them), so nothing that was found is dropped in memory.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use stopline_store::spool::Spool;
use stopline_types::{Event, EventId, Violation};
use tokio::sync::broadcast;

/// Events that may wait for the disk.
const WAITING_EVENTS: usize = 1024;
/// Events written in one go.
const BATCH: usize = 256;
/// Live listeners further behind than this miss events and are told so.
const LIVE_BACKLOG: usize = 512;

/// Violations remembered for the pages: those that are durable but perhaps not yet in the store.
const RECENT: usize = 512;

/// Told of every event once it is durable, and how long that took.
pub(crate) type OnDurable = Arc<dyn Fn(&Event, Duration) + Send + Sync>;

/// The way in. Clones share one thread.
#[derive(Clone)]
pub(crate) struct Intake {
    sender: SyncSender<(Instant, Event)>,
    live: broadcast::Sender<Arc<Event>>,
    recent: Recent,
    shed: Arc<AtomicU64>,
}

type Recent = Arc<Mutex<VecDeque<Arc<Event>>>>;

/// The thread behind an [`Intake`].
pub(crate) struct IntakeThread(JoinHandle<()>);

impl Intake {
    /// Starts the thread.
    pub(crate) fn start(spool: Arc<Spool>, on_durable: OnDurable) -> std::io::Result<(Self, IntakeThread)> {
        let (sender, receiver) = sync_channel(WAITING_EVENTS);
        let live = broadcast::Sender::new(LIVE_BACKLOG);
        let recent = Recent::default();
        let shed = Arc::new(AtomicU64::new(0));
        let thread = {
            let (live, recent, shed) = (live.clone(), Arc::clone(&recent), Arc::clone(&shed));
            let told = move |event: Event, took: Duration| {
                on_durable(&event, took);
                let event = Arc::new(event);
                if matches!(*event, Event::Violation(_)) {
                    remember(&recent, Arc::clone(&event));
                }
                // No listener is no fault.
                drop(live.send(event));
            };
            std::thread::Builder::new().name("intake".into()).spawn(move || {
                write_all(&receiver, &spool, &shed, told);
            })?
        };
        Ok((Self { sender, live, recent, shed }, IntakeThread(thread)))
    }

    /// Hands over an event; waits while the disk is behind. False: the intake has ended.
    pub(crate) fn put(&self, event: Event) -> bool {
        self.sender.send((Instant::now(), event)).is_ok()
    }

    /// Tells live listeners of an event that was made durable another way.
    pub(crate) fn announce(&self, event: Event) {
        // No listener is no fault.
        drop(self.live.send(Arc::new(event)));
    }

    /// A violation that became durable lately: the store may not have it yet.
    pub(crate) fn recent(&self, id: EventId) -> Option<Violation> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.iter().rev().find_map(|event| match event.as_ref() {
            Event::Violation(violation) if violation.id == id => Some(violation.as_ref().clone()),
            _ => None,
        })
    }

    /// Events from now on, each sent when durable.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Arc<Event>> {
        self.live.subscribe()
    }

    /// Passages shed because the spool was full.
    pub(crate) fn shed(&self) -> u64 {
        self.shed.load(Ordering::Relaxed)
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

fn write_all(receiver: &Receiver<(Instant, Event)>, spool: &Spool, shed: &AtomicU64, told: impl Fn(Event, Duration)) {
    while let Ok((oldest, first)) = receiver.recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH {
            match receiver.try_recv() {
                Ok((_, event)) => batch.push(event),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        let kept = append(spool, batch, shed);
        let took = oldest.elapsed();
        kept.into_iter().for_each(|event| told(event, took));
    }
}

fn remember(recent: &Recent, event: Arc<Event>) {
    let mut recent = recent.lock().unwrap_or_else(PoisonError::into_inner);
    recent.push_back(event);
    if recent.len() > RECENT {
        recent.pop_front();
    }
}

/// Writes a batch, however long it takes, and returns what the spool now holds.
fn append(spool: &Spool, batch: Vec<Event>, shed: &AtomicU64) -> Vec<Event> {
    let mut pause = Duration::from_millis(100);
    loop {
        match spool.append(&batch) {
            Ok(outcome) => {
                shed.fetch_add(outcome.shed as u64, Ordering::Relaxed);
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
