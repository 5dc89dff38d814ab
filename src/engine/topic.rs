//! The topic of events, made where it is missing.

use std::time::Duration;

use crate::config::Kafka;

/// Pause between tries to reach brokers that are away.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// Makes the topic unless it is there. Brokers that are away are waited for; brokers that refuse (they may leave making topics
/// to a person) are taken at their word.
pub(crate) async fn prepare(kafka: &Kafka) {
    let mut said = false;
    while let Err(error) = kafka.config.make_topic(kafka.partitions, kafka.replication).await {
        if error.is_refusal() {
            tracing::warn!(%error, "the topic is left to whoever runs the brokers");
            return;
        }
        if !std::mem::replace(&mut said, true) {
            tracing::warn!(%error, "no broker answers; waiting");
        }
        tokio::time::sleep(TRY_AGAIN_AFTER).await;
    }
}
