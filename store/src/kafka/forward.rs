//! Spool → topic.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext,
    error::{KafkaError, RDKafkaErrorCode},
    message::{Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext},
};
use stopline_types::{SCHEMA_VERSION, UtcUs};

use super::{AGAIN, KIND, KafkaConfig, KafkaFault, SCHEMA, prepare_topic};
use crate::{
    envelope::{self, MOST_BYTES},
    ship::{Outlet, ShipOptions, ShipState, ShipStats, held},
    spool::{Batch, Spool, Spooled},
};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(50);
/// A message the brokers do not acknowledge within this time is given up by the client and sent again by us.
const DELIVERY_TIMEOUT_MS: &str = "30000";

/// Sends everything in the spool to Kafka. Dropping it stops it.
pub struct Forwarder(Outlet);

impl Forwarder {
    /// Starts. Brokers that are away are waited for: the spool is the buffer.
    pub fn start(spool: Arc<Spool>, config: &KafkaConfig, options: ShipOptions) -> Result<Self, KafkaFault> {
        let stop = Arc::new(AtomicBool::new(false));
        let stats = Arc::new(Mutex::new(ShipStats::default()));
        let worker = Worker {
            // Settings that are wrong are found now, not on the thread.
            producer: Some(producer(config)?),
            config: config.clone(),
            spool: Arc::clone(&spool),
            options,
            stop: Arc::clone(&stop),
            stats: Arc::clone(&stats),
        };
        Outlet::start("forwarder", (stop, stats, spool), move || worker.run()).map(Self).map_err(KafkaFault::Thread)
    }

    /// Figures now; `rows` counts messages by kind of event, `dead_letters` events kept aside in the spool.
    #[must_use]
    pub fn stats(&self) -> ShipStats {
        self.0.stats()
    }

    /// Waits until the spool is empty, for at most `time`; true if it is. Blocks.
    #[must_use]
    pub fn drain(&self, time: Duration) -> bool {
        self.0.drain(time)
    }

    /// Stops; what is not acknowledged stays in the spool. Blocks.
    pub fn stop(self) {
        drop(self);
    }
}

/// What became of each message of a batch, by its place.
#[derive(Default)]
struct Deliveries {
    open: usize,
    failed: Vec<(usize, KafkaError)>,
}

struct Context(Arc<Mutex<Deliveries>>);

impl ClientContext for Context {}

impl ProducerContext for Context {
    type DeliveryOpaque = Box<usize>;

    fn delivery(&self, result: &DeliveryResult<'_>, place: Self::DeliveryOpaque) {
        let mut deliveries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        deliveries.open -= 1;
        if let Err((error, _)) = result {
            deliveries.failed.push((*place, error.clone()));
        }
    }
}

fn producer(config: &KafkaConfig) -> Result<(BaseProducer<Context>, Arc<Mutex<Deliveries>>), KafkaFault> {
    let deliveries = Arc::new(Mutex::new(Deliveries::default()));
    let producer = config
        .client()?
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("compression.type", "lz4")
        .set("linger.ms", "20")
        .set("message.timeout.ms", DELIVERY_TIMEOUT_MS)
        .set("message.max.bytes", (2 * MOST_BYTES).to_string())
        .create_with_context(Context(Arc::clone(&deliveries)))
        .map_err(KafkaFault::of("making a producer"))?;
    Ok((producer, deliveries))
}

struct Worker {
    /// `None` after a fatal error, until a new one is made.
    producer: Option<(BaseProducer<Context>, Arc<Mutex<Deliveries>>)>,
    config: KafkaConfig,
    spool: Arc<Spool>,
    options: ShipOptions,
    stop: Arc<AtomicBool>,
    stats: Arc<Mutex<ShipStats>>,
}

impl Worker {
    fn run(mut self) {
        prepare_topic(&self.config, &self.stop, |error| self.failed(error));
        // A batch found in the spool at the start may lie on the topic already.
        let mut again = true;
        while let Some(batch) = self.next() {
            held(&self.stats).state = ShipState::Sending;
            if !self.send(&batch, again) {
                break;
            }
            again = !self.acknowledge(&batch);
        }
        held(&self.stats).state = ShipState::Stopped;
    }

    fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Sleeps unless stopped; false when stopped.
    fn pause(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        while !self.stopping() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(LOOK));
        }
        false
    }

    fn failed(&self, error: &dyn std::fmt::Display) {
        let mut stats = held(&self.stats);
        if stats.state != ShipState::Waiting {
            tracing::warn!(%error, "events wait in the spool");
        }
        stats.state = ShipState::Waiting;
        stats.retries += 1;
        stats.last_error = error.to_string();
    }

    /// Kafka batches by itself (`linger.ms`), so whatever is there goes at once.
    fn next(&self) -> Option<Batch> {
        let mut pause = FIRST_PAUSE;
        loop {
            while self.spool.wait(LOOK) == 0 {
                if self.stopping() {
                    return None;
                }
            }
            match self.spool.next_batch(self.options.rows, self.options.bytes) {
                Ok(Some(batch)) => return Some(batch),
                Ok(None) => {}
                Err(error) => {
                    self.failed(&error);
                    if !self.pause(pause) {
                        return None;
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Sends until the brokers have all of it; false when stopped before.
    fn send(&mut self, batch: &Batch, mut again: bool) -> bool {
        let mut open: Vec<&Spooled> = batch.events.iter().collect();
        let mut pause = FIRST_PAUSE;
        loop {
            let failed = match self.once(&open, again) {
                Ok(failed) => failed,
                Err(error) => {
                    self.failed(&error);
                    open.iter().enumerate().map(|(place, _)| (place, None)).collect()
                }
            };
            let (mut left, mut aside) = (Vec::new(), Vec::new());
            for (place, error) in failed {
                match error {
                    Some(error) if is_too_long(&error) => {
                        if !self.keep_aside(open[place], &error) {
                            return false;
                        }
                        aside.push(place);
                    }
                    error => {
                        if let Some(error) = error {
                            self.failed(&error);
                        }
                        left.push(place);
                    }
                }
            }
            left.sort_unstable();
            for (place, event) in open.iter().enumerate() {
                if left.binary_search(&place).is_err() && !aside.contains(&place) {
                    *held(&self.stats).rows.entry(event.event.kind()).or_default() += 1;
                }
            }
            open = left.into_iter().map(|place| open[place]).collect();
            if open.is_empty() {
                return true;
            }
            // Whatever the client believes of brokers, partitions and its own sequence of messages may be what is wrong:
            // a broker that came back may know nothing of it. All messages have been answered for, so nothing is in it.
            self.producer = None;
            again = true;
            if !self.pause(pause) {
                return false;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Hands all of `events` to the client and waits for what becomes of them. Gives those that failed.
    fn once(&mut self, events: &[&Spooled], again: bool) -> Result<Vec<(usize, Option<KafkaError>)>, KafkaFault> {
        let dead = self.producer.as_ref().is_some_and(|(producer, _)| producer.client().fatal_error().is_some());
        if dead {
            self.producer = None;
        }
        if self.producer.is_none() {
            self.producer = Some(producer(&self.config)?);
        }
        let Some((producer, deliveries)) = &self.producer else { return Ok(Vec::new()) };
        let mut failed = Vec::new();
        let schema = SCHEMA_VERSION.to_string();
        for (place, event) in events.iter().enumerate() {
            let payload = envelope::seal_again(&event.json, event.at);
            let mut headers = OwnedHeaders::new_with_capacity(3)
                .insert(Header { key: SCHEMA, value: Some(&schema) })
                .insert(Header { key: KIND, value: Some(event.event.kind()) });
            if again {
                headers = headers.insert(Header { key: AGAIN, value: Some("1") });
            }
            let camera = event.event.camera();
            let mut record = BaseRecord::with_opaque_to(&self.config.topic, Box::new(place))
                .key(camera.as_str())
                .payload(&payload)
                .headers(headers);
            loop {
                deliveries.lock().unwrap_or_else(PoisonError::into_inner).open += 1;
                let Err((error, refused)) = producer.send(record) else { break };
                deliveries.lock().unwrap_or_else(PoisonError::into_inner).open -= 1;
                if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) && !self.stopping() {
                    // Not a failure: the client's memory is full until brokers answer.
                    producer.poll(Duration::from_millis(100));
                    record = refused;
                    continue;
                }
                failed.push((place, Some(error)));
                break;
            }
        }
        loop {
            producer.poll(LOOK);
            let mut deliveries = deliveries.lock().unwrap_or_else(PoisonError::into_inner);
            if deliveries.open == 0 {
                failed.extend(deliveries.failed.drain(..).map(|(place, error)| (place, Some(error))));
                return Ok(failed);
            }
            drop(deliveries);
            if self.stopping() {
                // The brokers may have them or not; they stay in the spool and go again, marked.
                self.producer = None;
                return Ok(events.iter().enumerate().map(|(place, _)| (place, None)).collect());
            }
        }
    }

    /// Brokers refuse it whatever we do: kept in the spool's own table, for a person.
    fn keep_aside(&self, event: &Spooled, error: &KafkaError) -> bool {
        let reason = format!("oversized: {} bytes: {error}", event.json.len());
        while let Err(error) = self.spool.put_aside(&[(event.number, reason.clone())]) {
            self.failed(&error);
            if !self.pause(LONGEST_PAUSE) {
                return false;
            }
        }
        held(&self.stats).dead_letters += 1;
        true
    }

    /// False: the batch stays and comes again.
    fn acknowledge(&self, batch: &Batch) -> bool {
        if let Err(error) = self.spool.ack(batch) {
            self.failed(&error);
            let _stopped = self.pause(LONGEST_PAUSE);
            return false;
        }
        let mut stats = held(&self.stats);
        stats.state = ShipState::Idle;
        stats.batches += 1;
        stats.last_error.clear();
        let now: UtcUs = std::time::SystemTime::now().into();
        stats.last_delay_ms = batch.events.iter().map(|event| event.at).min().map(|oldest| now.since_s(oldest) * 1e3);
        true
    }
}

fn is_too_long(error: &KafkaError) -> bool {
    let code = match error {
        KafkaError::MessageProduction(code) => Some(*code),
        other => other.rdkafka_error_code(),
    };
    matches!(code, Some(RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidMessageSize))
}
