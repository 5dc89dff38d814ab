//! Topic → ClickHouse.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext, Rebalance},
    message::{BorrowedMessage, Headers as _},
};
use stopline_types::UtcUs;

use super::{
    AGAIN, KafkaConfig, KafkaFault,
    range::{Cut, Message, Partition, Range},
};
use crate::{
    Store,
    envelope::{self, Aside, Cause, MOST_BYTES, Opened},
    ship::{BatchWriter, Portion, ShipState, ShipStats, Unreadable, held},
    spool::Spooled,
};

/// Longest wait for a message when there is nothing to do.
const POLL: Duration = Duration::from_millis(20);
/// Messages taken in one go before anything else is looked after.
const BURST: usize = 2_000;
/// Bytes that may wait in memory, all partitions together; more, and all pause.
const WAITING_BYTES: usize = 128 << 20;
const COMMITTED_TIMEOUT: Duration = Duration::from_secs(10);
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How ranges are cut.
#[derive(Debug, Clone, Copy)]
pub struct SinkOptions {
    /// Events in a range, at most.
    pub rows: usize,
    /// How long an event may wait for others to fill the range.
    pub age: Duration,
}

impl Default for SinkOptions {
    fn default() -> Self {
        Self { rows: 10_000, age: Duration::from_millis(500) }
    }
}

/// Writes the topic's events to ClickHouse. Several may run, on several machines: Kafka shares the partitions out.
/// Dropping it stops it.
pub struct Sink {
    stop: Arc<AtomicBool>,
    stats: Arc<Mutex<ShipStats>>,
    held: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Sink {
    /// Starts. The tables must be there ([`Store::migrate`]); brokers that are away are waited for.
    pub fn start(config: &KafkaConfig, store: &Store, options: SinkOptions) -> Result<Self, KafkaFault> {
        let stop = Arc::new(AtomicBool::new(false));
        let stats = Arc::new(Mutex::new(ShipStats::default()));
        let writer = Writer::start(store.apart()?, &config.topic, Arc::clone(&stop), Arc::clone(&stats))?;
        let partitions = Arc::new(AtomicUsize::new(0));
        // Settings that are wrong are found now, not on the thread.
        let first = consumer(config)?;
        let worker = Worker {
            config: config.clone(),
            cut: Cut { rows: options.rows.max(1), age: options.age },
            writer,
            stop: Arc::clone(&stop),
            stats: Arc::clone(&stats),
            partitions: BTreeMap::new(),
            held: Arc::clone(&partitions),
            epoch: 0,
            in_flight: false,
            last: -1,
        };
        let thread = std::thread::Builder::new()
            .name("sink".to_owned())
            .spawn(move || worker.run(first))
            .map_err(KafkaFault::Thread)?;
        Ok(Self { stop, stats, held: partitions, thread: Some(thread) })
    }

    /// Figures now. `batches` counts ranges whose offset was moved on; `unshipped` messages taken and not yet written.
    #[must_use]
    pub fn stats(&self) -> ShipStats {
        held(&self.stats).clone()
    }

    /// How many partitions of the topic are this sink's now.
    #[must_use]
    pub fn partitions(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Stops after the range in flight and gives the last figures. Blocks.
    pub fn stop(mut self) -> ShipStats {
        self.end();
        self.stats()
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the sink panicked");
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.end();
    }
}

/// What the group decided, noted while polling.
enum Change {
    Assigned(Vec<i32>),
    Revoked(Vec<i32>),
}

#[derive(Default)]
struct Context(Mutex<Vec<Change>>);

impl Context {
    fn note(&self, change: Change) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(change);
    }
}

impl ClientContext for Context {}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let numbers = |list: &TopicPartitionList| list.elements().iter().map(|element| element.partition()).collect();
        match rebalance {
            Rebalance::Assign(list) => self.note(Change::Assigned(numbers(list))),
            Rebalance::Revoke(list) => self.note(Change::Revoked(numbers(list))),
            Rebalance::Error(error) => tracing::warn!(%error, "Kafka could not share out the partitions"),
        }
    }
}

