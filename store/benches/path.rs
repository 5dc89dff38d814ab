//! Rows a second into ClickHouse, and events a second through a broker: processor time of all who take part, so that other
//! work on the machine does not count. Prints a table; `benches/RESULTS.md` holds the last.
//!
//! `cargo build --release -p stopline-store --examples && cargo bench -p stopline-store --bench path [-- ROWS]`
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::{
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use common::{embedded, library, passage, store};
use stopline_store::{
    embedded::Embedded,
    ship::{ShipOptions, Shipper},
    spool::{Spool, SpoolLimits},
};
use stopline_types::Event;

const ROUNDS: usize = 3;
const BATCH: usize = 10_000;

/// Seconds of processor time a process has used.
fn cpu_s(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    // utime and stime, in ticks of 10 ms.
    (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()) as f64 / 100.0
}

/// Processor time of some processes, and the clock, from one moment on.
struct Meter {
    pids: Vec<u32>,
    cpu: Vec<f64>,
    began: Instant,
}

impl Meter {
    fn start(pids: &[u32]) -> Self {
        Self { pids: pids.to_vec(), cpu: pids.iter().map(|pid| cpu_s(*pid)).collect(), began: Instant::now() }
    }

    fn read(&self) -> (Vec<f64>, f64) {
        let used = self.pids.iter().zip(&self.cpu).map(|(pid, before)| cpu_s(*pid) - before).collect();
        (used, self.began.elapsed().as_secs_f64())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Different passages of a small province: 64 cameras, plates as they come.
fn events(rows: usize, round: usize) -> Vec<Event> {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64 ^ round as u64;
    let mut next = move || {
        // xorshift64 (Marsaglia 2003).
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    (0..rows)
        .map(|n| {
            let plate = format!("59S{:06}", next() % 1_000_000);
            passage(&format!("cam-{}", next() % 64), -((round * rows + n) as f64) / 4.0, Some(&plate))
        })
        .collect()
}

fn fill(spool: &Spool, events: &[Event]) {
    for chunk in events.chunks(1_000) {
        assert_eq!(spool.append(chunk).unwrap().stored, chunk.len());
    }
}

fn engine_of(chdb: &Embedded) -> u32 {
    chdb.status().pid.unwrap()
}

fn main() {
    // Cargo hands `--bench` over as well.
    let rows = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(100_000);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(insert(rows));
    runtime.block_on(kafka(rows));
}

async fn insert(rows: usize) {
    let dir = tempfile::tempdir().unwrap();
    let chdb = embedded(&dir.path().join("chdb"));
    let store = store(chdb.endpoint()).await;
    let engine = engine_of(&chdb);
    let client = beside(&chdb);
    let ask = |sql: String| client.query(&sql).execute();
    // Merges come later and would fall on whoever runs then.
    ask("SYSTEM STOP MERGES".to_owned()).await.unwrap();
    for name in ["by_client", "by_engine"] {
        ask(format!("CREATE TABLE {name} AS passages")).await.unwrap();
    }
    let (mut ours, mut theirs, mut limit) = (Vec::new(), Vec::new(), Vec::new());
    println!("{rows} passages a round, {ROUNDS} rounds; rows a second of processor time, all processes that take part");
    for round in 0..ROUNDS {
        let spool = Arc::new(Spool::open(&dir.path().join(format!("spool{round}")), SpoolLimits::default()).unwrap());
        let events = events(rows, round);
        let me = std::process::id();
        let meter = Meter::start(&[me]);
        fill(&spool, &events);
        let (append, append_s) = meter.read();

        let meter = Meter::start(&[me, engine]);
        let options = ShipOptions { rows: BATCH, ..ShipOptions::default() };
        let shipper = Shipper::start(spool, &store, options).unwrap();
        assert!(shipper.drain(Duration::from_secs(600)), "{:?}", shipper.stats());
        let (used, took) = meter.read();
        let stats = shipper.stats();
        shipper.stop();
        assert_eq!((stats.rows["passages"], stats.dead_letters), (rows as u64, 0));
        let all = used[0] + used[1];
        ours.push(rows as f64 / all);
        println!(
            "round {round}: spool to ClickHouse {:8.0} rows/s of processor ({:.2} s us, {:.2} s engine; {took:.2} s by the clock); \
             appending before that {:.0} rows/s of processor ({append_s:.2} s by the clock)",
            rows as f64 / all,
            used[0],
            used[1],
            rows as f64 / append[0]
        );

        let done = client_inserts(&chdb, rows);
        let all = done.client_cpu + done.engine_cpu;
        theirs.push(rows as f64 / all);
        println!(
            "         clickhouse-connect  {:8.0} rows/s of processor ({:.2} s client, {:.2} s engine; {:.2} s by the clock)",
            rows as f64 / all,
            done.client_cpu,
            done.engine_cpu,
            done.insert
        );

        ask("CREATE OR REPLACE TABLE source ENGINE = Memory AS SELECT * FROM passages LIMIT 0".to_owned())
            .await
            .unwrap();
        ask(format!("INSERT INTO source SELECT * FROM passages ORDER BY utc LIMIT {rows}")).await.unwrap();
        let meter = Meter::start(&[engine]);
        let sized =
            format!("max_block_size = {BATCH}, min_insert_block_size_rows = {BATCH}, min_insert_block_size_bytes = 0");
        ask(format!("INSERT INTO by_engine SELECT * FROM source SETTINGS {sized}")).await.unwrap();
        let (used, took) = meter.read();
        limit.push(rows as f64 / used[0]);
        println!(
            "         INSERT SELECT       {:8.0} rows/s of processor ({took:.2} s by the clock)",
            rows as f64 / used[0]
        );
    }
    for table in ["by_client", "by_engine", "passages"] {
        let count = client.query("SELECT count() FROM {table:Identifier}").param("table", table);
        assert_eq!(count.fetch_one::<u64>().await.unwrap(), (ROUNDS * rows) as u64, "{table}");
    }
    let (ours, theirs, limit) = (median(ours), median(theirs), median(limit));
    println!(
        "medians: {ours:.0} against {theirs:.0} of clickhouse-connect ({:.1} times) and {limit:.0} of INSERT SELECT ({:.0} %)",
        ours / theirs,
        100.0 * ours / limit
    );
    chdb.stop();
}

/// A connection to the engine beside the store's own.
fn beside(chdb: &Embedded) -> clickhouse::Client {
    let endpoint = chdb.endpoint();
    clickhouse::Client::default()
        .with_url(&endpoint.url)
        .with_user(&endpoint.user)
        .with_password(&endpoint.password)
        .with_database(&endpoint.database)
        .with_compression(clickhouse::Compression::None)
}

/// Seconds.
#[derive(serde::Deserialize)]
struct Client {
    insert: f64,
    client_cpu: f64,
    engine_cpu: f64,
}

/// clickhouse-connect inserts the last `rows` passages into `by_client`.
fn client_inserts(chdb: &Embedded, rows: usize) -> Client {
    let python = library().parent().unwrap().parent().unwrap().join("venv/bin/python");
    let endpoint = chdb.endpoint();
    let done = Command::new(&python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/client.py"))
        .args([rows.to_string(), BATCH.to_string(), engine_of(chdb).to_string()])
        .env("PORT", endpoint.url.rsplit_once(':').unwrap().1)
        .env("CLICKHOUSE_USER", &endpoint.user)
        .env("CLICKHOUSE_PASSWORD", &endpoint.password)
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}: run `scripts/setup.sh --test`", python.display()));
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).unwrap()
}

/// Spool → broker → sink → ClickHouse, each half by itself.
async fn kafka(rows: usize) {
    use stopline_store::kafka::{Forwarder, KafkaConfig, Layout, Sink, SinkOptions};
    println!("{rows} passages through a broker (Tansu, in memory), {ROUNDS} rounds");
    let (mut forwarding, mut sinking) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let dir = tempfile::tempdir().unwrap();
        let chdb = embedded(&dir.path().join("chdb"));
        let store = store(chdb.endpoint()).await;
        beside(&chdb).query("SYSTEM STOP MERGES").execute().await.unwrap();
        let broker = common::broker::Broker::anywhere();
        let config = KafkaConfig { layout: Some(Layout { partitions: 4, replication: 1 }), ..broker.config("events") };
        let spool = Arc::new(Spool::open(&dir.path().join("spool"), SpoolLimits::default()).unwrap());
        fill(&spool, &events(rows, round));
        let (me, engine) = (std::process::id(), engine_of(&chdb));

        let meter = Meter::start(&[me, broker.pid()]);
        let forwarder = Forwarder::start(spool, &config, ShipOptions::default()).unwrap();
        assert!(forwarder.drain(Duration::from_secs(600)), "{:?}", forwarder.stats());
        let (used, took) = meter.read();
        forwarder.stop();
        forwarding.push(rows as f64 / used[0]);
        println!(
            "round {round}: spool to broker      {:8.0} events/s of our processor ({:.2} s us, {:.2} s broker; {took:.2} s by the clock)",
            rows as f64 / used[0],
            used[0],
            used[1]
        );

        let sink = Sink::start(&config, &store, SinkOptions::default()).unwrap();
        // Joining the group is waiting, not work.
        while sink.partitions() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let meter = Meter::start(&[me, broker.pid(), engine]);
        while sink.stats().rows.get("passages") != Some(&(rows as u64)) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let (used, took) = meter.read();
        sink.stop();
        sinking.push(rows as f64 / (used[0] + used[2]));
        println!(
            "         broker to ClickHouse {:8.0} events/s of processor, the broker's left out ({:.2} s us, {:.2} s broker, {:.2} s engine; {took:.2} s by the clock)",
            rows as f64 / (used[0] + used[2]),
            used[0],
            used[1],
            used[2]
        );
        chdb.stop();
    }
    println!("medians: {:.0} events/s to the broker, {:.0} events/s from it", median(forwarding), median(sinking));
}
