//! Processes killed at random: what was acknowledged is there, once.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod common;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use common::{
    embedded, eventually, store,
    victim::{Victim, kill_9, random},
};
use stopline_store::{
    embedded::EmbeddedState,
    evidence::verify,
    queries::TableName,
    ship::{ShipOptions, Shipper},
    spool::{Spool, SpoolLimits},
};

#[test]
fn a_killed_spool_keeps_what_it_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeSet::new();
    for _ in 0..8 {
        acknowledged.extend(Victim::start("spool", dir.path(), None, None).kill_after(random(150)));
    }
    let spool = Spool::open(dir.path(), SpoolLimits::default()).unwrap();
    let mut there = BTreeSet::new();
    let mut records = 0;
    while let Some(batch) = spool.next_batch(10_000, u64::MAX).unwrap() {
        records += batch.events.len();
        there.extend(batch.events.iter().map(|spooled| format!("{} {}", spooled.event.kind(), spooled.event.id())));
        spool.ack(&batch).unwrap();
    }
    let lost: Vec<_> = acknowledged.difference(&there).collect();
    assert!(lost.is_empty(), "{} of {} lost", lost.len(), acknowledged.len());
    assert_eq!(there.len(), records, "nothing twice");
    assert_eq!(spool.stats().unwrap().aside, 0);
    eprintln!("8 kills: {} acknowledged, {records} there", acknowledged.len());
}

#[test]
fn killed_evidence_writers_leave_whole_packages_in_an_unbroken_chain() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeSet::new();
    for _ in 0..8 {
        acknowledged.extend(Victim::start("evidence", dir.path(), None, None).kill_after(random(150)));
    }
    let root = dir.path().join("evidence");
    for path in &acknowledged {
        assert!(root.join(path).join("manifest.json").is_file(), "{path}");
    }
    let report = verify(&root, None).unwrap();
    assert!(report.packages >= acknowledged.len() as u64);
    eprintln!("8 kills: {} acknowledged, {} packages sound", acknowledged.len(), report.packages);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_shippers_and_engines_lose_and_double_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let chdb = embedded(&dir.path().join("chdb"));
    let store = store(chdb.endpoint()).await;
    let spool_dir = dir.path().join("spool");
    let mut acknowledged = BTreeSet::new();
    for round in 0..6 {
        let victim = Victim::start("ship", &spool_dir, Some(chdb.endpoint()), None);
        if round % 2 == 1 {
            // The engine first, in the middle of inserts.
            std::thread::sleep(random(300));
            let restarts = chdb.status().restarts;
            kill_9(chdb.status().pid.unwrap());
            eventually("the engine is back", || {
                chdb.status().restarts > restarts && chdb.status().state == EmbeddedState::Running
            });
        }
        acknowledged.extend(victim.kill_after(random(400)));
    }
    assert_eq!(chdb.status().restarts, 3);
    assert!(chdb.status().last_exit.unwrap().contains('9'), "the reason is kept");

    let spool = Arc::new(Spool::open(&spool_dir, SpoolLimits::default()).unwrap());
    let shipper = Shipper::start(spool.clone(), &store, ShipOptions::default()).unwrap();
    assert!(shipper.drain(Duration::from_secs(60)), "{:?}", shipper.stats());
    shipper.stop();

    let mut there = BTreeSet::new();
    for (table, kind) in [(TableName::Passages, "passage"), (TableName::Violations, "violation")] {
        there.extend(store.ids(table).await.unwrap().iter().map(|id| format!("{kind} {id}")));
    }
    let lost: Vec<_> = acknowledged.difference(&there).collect();
    assert!(lost.is_empty(), "{} of {} lost, first {:?}", lost.len(), acknowledged.len(), lost.first());
    let mut rows = 0;
    for count in store.counts().await.unwrap() {
        assert_eq!(count.rows_final, count.unique, "{count:?}");
        assert!(count.rows == count.unique || count.rows - count.unique <= 3 * 40, "{count:?}");
        assert!(count.table != TableName::DeadLetters || count.rows == 0);
        rows += count.rows;
    }
    assert_eq!(there.len() as u64, spool.stats().unwrap().next, "every event of the spool, once");
    eprintln!(
        "6 kills of the shipper, 3 of the engine: {} acknowledged, {} ids in ClickHouse, {rows} rows before collapsing",
        acknowledged.len(),
        there.len()
    );
    chdb.stop();
}