fn consumer(config: &KafkaConfig) -> Result<BaseConsumer<Context>, KafkaFault> {
    let session_ms = config.session_timeout.as_millis();
    let consumer: BaseConsumer<Context> = config
        .client()?
        .set("group.id", &config.group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // A new group, or one whose offset the broker has deleted, begins with the oldest event there is.
        .set("auto.offset.reset", "earliest")
        .set("session.timeout.ms", session_ms.to_string())
        .set("heartbeat.interval.ms", (session_ms / 3).clamp(100, 3_000).to_string())
        .set("fetch.wait.max.ms", "100")
        .set("queued.max.messages.kbytes", "32768")
        .create_with_context(Context::default())
        .map_err(KafkaFault::of("making a consumer"))?;
    consumer.subscribe(&[config.topic.as_str()]).map_err(KafkaFault::of("subscribing"))?;
    Ok(consumer)
}

/// A partition of ours.
struct Ours {
    waiting: Partition,
    /// Tells this assignment from earlier ones of the same partition.
    epoch: u64,
    /// Next offset to be written, when ClickHouse has more than Kafka was told.
    done: Option<u64>,
    paused: bool,
}

struct Worker {
    config: KafkaConfig,
    cut: Cut,
    writer: Writer,
    stop: Arc<AtomicBool>,
    stats: Arc<Mutex<ShipStats>>,
    partitions: BTreeMap<i32, Ours>,
    held: Arc<AtomicUsize>,
    epoch: u64,
    in_flight: bool,
    /// The partition written last.
    last: i32,
}

impl Worker {
    fn run(mut self, first: BaseConsumer<Context>) {
        let mut consumer = Some(first);
        while !self.stopping() {
            let current = match consumer.take().map_or_else(|| self::consumer(&self.config), Ok) {
                Ok(consumer) => consumer,
                Err(error) => {
                    self.failed(&error);
                    self.pause(TRY_AGAIN_AFTER);
                    continue;
                }
            };
            self.consume(&current);
            self.partitions.clear();
            self.held.store(0, Ordering::Relaxed);
        }
        held(&self.stats).state = ShipState::Stopped;
    }

    /// Until stopped, or until the consumer is broken beyond use.
    fn consume(&mut self, consumer: &BaseConsumer<Context>) {
        while !self.stopping() {
            if let Err(error) = self.follow(consumer) {
                self.failed(&error);
                self.pause(TRY_AGAIN_AFTER);
                continue;
            }
            if let Err(error) = self.take(consumer) {
                self.failed(&error);
                if let Some((_, reason)) = consumer.client().fatal_error() {
                    tracing::error!(%reason, "the consumer is broken; a new one is made");
                    return;
                }
                self.pause(TRY_AGAIN_AFTER);
            }
            self.held.store(self.partitions.len(), Ordering::Relaxed);
            self.look_at_writer();
            if let Err(error) = self.give(consumer) {
                // Mostly a rebalance under way, or a broker that is away.
                self.failed(&error);
                self.pause(Duration::from_millis(200));
            }
            self.hold_back(consumer);
        }
        if !self.stopping() {
            return;
        }
        // The range in flight was given up or is done; what is done is told.
        while self.in_flight {
            if !self.look_at_writer() {
                std::thread::sleep(POLL);
            }
        }
        if let Err(error) = self.tell_done(consumer) {
            tracing::debug!(%error, "the last offsets were not committed; their ranges are sent again and found there");
        }
    }

    fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn pause(&self, time: Duration) {
        let until = Instant::now() + time;
        while !self.stopping() && Instant::now() < until {
            std::thread::sleep(POLL);
        }
    }

    fn failed(&self, error: &dyn std::fmt::Display) {
        let mut stats = held(&self.stats);
        let error = error.to_string();
        if stats.last_error != error {
            tracing::warn!(%error, "the sink waits");
        }
        stats.retries += 1;
        stats.last_error = error;
    }

    /// Follows what the group decided.
    fn follow(&mut self, consumer: &BaseConsumer<Context>) -> Result<(), KafkaFault> {
        loop {
            // Taken out only when done: a broker that does not answer now is asked again.
            let assigned = {
                let mut changes = consumer.context().0.lock().unwrap_or_else(PoisonError::into_inner);
                match changes.first() {
                    None => return Ok(()),
                    Some(Change::Revoked(numbers)) => {
                        tracing::info!(partitions = ?numbers, "partitions went to others");
                        for number in numbers {
                            self.partitions.remove(number);
                        }
                        changes.remove(0);
                        continue;
                    }
                    Some(Change::Assigned(numbers)) => numbers.clone(),
                }
            };
            let mut list = TopicPartitionList::new();
            for number in &assigned {
                list.add_partition(&self.config.topic, *number);
            }
            let committed = consumer
                .committed_offsets(list, COMMITTED_TIMEOUT)
                .map_err(KafkaFault::of("asking for the group's offsets"))?;
            self.epoch += 1;
            for element in committed.elements() {
                let announced = element.metadata().strip_prefix(ANNOUNCES).and_then(|last| last.parse().ok());
                let waiting = Partition::assigned(announced);
                let ours = Ours { waiting, epoch: self.epoch, done: None, paused: false };
                self.partitions.insert(element.partition(), ours);
            }
            tracing::info!(partitions = ?assigned, "partitions came to us");
            consumer.context().0.lock().unwrap_or_else(PoisonError::into_inner).remove(0);
        }
    }

    fn take(&mut self, consumer: &BaseConsumer<Context>) -> Result<(), KafkaFault> {
        let mut patience = POLL;
        for _ in 0..BURST {
            let Some(polled) = consumer.poll(patience) else { break };
            patience = Duration::ZERO;
            let message = polled.map_err(KafkaFault::of("taking messages"))?;
            // A rebalance may have been served by this very poll: partitions not followed yet begin anew.
            let changed = !consumer.context().0.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
            if changed {
                self.follow(consumer)?;
            }
            if let Some(ours) = self.partitions.get_mut(&message.partition()) {
                let again = message.headers().is_some_and(|headers| headers.iter().any(|header| header.key == AGAIN));
                ours.waiting.push(read(&message), again);
            }
        }
        Ok(())
    }

    /// Whether something came back.
    fn look_at_writer(&mut self) -> bool {
        let Ok(done) = self.writer.done.try_recv() else { return false };
        self.in_flight = false;
        if let Some(ours) = self.partitions.get_mut(&done.partition)
            && ours.epoch == done.epoch
            && done.written
        {
            ours.waiting.written(done.last);
            ours.done = Some(done.last + 1);
            let mut stats = held(&self.stats);
            stats.batches += 1;
            stats.state = ShipState::Idle;
            stats.last_error.clear();
            let now: UtcUs = std::time::SystemTime::now().into();
            stats.last_delay_ms = done.oldest.map(|oldest| now.since_s(oldest) * 1e3);
        }
        true
    }

    /// Announces the next range and hands it to the writer; without one, tells Kafka what is done.
    fn give(&mut self, consumer: &BaseConsumer<Context>) -> Result<(), KafkaFault> {
        if self.in_flight {
            return Ok(());
        }
        let Some((partition, epoch, range)) = self.due() else { return self.tell_done(consumer) };
        let mut list = TopicPartitionList::new();
        self.add(&mut list, partition, range.first, Some(range.last))?;
        consumer.commit(&list, CommitMode::Sync).map_err(KafkaFault::of("announcing a range"))?;
        if let Some(ours) = self.partitions.get_mut(&partition) {
            ours.done = None;
        }
        self.last = partition;
        self.in_flight = self.writer.jobs.try_send(Job { partition, epoch, range }).is_ok();
        Ok(())
    }

    /// The next range: of the partitions behind the one written last, so that a busy one does not starve the others.
    fn due(&self) -> Option<(i32, u64, Range)> {
        let behind = self.partitions.range(self.last + 1..);
        let mut all = behind.chain(self.partitions.range(..=self.last));
        all.find_map(|(number, ours)| Some((*number, ours.epoch, ours.waiting.due(self.cut)?)))
    }

    fn tell_done(&mut self, consumer: &BaseConsumer<Context>) -> Result<(), KafkaFault> {
        let mut list = TopicPartitionList::new();
        for (number, ours) in &self.partitions {
            if let Some(next) = ours.done {
                self.add(&mut list, *number, next, None)?;
            }
        }
        if list.count() == 0 {
            return Ok(());
        }
        consumer.commit(&list, CommitMode::Sync).map_err(KafkaFault::of("committing offsets"))?;
        for ours in self.partitions.values_mut() {
            ours.done = None;
        }
        Ok(())
    }

    fn add(
        &self,
        list: &mut TopicPartitionList,
        partition: i32,
        next: u64,
        announced: Option<u64>,
    ) -> Result<(), KafkaFault> {
        let mut element = list.add_partition(&self.config.topic, partition);
        let offset = i64::try_from(next).unwrap_or(i64::MAX);
        element.set_offset(Offset::Offset(offset)).map_err(KafkaFault::of("an offset"))?;
        if let Some(last) = announced {
            element.set_metadata(format!("{ANNOUNCES}{last}"));
        }
        Ok(())
    }

    /// Pauses partitions that have enough waiting, and resumes them later. Polling goes on all the while.
    fn hold_back(&mut self, consumer: &BaseConsumer<Context>) {
        let bytes: usize = self.partitions.values().map(|ours| ours.waiting.bytes()).sum();
        let (mut pause, mut resume) = (TopicPartitionList::new(), TopicPartitionList::new());
        let mut waiting = 0;
        for (number, ours) in &mut self.partitions {
            waiting += ours.waiting.len() as u64;
            let full = ours.waiting.len() >= 2 * self.cut.rows || bytes >= WAITING_BYTES;
            let room = ours.waiting.len() <= self.cut.rows && bytes < WAITING_BYTES / 2;
            if full && !ours.paused {
                pause.add_partition(&self.config.topic, *number);
                ours.paused = true;
            } else if room && ours.paused {
                resume.add_partition(&self.config.topic, *number);
                ours.paused = false;
            }
        }
        held(&self.stats).unshipped = waiting;
        for (list, done) in [(&pause, consumer.pause(&pause)), (&resume, consumer.resume(&resume))] {
            if list.count() > 0
                && let Err(error) = done
            {
                tracing::debug!(%error, "a partition could not be paused or resumed");
            }
        }
    }
}

/// What an announced range looks like in the metadata of the group's offset.
const ANNOUNCES: &str = "up to ";

fn read(message: &BorrowedMessage<'_>) -> Message {
    let number = u64::try_from(message.offset()).unwrap_or(0);
    let raw = message.payload().unwrap_or_default();
    let opened = if raw.len() > MOST_BYTES {
        let reason = format!("{} bytes, expected at most {MOST_BYTES}", raw.len());
        Err(Aside::new(Cause::Oversized, reason))
    } else {
        envelope::open(raw)
    };
    match opened {
        Ok(Opened { at, event, json }) => Message::Event(Box::new(Spooled { number, at, event, json })),
        Err(aside) => Message::Unreadable(Box::new(Unreadable {
            number,
            at: UtcUs(message.timestamp().to_millis().unwrap_or(0) * 1000),
            key: envelope::text_of(message.key().unwrap_or_default()),
            raw: raw.to_vec(),
            aside,
        })),
    }
}

struct Job {
    partition: i32,
    epoch: u64,
    range: Range,
}

struct Done {
    partition: i32,
    epoch: u64,
    last: u64,
    written: bool,
    oldest: Option<UtcUs>,
}

/// The thread that waits for ClickHouse, so that the other can go on polling.
struct Writer {
    jobs: mpsc::SyncSender<Job>,
    done: mpsc::Receiver<Done>,
}

impl Writer {
    fn start(
        store: Store,
        topic: &str,
        stop: Arc<AtomicBool>,
        stats: Arc<Mutex<ShipStats>>,
    ) -> Result<Self, KafkaFault> {
        let (jobs, received) = mpsc::sync_channel::<Job>(1);
        let (tell, done) = mpsc::channel();
        let topic = topic.to_owned();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(KafkaFault::Thread)?;
        let work = move || {
            for Job { partition, epoch, range } in received {
                let writer = BatchWriter {
                    store: store.clone(),
                    source: format!("kafka-{topic}-{partition}-{}", range.fingerprint()),
                    stop: Arc::clone(&stop),
                    stats: Arc::clone(&stats),
                };
                let portion = Portion {
                    limits: (range.first, range.last),
                    events: &range.events,
                    unreadable: &range.unreadable,
                    unsure: range.unsure,
                };
                let written = runtime.block_on(writer.write(&portion));
                let oldest = range.events.iter().map(|event| event.at).min();
                if tell.send(Done { partition, epoch, last: range.last, written, oldest }).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("sink-writer".to_owned()).spawn(work).map_err(KafkaFault::Thread)?;
        Ok(Self { jobs, done })
    }
}
