//! A process for the crash tests to kill: does one of its jobs for ever and prints what was acknowledged, a line each.
//!
//! `crash_child spool DIR` · `crash_child ship DIR` (ClickHouse in STOPLINE_TEST_URL/_USER/_PASSWORD) ·
//! `crash_child evidence DIR` · `crash_child edge DIR` (spool to Kafka, broker in STOPLINE_TEST_BROKER) ·
//! `crash_child sink DIR` (Kafka to ClickHouse, prints one line when it runs)

#![allow(clippy::unwrap_used)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use stopline_store::{
    Endpoint, Store,
    evidence::{Package, PackageFile, Signer, Source, Writer},
    ship::{ShipOptions, Shipper},
    spool::{Spool, SpoolLimits},
};
use stopline_types::{Event, RuleKind};

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let (Some(job), Some(dir)) = (args.next(), args.next().map(PathBuf::from)) else {
        return Err("expected a job and a folder".into());
    };
    match job.as_str() {
        "spool" => append_for_ever(&Arc::new(open(&dir)?)),
        #[cfg(feature = "kafka")]
        "edge" => {
            let spool = Arc::new(open(&dir)?);
            let options = ShipOptions { rows: 40, ..Default::default() };
            let _forwarder = stopline_store::kafka::Forwarder::start(spool.clone(), &kafka()?, options)?;
            append_for_ever(&spool)
        }
        #[cfg(feature = "kafka")]
        "sink" => {
            use stopline_store::kafka::{Sink, SinkOptions};
            let options = SinkOptions { rows: 40, age: std::time::Duration::from_millis(50) };
            let _sink = Sink::start(&kafka()?, &store()?, options)?;
            acknowledged(&"running")?;
            loop {
                std::thread::park();
            }
        }
        "ship" => {
            let store = store()?;
            let spool = Arc::new(open(&dir)?);
            let options = ShipOptions { rows: 40, age: std::time::Duration::from_millis(10), ..Default::default() };
            let _shipper = Shipper::start(spool.clone(), &store, options)?;
            append_for_ever(&spool)
        }
        "evidence" => write_evidence_for_ever(&dir),
        other => Err(format!("job {other:?}").into()),
    }
}

fn of(name: &str) -> Result<String, Failure> {
    Ok(std::env::var(name).map_err(|error| format!("{name}: {error}"))?)
}

fn store() -> Result<Store, Failure> {
    Ok(Store::connect(&Endpoint {
        url: of("STOPLINE_TEST_URL")?,
        user: of("STOPLINE_TEST_USER")?,
        password: of("STOPLINE_TEST_PASSWORD")?,
        database: "stopline".into(),
        ..Endpoint::default()
    })?)
}

#[cfg(feature = "kafka")]
fn kafka() -> Result<stopline_store::kafka::KafkaConfig, Failure> {
    let mut config = stopline_store::kafka::KafkaConfig::new(vec![of("STOPLINE_TEST_BROKER")?]);
    config.session_timeout = std::time::Duration::from_secs(6);
    Ok(config)
}

fn open(dir: &Path) -> Result<Spool, Failure> {
    Ok(Spool::open(dir, SpoolLimits::default())?)
}

/// Seconds no earlier run used: a thousand back for every second of the clock, so that nothing is dated in the future.
fn fresh() -> f64 {
    let now: stopline_types::UtcUs = std::time::SystemTime::now().into();
    -((now.0 % 100_000_000_000) as f64 / 1e3)
}

fn acknowledged(what: &dyn std::fmt::Display) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{what}")?;
    Ok(out.flush()?)
}

fn append_for_ever(spool: &Arc<Spool>) -> Result<(), Failure> {
    let base = fresh();
    let next = Arc::new(AtomicU64::new(0));
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let (spool, next) = (spool.clone(), next.clone());
            std::thread::spawn(move || -> Result<(), Failure> {
                loop {
                    let seconds = base + next.fetch_add(1, Ordering::Relaxed) as f64 / 1e3;
                    let act = common::violation("cam-1", seconds, RuleKind::RedLight);
                    let events = [common::passage("cam-1", seconds, None), Event::Violation(Box::new(act))];
                    spool.append(&events)?;
                    for event in &events {
                        acknowledged(&format_args!("{} {}", event.kind(), event.id()))?;
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().map_err(|_| "a thread panicked")??;
    }
    Ok(())
}

fn write_evidence_for_ever(dir: &Path) -> Result<(), Failure> {
    let writer = Writer::new(&dir.join("evidence"), Signer::open_or_create(&dir.join("keys"))?)?;
    let base = fresh();
    for n in 0_u32.. {
        let violation = common::violation("cam-1", base + f64::from(n) / 1e3, RuleKind::RedLight);
        let files = vec![PackageFile { name: "act.jpg".into(), source: Source::Bytes(vec![1; 5000]) }];
        let evidence = writer.write(&Package { violation: &violation, site: "x", device: None, files })?;
        acknowledged(&evidence.path)?;
    }
    Ok(())
}
