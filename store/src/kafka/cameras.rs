//! The topic of cameras: key is the camera's id, value the text of its file, no value means removed. Compacted, so that
//! it holds the last word on each camera for ever.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
    message::BorrowedMessage,
    producer::{BaseProducer, BaseRecord, Producer as _},
};
use stopline_types::CameraId;

use super::{KafkaConfig, KafkaFault};

/// Longest wait for brokers, when a person waits for us.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(100);

/// What a message on the topic says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    /// The camera is to run, as this text says.
    Runs(CameraId, String),
    /// It is not.
    Removed(CameraId),
}

/// What a message says, or why it says nothing.
pub(super) fn word(message: &BorrowedMessage<'_>) -> Result<Word, String> {
    let key = message.key().ok_or("no key, expected a camera's id")?;
    let key = std::str::from_utf8(key).map_err(|_| "the key is no text")?;
    let id = CameraId::new(key).map_err(|error| error.to_string())?;
    match message.payload() {
        None => Ok(Word::Removed(id)),
        Some(text) => match std::str::from_utf8(text) {
            Ok(text) => Ok(Word::Runs(id, text.to_owned())),
            Err(_) => Err(format!("camera {id}: the value is no text")),
        },
    }
}

/// Cameras on the topic of `config`, by id. Waits half a minute at most. Blocks.
pub fn published(config: &KafkaConfig) -> Result<BTreeMap<CameraId, String>, KafkaFault> {
    let of = |doing: &str| KafkaFault::of(format!("{doing} of the topic {:?}", config.topic));
    let consumer: BaseConsumer = config
        .client()?
        // Needed by the client though nothing is shared or committed.
        .set("group.id", format!("{}-reader", config.group))
        .set("enable.auto.commit", "false")
        .create()
        .map_err(KafkaFault::of("making a consumer"))?;
    let about = consumer.fetch_metadata(Some(&config.topic), PATIENCE).map_err(of("asking for partitions"))?;
    let (mut list, mut ends) = (TopicPartitionList::new(), BTreeMap::new());
    for partition in about.topics().iter().flat_map(|topic| topic.partitions()) {
        let (first, end) =
            consumer.fetch_watermarks(&config.topic, partition.id(), PATIENCE).map_err(of("asking for offsets"))?;
        if first < end {
            let from = Offset::Offset(first);
            list.add_partition_offset(&config.topic, partition.id(), from).map_err(of("an offset"))?;
            ends.insert(partition.id(), end);
        }
    }
    consumer.assign(&list).map_err(of("reading"))?;
    let (mut cameras, deadline) = (BTreeMap::new(), Instant::now() + PATIENCE);
    while !ends.is_empty() {
        if Instant::now() > deadline {
            return Err(KafkaFault::Settings(format!("the topic {:?} was not read within {PATIENCE:?}", config.topic)));
        }
        match consumer.poll(POLL) {
            None => {}
            Some(Err(error)) => tracing::debug!(%error, "reading the topic of cameras"),
            Some(Ok(message)) => match word(&message) {
                Ok(Word::Runs(id, text)) => drop(cameras.insert(id, text)),
                Ok(Word::Removed(id)) => drop(cameras.remove(&id)),
                Err(reason) => refused(&message, &reason),
            },
        }
        // Positions pass what compaction has taken away; messages alone would not show the end.
        let at = consumer.position().map_err(of("asking for positions"))?;
        ends.retain(|partition, end| {
            let element = at.find_partition(&config.topic, *partition);
            element.is_none_or(|element| !matches!(element.offset(), Offset::Offset(next) if next >= *end))
        });
    }
    Ok(cameras)
}

/// Says so; the message is left where it is.
pub(super) fn refused(message: &BorrowedMessage<'_>, reason: &str) {
    let (partition, offset) = (message.partition(), message.offset());
    tracing::error!(partition, offset, "a message on the topic of cameras is passed over: {reason}");
}

/// Writes onto the topic of `config`; `None` removes a camera. Returns when the brokers have all of it. Blocks.
pub fn publish(config: &KafkaConfig, words: &[(CameraId, Option<String>)]) -> Result<(), KafkaFault> {
    if words.is_empty() {
        return Ok(());
    }
    let producer: BaseProducer<Deliveries> = config
        .client()?
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("message.timeout.ms", PATIENCE.as_millis().to_string())
        .create_with_context(Deliveries::default())
        .map_err(KafkaFault::of("making a producer"))?;
    for (id, text) in words {
        let record = BaseRecord::with_opaque_to(&config.topic, ()).key(id.as_str());
        let record = match text {
            Some(text) => record.payload(text.as_str()),
            None => record,
        };
        producer.send(record).map_err(|(error, _)| KafkaFault::of(format!("publishing camera {id}"))(error))?;
        producer.poll(Duration::ZERO);
    }
    producer.flush(PATIENCE + Duration::from_secs(5)).map_err(KafkaFault::of("publishing cameras"))?;
    let failed = producer.context().0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
    failed.map_or(Ok(()), |error| Err(KafkaFault::of("publishing cameras")(error)))
}

/// The first message that was not delivered.
#[derive(Default)]
struct Deliveries(std::sync::Mutex<Option<KafkaError>>);

impl rdkafka::ClientContext for Deliveries {}

impl rdkafka::producer::ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &rdkafka::message::DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get_or_insert_with(|| error.clone());
        }
    }
}
