//! What is old goes, by its class; what is held, and what belongs to it, stays.
#![allow(clippy::unwrap_used)]

mod common;

use std::{sync::Arc, time::Duration};

use common::{at, embedded, passage, review, store, violation};
use stopline_store::{
    queries::TableName,
    retention::{Deleted, Retention},
    ship::{ShipOptions, Shipper},
    spool::{Spool, SpoolLimits},
};
use stopline_types::{CaseFilter, Event, PassageFilter, RuleKind, RuleMode, TallyQuery, TallyTime, Verdict, Violation};

const DAY_S: f64 = 86_400.0;

#[tokio::test(flavor = "multi_thread")]
async fn the_old_goes_and_what_is_held_stays() {
    let dir = tempfile::tempdir().unwrap();
    let chdb = embedded(&dir.path().join("chdb"));
    let store = store(chdb.endpoint()).await;
    let spool = Arc::new(Spool::open(&dir.path().join("spool"), SpoolLimits::default()).unwrap());
    // All of one hour: confirmed, rejected, undecided, rejected but held, and one of a rule on trial.
    let mut violations: Vec<Violation> =
        (0..5).map(|n| violation("cam-1", f64::from(n) * 60.0, RuleKind::RedLight)).collect();
    violations[4].mode = RuleMode::Shadow;
    let mut events: Vec<Event> = violations.iter().cloned().map(|v| Event::Violation(Box::new(v))).collect();
    for (of, verdict) in [(0, Verdict::Confirmed), (1, Verdict::Rejected), (3, Verdict::Rejected)] {
        events.push(Event::Review(review(&violations[of], 1, verdict)));
    }
    // The passages of the same tracks, and twenty of nobody.
    events.extend((0..25).map(|n| passage("cam-1", f64::from(n) * 60.0, Some("59S106865"))));
    events.push(common::incident("cam-1", 5.0));
    spool.append(&events).unwrap();
    let shipper = Shipper::start(spool, &store, ShipOptions::default()).unwrap();
    assert!(shipper.drain(Duration::from_secs(60)), "{:?}", shipper.stats());
    shipper.stop();
    store.hold(violations[3].id, "a court asks", "lan").await.unwrap();

    let keep = Retention::default();
    let after = async |days: f64| store.retain(&keep, at(days * DAY_S)).await.unwrap();
    let passages =
        async || store.passages(&PassageFilter { limit: 100, ..PassageFilter::default() }).await.unwrap().len();
    let cases = async || store.cases(&CaseFilter { limit: 100, ..CaseFilter::default() }).await.unwrap().len();
    let counted = async || {
        let (from, to) = (at(-DAY_S), at(DAY_S));
        let query = TallyQuery {
            from,
            to,
            cameras: None,
            rule: None,
            time: TallyTime::Whole,
            by_camera: false,
            by_rule: false,
        };
        store.tally_passages(&query).await.unwrap()[0].passages
    };

    assert_eq!(after(29.0).await, Deleted::default());
    // An hour that is not counted yet keeps its passages.
    assert_eq!(after(31.0).await, Deleted::default());
    let client = clickhouse::Client::default()
        .with_url(&chdb.endpoint().url)
        .with_user(&chdb.endpoint().user)
        .with_password(&chdb.endpoint().password)
        .with_database(&chdb.endpoint().database);
    for sql in [
        "CREATE TABLE aged ENGINE = Memory AS SELECT hour, max(marked) - 3600, max(rolled), 0 FROM hour_marks GROUP BY hour",
        "TRUNCATE TABLE hour_marks",
        "INSERT INTO hour_marks SELECT * FROM aged",
    ] {
        client.query(sql).execute().await.unwrap();
    }
    assert_eq!(after(31.0).await, Deleted { passages: 20, ..Deleted::default() }, "those of nobody");
    assert_eq!((passages().await, cases().await, counted().await), (5, 4, 25), "still counted");

    assert_eq!(after(91.0).await, Deleted { violations: 2, passages: 2, incidents: 0 }, "rejected, on trial");
    assert_eq!((passages().await, cases().await), (3, 3));
    assert_eq!(after(91.0).await, Deleted::default());
    assert_eq!(after(397.0).await, Deleted { violations: 1, passages: 1, incidents: 1 }, "undecided");
    assert_eq!(after(732.0).await, Deleted { violations: 1, passages: 1, incidents: 0 }, "confirmed");
    assert_eq!(after(9999.0).await, Deleted::default());
    assert_eq!((passages().await, cases().await, counted().await), (1, 1, 25));
    assert_eq!(store.ids(TableName::Violations).await.unwrap(), [violations[3].id]);
    assert_eq!(store.ids(TableName::Reviews).await.unwrap().len(), 1, "with what was decided");
    let noted: u64 = client.query("SELECT sum(rows) FROM deletions").fetch_one().await.unwrap();
    assert_eq!(noted, 20 + 4 + 3 + 2);

    store.release(violations[3].id, "the court has judged", "lan").await.unwrap();
    assert_eq!(after(9999.0).await, Deleted { violations: 1, passages: 1, incidents: 0 });
    assert_eq!((passages().await, cases().await), (0, 0));
    let never =
        Retention { passages_days: 0, rejected_days: 0, undecided_days: 0, confirmed_days: 0, incidents_days: 0 };
    assert_eq!(store.retain(&never, at(9999.0 * DAY_S)).await.unwrap(), Deleted::default());
    chdb.stop();
}
