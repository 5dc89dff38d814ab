//! From detection to disk: one thread takes events and returns only when the spool has synced them.
//!
//! The channel is bounded; when it is full the sender *waits* (detection slows, mailboxes replace older frames and
//! count them), so nothing that was found is dropped in memory. A disk that is full is tried again for as long as the
//! engine runs; when it is stopped meanwhile, what cannot be written is given up after a while, counted and said.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
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

/// How long a stopped engine goes on trying to write what waits.
const GIVE_UP_AFTER: Duration = Duration::from_secs(15);

/// Told of every event once it is durable, and how long that took.
pub(crate) type OnDurable = Arc<dyn Fn(&Event, Duration) + Send + Sync>;

/// The way in. Clones share one thread.
#[derive(Clone)]
pub(crate) struct Intake {
    sender: SyncSender<(Instant, Event)>,
    live: broadcast::Sender<Arc<Event>>,
    recent: Recent,
    losses: Arc<Losses>,
}

/// What never reached the disk.
#[derive(Default)]
struct Losses {
    /// Passages, because the spool was full.
    shed: AtomicU64,
    /// Events of any kind, because the engine was stopped while the disk took nothing.
    given_up: AtomicU64,
    stopped: OnceLock<Instant>,
}

type Recent = Arc<Mutex<VecDeque<Arc<Event>>>>;

/// The thread behind an [`Intake`].
pub(crate) struct IntakeThread {
    thread: JoinHandle<()>,
    losses: Arc<Losses>,
}

impl Intake {
    /// Starts the thread.
    pub(crate) fn start(spool: Arc<Spool>, on_durable: OnDurable) -> std::io::Result<(Self, IntakeThread)> {
        let (sender, receiver) = sync_channel(WAITING_EVENTS);
        let live = broadcast::Sender::new(LIVE_BACKLOG);
        let recent = Recent::default();
        let losses = Arc::new(Losses::default());
        let thread = {
            let (live, recent, losses) = (live.clone(), Arc::clone(&recent), Arc::clone(&losses));
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
                write_all(&receiver, &spool, &losses, told);
            })?
        };
        Ok((Self { sender, live, recent, losses: Arc::clone(&losses) }, IntakeThread { thread, losses }))
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

    /// The engine stops: from now on the disk gets only a while to take what waits.
    pub(crate) fn stopping(&self) {
        self.losses.stopped.get_or_init(Instant::now);
    }
}

impl IntakeThread {
    /// Waits until everything handed over is on disk, or given up after [`Intake::stopping`]. All clones of the
    /// [`Intake`] must be gone. Gives the passages shed because the spool was full, and the events given up.
    pub(crate) fn join(self) -> (u64, u64) {
        if self.thread.join().is_err() {
            tracing::error!("the intake thread panicked; its last events are lost");
        }
        (self.losses.shed.load(Ordering::Relaxed), self.losses.given_up.load(Ordering::Relaxed))
    }
}

fn write_all(receiver: &Receiver<(Instant, Event)>, spool: &Spool, losses: &Losses, told: impl Fn(Event, Duration)) {
    while let Ok((oldest, first)) = receiver.recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH {
            match receiver.try_recv() {
                Ok((_, event)) => batch.push(event),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        let kept = append(spool, batch, losses);
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
fn append(spool: &Spool, batch: Vec<Event>, losses: &Losses) -> Vec<Event> {
    let mut pause = Duration::from_millis(100);
    loop {
        match spool.append(&batch) {
            Ok(outcome) => {
                losses.shed.fetch_add(outcome.shed as u64, Ordering::Relaxed);
                if outcome.shed == 0 {
                    return batch;
                }
                // The spool sheds passages only; see its promise.
                return batch.into_iter().filter(|event| !matches!(event, Event::Passage(_))).collect();
            }
            Err(error) if losses.stopped.get().is_some_and(|at| at.elapsed() > GIVE_UP_AFTER) => {
                tracing::error!(%error, events = batch.len(), "given up: the engine stops and the disk takes nothing");
                losses.given_up.fetch_add(batch.len() as u64, Ordering::Relaxed);
                return Vec::new();
            }
            Err(error) => {
                tracing::error!(%error, waiting = batch.len(), "events could not be written to the spool; trying again");
                std::thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_secs(5));
            }
        }
    }
}
