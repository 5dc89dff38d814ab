//! Cameras shared out among nodes by Kafka's own group protocol: no coordinator of ours.
//!
//! Every node is a member of one group that reads the topic of cameras; a partition's cameras run on the node that has the
//! partition. A node that is silent for longer than the session timeout loses its partitions to the others, which read
//! them from the beginning and so know the cameras. Nothing is ever committed.
//!
//! # What holds
//! - A camera that stays where it is runs on: partitions that are not moved are not touched (*cooperative-sticky*).
//! - A camera is told to run only when its partition has been read to the end, so an old word is never followed.
//! - A camera that moves is stopped and started by two nodes at about the same time: for some seconds both or neither may
//!   run it.
//! - **A node that is cut off from the brokers goes on with the cameras it has**, until it is told anew. When all are cut off
//!   nobody stops seeing, and events wait in the spool. When only one is, the others take its cameras over and those are
//!   watched twice until it is back: vehicles seen by both have two ids.
//! - A node that starts while no broker is there runs no shared camera until one comes.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use rdkafka::{
    ClientContext, Message as _,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext, Rebalance},
    error::KafkaError,
};
use stopline_types::CameraId;
use tokio::sync::watch;

use super::{
    KafkaConfig, KafkaFault,
    cameras::{Word, refused, word},
    prepare_topic,
};

const POLL: Duration = Duration::from_millis(100);
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The cameras that are to run here, with the text of their files.
pub type Wanted = BTreeMap<CameraId, String>;

/// A member of the group. Dropping it leaves the group at once.
pub struct Sharer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    wanted: watch::Receiver<Wanted>,
}

impl Sharer {
    /// Joins the group of `config` on its topic. Brokers that are away are waited for.
    pub fn start(config: &KafkaConfig) -> Result<Self, KafkaFault> {
        let stop = Arc::new(AtomicBool::new(false));
        let (told, wanted) = watch::channel(Wanted::new());
        // Settings that are wrong are found now, not on the thread.
        let consumer = consumer(config)?;
        let member = Member { config: config.clone(), stop: Arc::clone(&stop), shares: Shares::default(), told };
        let thread = std::thread::Builder::new()
            .name("camera-sharing".to_owned())
            .spawn(move || member.run(consumer))
            .map_err(KafkaFault::Thread)?;
        Ok(Self { stop, thread: Some(thread), wanted })
    }

    /// What is to run here, now and whenever that changes.
    #[must_use]
    pub fn wanted(&self) -> watch::Receiver<Wanted> {
        self.wanted.clone()
    }
}

impl Drop for Sharer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the sharing of cameras panicked");
        }
    }
}

/// What the group decided, noted while polling.
#[derive(Debug)]
enum Change {
    Assigned(Vec<i32>),
    Revoked(Vec<i32>),
    /// Nobody was heard of for so long that the group has given our partitions away, or may have.
    CutOff,
}

#[derive(Default)]
struct Context(Mutex<Vec<Change>>);

impl ClientContext for Context {
    fn error(&self, error: KafkaError, reason: &str) {
        // The end of a partition is asked for, and comes by the poll too.
        if !matches!(error, KafkaError::PartitionEOF(_)) {
            tracing::warn!(%error, reason, "Kafka");
        }
    }
}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let numbers = |list: &rdkafka::TopicPartitionList| list.elements().iter().map(|e| e.partition()).collect();
        let change = match rebalance {
            Rebalance::Assign(list) => Change::Assigned(numbers(list)),
            Rebalance::Revoke(_) if consumer.assignment_lost() => Change::CutOff,
            Rebalance::Revoke(list) => Change::Revoked(numbers(list)),
            Rebalance::Error(error) => return tracing::warn!(%error, "Kafka could not share out the cameras"),
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(change);
    }
}

