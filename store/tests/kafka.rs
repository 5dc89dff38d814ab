//! Spool → Kafka → ClickHouse, against a real broker process (Tansu, from PyPI; set-up installs it) and against
//! librdkafka's mock cluster for errors on demand.
//!
//! The packaged broker keeps its log in memory only: killing it shows that we live without a broker and go on with the
//! next one, and nothing about Kafka's own durability.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod common;

use std::{
    collections::BTreeSet,
    net::{Shutdown, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use common::{
    embedded, eventually, library, passage, store,
    victim::{Victim, kill_9, random},
};
use rdkafka::{
    ClientConfig,
    mocking::MockCluster,
    producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer as _},
    types::{RDKafkaApiKey, RDKafkaRespErr},
};
use stopline_store::{
    Store,
    kafka::{Forwarder, KafkaConfig, Sink, SinkOptions},
    queries::TableName,
    ship::ShipOptions,
    spool::{Spool, SpoolLimits},
};
use stopline_types::Event;

/// A broker process that ends with its test.
struct Broker {
    child: Child,
    port: u16,
}

impl Broker {
    fn start(port: u16) -> Self {
        Self::known_as(port, port)
    }

    /// Listens on `port` and tells its clients to come to `known`.
    fn known_as(port: u16, known: u16) -> Self {
        let cache = library().parent().and_then(|lib| lib.parent().map(std::path::Path::to_owned)).unwrap();
        let tansu = cache.join("bin/tansu");
        let url = |port: u16| format!("tcp://127.0.0.1:{port}");
        let child = Command::new(&tansu)
            .args(["broker", "--silent", "--listener-url", &url(port), "--advertised-listener-url", &url(known)])
            .args(["--storage-engine", "memory://tansu/"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}: run `scripts/setup.sh --test`", tansu.display()));
        eventually("the broker listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { child, port }
    }

    fn anywhere() -> Self {
        Self::start(free_port())
    }

    fn config(&self, topic: &str) -> KafkaConfig {
        KafkaConfig {
            topic: topic.to_owned(),
            session_timeout: Duration::from_secs(6),
            ..KafkaConfig::new(vec![format!("127.0.0.1:{}", self.port)])
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A way to the broker whose connections can be cut.
struct Wire {
    port: u16,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Wire {
    fn to(broker: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let open = Arc::new(Mutex::new(Vec::new()));
        let list = Arc::clone(&open);
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                // No broker: the client is cut off at once and comes again.
                let Ok(far) = TcpStream::connect(("127.0.0.1", broker)) else { continue };
                let both = [near, far];
                both.iter().for_each(|stream| stream.set_nodelay(true).unwrap());
                for (from, to) in [(0, 1), (1, 0)] {
                    let (mut from, mut to) = (both[from].try_clone().unwrap(), both[to].try_clone().unwrap());
                    std::thread::spawn(move || {
                        let _cut = std::io::copy(&mut from, &mut to);
                        let _gone = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
                    });
                }
                list.lock().unwrap().extend(both);
            }
        });
        Self { port, open }
    }

    fn cut(&self) {
        for stream in self.open.lock().unwrap().drain(..) {
            let _gone = stream.shutdown(Shutdown::Both);
        }
    }
}

const FEW: SinkOptions = SinkOptions { rows: 100, age: Duration::from_millis(200) };

fn events(cameras: u32, each: u32, from_s: f64) -> Vec<Event> {
    (0..cameras * each)
        .map(|n| passage(&format!("cam-{}", n % cameras), from_s + f64::from(n), Some("59S106865")))
        .collect()
}

/// Waits until `events` and nothing else is in `passages`, each once as the rows lie.
async fn all_there(store: &Store, expected: &[Event], what: impl Fn() -> String) {
    let mut ids: Vec<_> = expected.iter().map(Event::id).collect();
    ids.sort();
    ids.dedup();
    let deadline = std::time::Instant::now() + Duration::from_secs(180);
    loop {
        let found = store.ids(TableName::Passages).await.unwrap();
        if found == ids {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{} of {} there; {}", found.len(), ids.len(), what());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let counts = store.counts().await.unwrap();
    let passages = counts.iter().find(|count| count.table == TableName::Passages).unwrap();
    assert_eq!((passages.rows, passages.unique), (ids.len() as u64, ids.len() as u64), "as they lie");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_travel_through_a_broker_shared_by_two_sinks() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, chdb) = (Broker::anywhere(), embedded(&dir.path().join("chdb")));
    let store = store(chdb.endpoint()).await;
    let config = broker.config("events");
    config.make_topic(4, 1).await.unwrap();
    config.make_topic(4, 1).await.unwrap();
    let spool = Arc::new(Spool::open(&dir.path().join("spool"), SpoolLimits::default()).unwrap());
    let mut sent = events(8, 100, 0.0);
    spool.append(&sent).unwrap();
    let forwarder = Forwarder::start(spool.clone(), &config, ShipOptions::default()).unwrap();
    let first = Sink::start(&config, &store, FEW).unwrap();
    assert!(forwarder.drain(Duration::from_secs(60)), "{:?}", forwarder.stats());
    all_there(&store, &sent, || format!("{:?}", first.stats())).await;

    // Another joins, the first goes: partitions move, and nothing is lost or doubled. The first goes only when they have
    // shared: this broker keeps a member for ever that leaves in the middle of a rebalance.
    let second = Sink::start(&config, &store, FEW).unwrap();
    let mut round = 0;
    while (first.partitions(), second.partitions()) != (2, 2) {
        assert!(round < 300, "{} and {} partitions", first.partitions(), second.partitions());
        let more = events(8, 10, 1_000.0 + 100.0 * f64::from(round));
        spool.append(&more).unwrap();
        sent.extend(more);
        round += 1;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    all_there(&store, &sent, || format!("{:?} {:?}", first.stats(), second.stats())).await;
    first.stop();
    let more = events(8, 10, -1_000.0);
    spool.append(&more).unwrap();
    sent.extend(more);
    all_there(&store, &sent, || format!("{:?}", second.stats())).await;
    assert_eq!(forwarder.stats().rows["passage"], sent.len() as u64);
    forwarder.stop();

    // What was sent before a crash of the edge comes again, marked; what others write there is kept aside.
    let stranger: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", config.brokers.join(",")).create().unwrap();
    for text in ["no JSON", r#"{"schema":99,"at":"2026-11-21T07:30:00Z","event":{"event":"dream"}}"#] {
        stranger.send(BaseRecord::to("events").key("cam-1").payload(text)).map_err(|(error, _)| error).unwrap();
    }
    stranger.flush(Duration::from_secs(10)).unwrap();
    let again = Arc::new(Spool::open(&dir.path().join("again"), SpoolLimits::default()).unwrap());
    again.append(&sent[..50]).unwrap();
    let forwarder = Forwarder::start(again, &config, ShipOptions::default()).unwrap();
    assert!(forwarder.drain(Duration::from_secs(60)), "{:?}", forwarder.stats());
    forwarder.stop();
    // `dead_letters` come from the same ranges, so the fifty have been looked at when both are there.
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while store.dead_letters(10).await.unwrap().len() < 2 || second.stats().already_there < 50 {
        assert!(std::time::Instant::now() < deadline, "{:?}", second.stats());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    all_there(&store, &sent, || format!("{:?}", second.stats())).await;
    let mut causes: Vec<_> = store.dead_letters(10).await.unwrap().into_iter().map(|letter| letter.cause).collect();
    causes.sort();
    assert_eq!(causes, ["malformed", "newer"]);
    second.stop();
    chdb.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_goes_and_comes_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, chdb) = (Broker::anywhere(), embedded(&dir.path().join("chdb")));
    let store = store(chdb.endpoint()).await;
    let config = broker.config("events");
    config.make_topic(2, 1).await.unwrap();
    let spool = Arc::new(Spool::open(&dir.path().join("spool"), SpoolLimits::default()).unwrap());
    let forwarder = Forwarder::start(spool.clone(), &config, ShipOptions::default()).unwrap();
    let sink = Sink::start(&config, &store, FEW).unwrap();
    let mut sent = events(4, 50, 0.0);
    spool.append(&sent).unwrap();
    all_there(&store, &sent, || format!("{:?}", sink.stats())).await;

    // Gone, with all it held; everything it held is in ClickHouse. Events go on coming.
    let port = broker.port;
    drop(broker);
    let more = events(4, 50, 1_000.0);
    spool.append(&more).unwrap();
    sent.extend(more);
    eventually("the forwarder notices", || forwarder.stats().unshipped > 0);
    assert!(!forwarder.drain(Duration::from_secs(2)), "nobody is there to take them");
    // Back, empty: the same offsets mean other events now.
    let broker = Broker::start(port);
    config.make_topic(2, 1).await.unwrap();
    all_there(&store, &sent, || format!("{:?} {:?}", forwarder.stats(), sink.stats())).await;
    forwarder.stop();
    sink.stop();
    drop(broker);
    chdb.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_brokers_lose_and_double_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let chdb = embedded(&dir.path().join("chdb"));
    let store = store(chdb.endpoint()).await;
    let cluster: MockCluster<'_, DefaultProducerContext> = MockCluster::new(3).unwrap();
    cluster.create_topic("events", 4, 3).unwrap();
    let config = KafkaConfig {
        topic: "events".to_owned(),
        session_timeout: Duration::from_secs(6),
        ..KafkaConfig::new(vec![cluster.bootstrap_servers()])
    };
    let trouble = |key, codes: &[RDKafkaRespErr]| cluster.request_errors(key, codes);
    use RDKafkaRespErr::{
        RD_KAFKA_RESP_ERR__TRANSPORT as CUT, RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE as NO_COORDINATOR,
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS as FEW_REPLICAS, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION as NO_LEADER,
    };
    trouble(RDKafkaApiKey::Produce, &[CUT, NO_LEADER, FEW_REPLICAS, CUT]);
    trouble(RDKafkaApiKey::OffsetCommit, &[NO_COORDINATOR, CUT]);
    let spool = Arc::new(Spool::open(&dir.path().join("spool"), SpoolLimits::default()).unwrap());
    let forwarder = Forwarder::start(spool.clone(), &config, ShipOptions::default()).unwrap();
    let sink = Sink::start(&config, &store, FEW).unwrap();
    let mut sent = Vec::new();
    for round in 0..5 {
        let more = events(8, 20, 1_000.0 * f64::from(round));
        spool.append(&more).unwrap();
        sent.extend(more);
        trouble(RDKafkaApiKey::Produce, &[CUT, FEW_REPLICAS]);
        trouble(RDKafkaApiKey::Fetch, &[NO_LEADER, CUT]);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(forwarder.drain(Duration::from_secs(90)), "{:?}", forwarder.stats());
    all_there(&store, &sent, || format!("{:?}", sink.stats())).await;
    forwarder.stop();
    sink.stop();
    chdb.stop();
}

/// Edge, sink and engine killed at random under load, connections to the broker cut in between. `make crash` kills a
/// hundred times.
#[tokio::test(flavor = "multi_thread")]
async fn the_whole_path_loses_and_doubles_nothing_whoever_is_killed() {
    let kills: u32 = std::env::var("STOPLINE_CRASH_KILLS").map_or(9, |kills| kills.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let chdb = embedded(&dir.path().join("chdb"));
    let store = store(chdb.endpoint()).await;
    let port = free_port();
    let wire = Wire::to(port);
    let _broker = Broker::known_as(port, wire.port);
    let at = format!("127.0.0.1:{}", wire.port);
    let config = KafkaConfig { session_timeout: Duration::from_secs(6), ..KafkaConfig::new(vec![at.clone()]) };
    config.make_topic(4, 1).await.unwrap();

    let spool_dir = dir.path().join("spool");
    let edge = || Victim::start("edge", &spool_dir, None, Some(&at));
    let sink = || Victim::start("sink", dir.path(), Some(chdb.endpoint()), Some(&at));
    let (mut running_edge, mut running_sink) = (edge(), sink());
    let mut acknowledged = BTreeSet::new();
    for kill in 0..kills {
        tokio::time::sleep(Duration::from_millis(300) + random(1500)).await;
        match (kill + u32::from(random(1).subsec_micros().is_multiple_of(2))) % 3 {
            0 => {
                acknowledged.extend(running_edge.kill_after(Duration::ZERO));
                running_edge = edge();
            }
            1 => {
                running_sink.kill_after(Duration::ZERO);
                running_sink = sink();
            }
            _ => {
                if let Some(pid) = chdb.status().pid {
                    kill_9(pid);
                }
            }
        }
        if random(1).subsec_micros().is_multiple_of(2) {
            wire.cut();
        }
    }
    acknowledged.extend(running_edge.kill_after(Duration::ZERO));
    running_sink.kill_after(Duration::ZERO);

    // Whoever comes next brings it to its end.
    let spool = Arc::new(Spool::open(&spool_dir, SpoolLimits::default()).unwrap());
    let forwarder = Forwarder::start(spool.clone(), &config, ShipOptions::default()).unwrap();
    let last = Sink::start(&config, &store, SinkOptions::default()).unwrap();
    assert!(forwarder.drain(Duration::from_secs(120)), "{:?}", forwarder.stats());
    forwarder.stop();
    let accepted = spool.stats().unwrap().next;
    let kinds = [(TableName::Passages, "passage"), (TableName::Violations, "violation")];
    let deadline = std::time::Instant::now() + Duration::from_secs(180);
    let there = loop {
        let mut there = BTreeSet::new();
        for (table, kind) in kinds {
            // The engine may be starting again.
            let ids = store.ids(table).await.unwrap_or_default();
            there.extend(ids.iter().map(|id| format!("{kind} {id}")));
        }
        if there.len() as u64 >= accepted {
            break there;
        }
        let found = there.len();
        assert!(std::time::Instant::now() < deadline, "{found} of {accepted} there; {:?}", last.stats());
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    last.stop();
    let lost: Vec<_> = acknowledged.difference(&there).collect();
    assert!(lost.is_empty(), "{} of {} lost, first {:?}", lost.len(), acknowledged.len(), lost.first());
    assert_eq!(there.len() as u64, accepted, "every event the spool took, and nothing else");
    for count in store.counts().await.unwrap() {
        assert_eq!(count.rows, count.unique, "as the rows lie: {count:?}");
        assert!(count.table != TableName::DeadLetters || count.rows == 0);
    }
    eprintln!("{kills} kills: {} acknowledged, {accepted} accepted, all there once", acknowledged.len());
    chdb.stop();
}

#[test]
fn a_password_without_tls_is_refused() {
    let mut config = KafkaConfig::new(vec!["127.0.0.1:1".to_owned()]);
    config.login = Some(("edge".to_owned(), "secret".to_owned()));
    assert!(!format!("{config:?}").contains("secret"));
    let dir = tempfile::tempdir().unwrap();
    let spool = Arc::new(Spool::open(dir.path(), SpoolLimits::default()).unwrap());
    let refused = Forwarder::start(spool, &config, ShipOptions::default()).map(|_| ()).unwrap_err().to_string();
    assert!(refused.contains("TLS") && !refused.contains("secret"), "{refused}");
}
