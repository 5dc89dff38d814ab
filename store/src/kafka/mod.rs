//! Kafka between many machines with cameras (`edge`) and the one that writes to ClickHouse (`sink`).
//!
//! # What lies on the topic
//! One message for each event. Key: the camera's id, so that a camera's events keep their order in one partition.
//! Value: the [`crate::envelope`]. Headers: `schema` (the envelope's, in digits), `kind` (the event's), and `again` on
//! messages that may lie on the topic already, because their batch was sent before and nobody knows how far. Pictures and
//! clips never travel here: the event names their files and hashes.
//!
//! # No loss, no doubles
//! - [`Forwarder`]: spool → topic. `acks=all`, idempotent producer; a batch leaves the spool when the brokers have all
//!   of it. Within one run Kafka itself keeps messages from being doubled; after a crash the batch is sent again, marked
//!   `again`.
//! - [`Sink`]: topic → ClickHouse, in batches that are ranges of offsets of one partition. Before a range is written, its
//!   end is written down as metadata of the group's committed offset; so whoever takes the partition over after a crash
//!   sends the very same range under the same token (`kafka-<topic>-<partition>-<first>-<last>-<hash of its ids>`). Only when
//!   ClickHouse has acknowledged it, the offset moves on. The first range after a take-over, and ranges with messages
//!   marked `again`, leave out the ids that ClickHouse has already.
//! - What cannot be read (no JSON, a newer schema, too long) goes to `dead_letters` with its reason and its place.
//!
//! A consumer that is slow because ClickHouse is keeps polling, with its partitions paused, and so stays in the group.
//!
//! # Cameras
//! [`cameras`] is the topic that says which cameras there are, [`Sharer`] a node's share of them.

pub mod cameras;
mod forward;
mod range;
mod sharing;
mod sink;

use std::{
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

pub use forward::Forwarder;
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    error::{KafkaError, RDKafkaErrorCode},
};
pub use sharing::{Sharer, Wanted};
pub use sink::{Sink, SinkOptions};

/// How to reach Kafka.
#[derive(Clone, PartialEq, Eq)]
pub struct KafkaConfig {
    /// `host:port`, one or more.
    pub brokers: Vec<String>,
    /// The topic of events.
    pub topic: String,
    /// The consumer group of sinks.
    pub group: String,
    /// TLS; none: plain TCP.
    pub tls: Option<Tls>,
    /// SASL (SCRAM-SHA-512) user and password; only over TLS.
    pub login: Option<(String, String)>,
    /// A member of a group that is silent for so long is taken for dead.
    pub session_timeout: Duration,
    /// The topic is made so where it is missing; none: whoever runs the brokers makes it.
    pub layout: Option<Layout>,
    /// The topic, where we make it, keeps only the last message of each key, and that for ever.
    pub compacted: bool,
}

/// How a topic is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// As many sinks can share the work.
    pub partitions: i32,
    /// Copies of each partition; at most the number of brokers.
    pub replication: i32,
}

/// TLS to the brokers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// Trust these certificates (PEM); the system's own unless given.
    pub ca_file: Option<PathBuf>,
}

impl std::fmt::Debug for KafkaConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { brokers, topic, group, tls, login, session_timeout, layout, compacted } = self;
        f.debug_struct("KafkaConfig")
            .field("brokers", brokers)
            .field("topic", topic)
            .field("group", group)
            .field("tls", tls)
            .field("user", &login.as_ref().map(|(user, _)| user))
            .field("session_timeout", session_timeout)
            .field("layout", layout)
            .field("compacted", compacted)
            .finish()
    }
}