fn consumer(config: &KafkaConfig) -> Result<BaseConsumer<Context>, KafkaFault> {
    let session_ms = config.session_timeout.as_millis();
    config
        .client()?
        .set("group.id", &config.group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // Nothing is committed, so every assignment begins with the first message.
        .set("auto.offset.reset", "earliest")
        .set("enable.partition.eof", "true")
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("session.timeout.ms", session_ms.to_string())
        .set("heartbeat.interval.ms", (session_ms / 3).clamp(100, 2_000).to_string())
        .set("topic.metadata.refresh.interval.ms", "10000")
        .create_with_context(Context::default())
        .map_err(KafkaFault::of("making a consumer"))
}

/// The partitions of ours and what they say.
#[derive(Default)]
struct Shares {
    partitions: BTreeMap<i32, Share>,
}

#[derive(Default)]
struct Share {
    /// As read so far.
    read: Wanted,
    /// What held before, until the end is reached.
    before: Option<Wanted>,
    /// Ours until the group says otherwise, and it has not been heard of.
    cut_off: bool,
}

impl Shares {
    fn assigned(&mut self, numbers: &[i32]) {
        // Whatever was held on to without the group's word is now another's, or ours again.
        self.partitions.retain(|number, share| !share.cut_off || numbers.contains(number));
        for number in numbers {
            let before = self.partitions.remove(number).map(Share::holds).unwrap_or_default();
            self.partitions.insert(*number, Share { before: Some(before), ..Share::default() });
        }
    }

    fn revoked(&mut self, numbers: &[i32]) {
        numbers.iter().for_each(|number| drop(self.partitions.remove(number)));
    }

    fn cut_off(&mut self) {
        self.partitions.values_mut().for_each(|share| share.cut_off = true);
    }

    fn says(&mut self, number: i32, word: Word) {
        let Some(share) = self.partitions.get_mut(&number) else { return };
        match word {
            Word::Runs(id, text) => drop(share.read.insert(id, text)),
            Word::Removed(id) => drop(share.read.remove(&id)),
        }
    }

    fn end(&mut self, number: i32) {
        if let Some(share) = self.partitions.get_mut(&number) {
            share.before = None;
        }
    }

    fn wanted(&self) -> Wanted {
        let shown = self.partitions.values().map(|share| share.before.as_ref().unwrap_or(&share.read));
        shown.flatten().map(|(id, text)| (id.clone(), text.clone())).collect()
    }
}

impl Share {
    fn holds(self) -> Wanted {
        self.before.unwrap_or(self.read)
    }
}

struct Member {
    config: KafkaConfig,
    stop: Arc<AtomicBool>,
    shares: Shares,
    told: watch::Sender<Wanted>,
}

impl Member {
    fn run(mut self, first: BaseConsumer<Context>) {
        let mut last_error = String::new();
        let mut failed = |error: &dyn std::fmt::Display| {
            let error = error.to_string();
            if error != last_error {
                tracing::warn!(%error, "the sharing of cameras waits");
            }
            last_error = error;
        };
        let failing = std::cell::RefCell::new(&mut failed);
        prepare_topic(&self.config, &self.stop, |error| failing.borrow_mut()(error));
        let mut made = Some(first);
        while !self.stopping() {
            let current = made.take().map_or_else(|| consumer(&self.config), Ok);
            let subscribed = current.and_then(|consumer| {
                consumer.subscribe(&[self.config.topic.as_str()]).map_err(KafkaFault::of("subscribing"))?;
                Ok(consumer)
            });
            match subscribed {
                Ok(consumer) => self.follow(&consumer, |error| failing.borrow_mut()(error)),
                Err(error) => failing.borrow_mut()(&error),
            }
            // Broken beyond use, and so cut off.
            self.shares.cut_off();
            if !self.stopping() {
                std::thread::sleep(TRY_AGAIN_AFTER);
            }
        }
    }

    fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Until stopped, or until the consumer is broken beyond use.
    fn follow(&mut self, consumer: &BaseConsumer<Context>, failed: impl Fn(&dyn std::fmt::Display)) {
        while !self.stopping() {
            let polled = consumer.poll(POLL);
            // A rebalance may have been served by this very poll, before its message.
            let changes = std::mem::take(&mut *consumer.context().0.lock().unwrap_or_else(PoisonError::into_inner));
            for change in changes {
                tracing::info!(?change, "the group shared out the cameras");
                match change {
                    Change::Assigned(numbers) => self.shares.assigned(&numbers),
                    Change::Revoked(numbers) => self.shares.revoked(&numbers),
                    Change::CutOff => self.shares.cut_off(),
                }
            }
            match polled {
                None => {}
                Some(Ok(message)) => match word(&message) {
                    Ok(word) => self.shares.says(message.partition(), word),
                    Err(reason) => refused(&message, &reason),
                },
                Some(Err(KafkaError::PartitionEOF(number))) => self.shares.end(number),
                Some(Err(error)) => {
                    failed(&error);
                    if consumer.client().fatal_error().is_some() {
                        return;
                    }
                }
            }
            let wanted = self.shares.wanted();
            self.told.send_if_modified(|told| {
                let differs = *told != wanted;
                *told = wanted;
                differs
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(name: &str) -> Word {
        Word::Runs(CameraId::new(name).unwrap(), format!("name = {name:?}"))
    }

    fn names(shares: &Shares) -> Vec<String> {
        shares.wanted().into_keys().map(String::from).collect()
    }

    #[test]
    fn a_partition_speaks_when_it_is_read_to_its_end() {
        let mut shares = Shares::default();
        shares.assigned(&[1, 2]);
        shares.says(1, runs("a"));
        shares.says(1, runs("b"));
        shares.says(1, Word::Removed(CameraId::new("a").unwrap()));
        shares.says(9, runs("not-ours"));
        assert!(names(&shares).is_empty());
        shares.end(1);
        assert_eq!(names(&shares), ["b"]);
        shares.says(1, runs("c"));
        assert_eq!(names(&shares), ["b", "c"], "what comes later holds at once");
        shares.revoked(&[1]);
        assert!(names(&shares).is_empty());
    }

    #[test]
    fn who_is_cut_off_goes_on_until_told_anew() {
        let mut shares = Shares::default();
        shares.assigned(&[1, 2]);
        for (number, name) in [(1, "a"), (2, "b")] {
            shares.says(number, runs(name));
            shares.end(number);
        }
        shares.cut_off();
        assert_eq!(names(&shares), ["a", "b"]);
        // Back: the first partition is ours again, the second is another's.
        shares.assigned(&[1]);
        assert_eq!(names(&shares), ["a"], "it runs on while it is read again");
        shares.says(1, runs("c"));
        assert_eq!(names(&shares), ["a"]);
        shares.end(1);
        assert_eq!(names(&shares), ["c"]);
    }
}
