//! From the spool into a real embedded ClickHouse.
#![allow(clippy::unwrap_used)]

mod common;

use std::{sync::Arc, time::Duration};

use common::{embedded, incident, passage, review, store, violation};
use stopline_store::{
    ship::{ShipOptions, Shipper},
    spool::{Spool, SpoolLimits},
};
use stopline_types::{Event, RuleKind, Verdict};

#[tokio::test(flavor = "multi_thread")]
async fn events_go_from_the_spool_to_their_tables() {
    let dir = tempfile::tempdir().unwrap();
    let chdb = embedded(&dir.path().join("chdb"));
    let store = store(chdb.endpoint()).await;
    assert_eq!(store.migrate().await.unwrap(), 0, "a second migration finds nothing to do");
    let spool = Arc::new(Spool::open(&dir.path().join("spool"), SpoolLimits::default()).unwrap());
    let shipper = Shipper::start(spool.clone(), &store, ShipOptions::default()).unwrap();

    let act = violation("cam-1", 5.0, RuleKind::RedLight);
    let mut events: Vec<Event> = (0..100).map(|n| passage("cam-1", f64::from(n), Some("59S106865"))).collect();
    events.push(Event::Violation(Box::new(act.clone())));
    events.push(Event::Review(review(&act, 1, Verdict::Confirmed)));
    events.push(incident("cam-1", 7.0));
    assert_eq!(spool.append(&events).unwrap().stored, events.len());
    assert!(shipper.drain(Duration::from_secs(30)), "{:?}", shipper.stats());
    let stats = shipper.stats();
    assert_eq!(stats.rows["passages"], 100);
    assert_eq!((stats.rows["violations"], stats.rows["reviews"], stats.rows["incidents"]), (1, 1, 1));
    assert_eq!(stats.dead_letters, 0);
    shipper.stop();
    chdb.stop();
}