/// What can go wrong with Kafka.
#[derive(Debug, thiserror::Error)]
pub enum KafkaFault {
    /// The settings do not fit together.
    #[error("Kafka: {0}")]
    Settings(String),
    /// The client or a broker refused.
    #[error("Kafka: {doing}: {source}")]
    Kafka {
        /// What was being done.
        doing: String,
        /// The cause.
        source: KafkaError,
    },
    /// The store behind the sink.
    #[error(transparent)]
    Store(#[from] crate::StoreError),
    /// A thread could not be started.
    #[error("starting a thread: {0}")]
    Thread(std::io::Error),
}

impl KafkaFault {
    fn of(doing: impl Into<String>) -> impl FnOnce(KafkaError) -> Self {
        let doing = doing.into();
        move |source| Self::Kafka { doing, source }
    }
}

impl KafkaFault {
    /// A broker was reached and said no: asking again soon is of no use.
    fn is_refusal(&self) -> bool {
        use RDKafkaErrorCode as Code;
        let Self::Kafka { source: KafkaError::AdminOp(code), .. } = self else { return false };
        !matches!(
            code,
            Code::RequestTimedOut
                | Code::OperationTimedOut
                | Code::BrokerTransportFailure
                | Code::AllBrokersDown
                | Code::BrokerNotAvailable
                | Code::NotController
        )
    }
}

impl KafkaConfig {
    /// Events of one machine's cameras and sinks, with usual names.
    #[must_use]
    pub fn new(brokers: Vec<String>) -> Self {
        Self {
            brokers,
            topic: "stopline.events".to_owned(),
            group: "stopline-sink".to_owned(),
            tls: None,
            login: None,
            session_timeout: Duration::from_secs(10),
            layout: None,
            compacted: false,
        }
    }

    /// The topic of cameras on the same brokers, and the group of the nodes that share them.
    #[must_use]
    pub fn of_cameras(&self) -> Self {
        Self {
            topic: "stopline.cameras".to_owned(),
            group: "stopline-edge".to_owned(),
            compacted: true,
            ..self.clone()
        }
    }

    fn client(&self) -> Result<ClientConfig, KafkaFault> {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", self.brokers.join(","))
            .set("client.id", "stopline")
            // Reconnecting soon after a broker comes back, never in step with the others.
            .set("reconnect.backoff.ms", "200")
            .set("reconnect.backoff.max.ms", "5000")
            .set("socket.keepalive.enable", "true");
        if let Some(tls) = &self.tls {
            config.set("security.protocol", "ssl");
            if let Some(path) = &tls.ca_file {
                config.set("ssl.ca.location", path.display().to_string());
            }
        }
        if let Some((user, password)) = &self.login {
            if self.tls.is_none() {
                return Err(KafkaFault::Settings("a password is sent over TLS only; set kafka.tls".to_owned()));
            }
            config
                .set("security.protocol", "sasl_ssl")
                .set("sasl.mechanisms", "SCRAM-SHA-512")
                .set("sasl.username", user)
                .set("sasl.password", password);
        }
        Ok(config)
    }

    /// Makes the topic unless it is there.
    pub async fn make_topic(&self, Layout { partitions, replication }: Layout) -> Result<(), KafkaFault> {
        let doing = || format!("making the topic {:?}", self.topic);
        let admin: AdminClient<DefaultClientContext> = self.client()?.create().map_err(KafkaFault::of(doing()))?;
        let mut topic = NewTopic::new(&self.topic, partitions, TopicReplication::Fixed(replication));
        if self.compacted {
            topic = topic.set("cleanup.policy", "compact");
        }
        let patience = Some(Duration::from_secs(5));
        let options = AdminOptions::new().operation_timeout(patience).request_timeout(patience);
        let made = admin.create_topics(&[topic], &options).await.map_err(KafkaFault::of(doing()))?;
        match made.into_iter().next() {
            None | Some(Ok(_)) | Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(()),
            Some(Err((_, code))) => Err(KafkaFault::of(doing())(KafkaError::AdminOp(code))),
        }
    }
}

/// Makes the topic if that is ours to do. Brokers that are away are waited for; brokers that refuse (they may leave making
/// topics to a person) are taken at their word. Returns early when stopped.
fn prepare_topic(config: &KafkaConfig, stop: &AtomicBool, failed: impl Fn(&KafkaFault)) {
    let Some(layout) = config.layout else { return };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_time().build() else { return };
    while !stop.load(Ordering::Relaxed) {
        match runtime.block_on(config.make_topic(layout)) {
            Ok(()) => return,
            Err(error) if error.is_refusal() => {
                tracing::warn!(%error, "the topic is left to whoever runs the brokers");
                return;
            }
            Err(error) => failed(&error),
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Header names.
const SCHEMA: &str = "schema";
const KIND: &str = "kind";
const AGAIN: &str = "again";
