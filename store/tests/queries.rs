//! Questions about the past, against a real embedded ClickHouse.
#![allow(clippy::unwrap_used)]

mod common;

use std::{sync::Arc, time::Duration};

use common::{at, camera, embedded, passage, review, store, violation};
use stopline_store::{
    Store,
    embedded::Embedded,
    queries::TableName,
    ship::{ShipOptions, Shipper},
    spool::{Spool, SpoolLimits},
};
use stopline_types::{
    Case, CaseFilter, CaseStatus, Event, EventId, ExportQuery, ExportTable, PassageFilter, PlateMatch, RuleKind,
    RuleMode, VehicleClass, Verdict, Violation,
};

struct World {
    store: Store,
    violations: Vec<Violation>,
    chdb: Embedded,
    _dir: tempfile::TempDir,
}

/// Ten violations a minute apart, reviewed: 0 confirmed, 1 rejected, 2 confirmed then reopened, 3 rejected then
/// confirmed; 4 is of a rule in shadow. Two hundred passages.
async fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let chdb = embedded(&dir.path().join("chdb"));
    let store = store(chdb.endpoint()).await;
    let spool = Arc::new(Spool::open(&dir.path().join("spool"), SpoolLimits::default()).unwrap());
    let mut violations: Vec<Violation> = (0..10)
        .map(|n| {
            let rule = if n % 2 == 0 { RuleKind::RedLight } else { RuleKind::Speed };
            violation(if n < 5 { "cam-1" } else { "cam-2" }, f64::from(n) * 60.0, rule)
        })
        .collect();
    violations[4].mode = RuleMode::Shadow;
    let mut events: Vec<Event> = violations.iter().cloned().map(|v| Event::Violation(Box::new(v))).collect();
    for (of, revision, verdict) in [
        (0, 1, Verdict::Confirmed),
        (1, 1, Verdict::Rejected),
        (2, 1, Verdict::Confirmed),
        (2, 2, Verdict::Reopened),
        (3, 2, Verdict::Confirmed),
        (3, 1, Verdict::Rejected),
    ] {
        events.push(Event::Review(review(&violations[of], revision, verdict)));
    }
    let plates = ["59S106865", "59S106866", "29A12345", "5%_\\'x"];
    events.extend((0..200).map(|n| {
        let plate = plates.get(n % 5).copied();
        passage(if n % 2 == 0 { "cam-1" } else { "cam-2" }, n as f64 * 30.0, plate)
    }));
    // Twice, as after a crash: equal ids must show once.
    for _ in 0..2 {
        spool.append(&events).unwrap();
    }
    let shipper = Shipper::start(spool, &store, ShipOptions::default()).unwrap();
    assert!(shipper.drain(Duration::from_secs(30)), "{:?}", shipper.stats());
    shipper.stop();
    World { store, violations, chdb, _dir: dir }
}

fn ids(cases: &[Case]) -> Vec<EventId> {
    cases.iter().map(|case| case.violation.id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_past_is_answered() {
    let World { store, violations, chdb, _dir } = world().await;
    let id = |n: usize| violations[n].id;
    let all = CaseFilter { limit: 100, ..CaseFilter::default() };

    // Newest first, shadow left out, the highest revision holds.
    let cases = store.cases(&all).await.unwrap();
    assert_eq!(ids(&cases), [9, 8, 7, 6, 5, 3, 2, 1, 0].map(id));
    assert_eq!(cases[0].violation, violations[9], "a violation comes back as it was");
    let status = |n: usize| cases.iter().find(|case| case.violation.id == id(n)).map(|case| case.status);
    assert_eq!(status(0), Some(CaseStatus::Confirmed));
    assert_eq!(status(1), Some(CaseStatus::Rejected));
    assert_eq!(status(2), Some(CaseStatus::Waiting), "reopened waits again");
    assert_eq!(status(3), Some(CaseStatus::Confirmed), "revision 2 holds, although revision 1 came later");

    let with = async |filter: CaseFilter| ids(&store.cases(&CaseFilter { limit: 100, ..filter }).await.unwrap());
    let by_status = |status| CaseFilter { status: Some(status), ..CaseFilter::default() };
    assert_eq!(with(by_status(CaseStatus::Confirmed)).await, [3, 0].map(id));
    assert_eq!(with(by_status(CaseStatus::Rejected)).await, [1].map(id));
    assert_eq!(with(by_status(CaseStatus::Waiting)).await, [9, 8, 7, 6, 5, 2].map(id));
    let rule = CaseFilter { rule: Some(RuleKind::Speed), camera: Some(camera("cam-1")), ..CaseFilter::default() };
    assert_eq!(with(rule).await, [3, 1].map(id));
    let period = CaseFilter { from: Some(at(60.0)), to: Some(at(180.0)), ..CaseFilter::default() };
    assert_eq!(with(period).await, [2, 1].map(id), "from is in, to is out");

    // Pages of two, to the end.
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = store.cases(&CaseFilter { after, limit: 2, ..CaseFilter::default() }).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some((last.violation.utc, last.violation.id));
        seen.extend(ids(&page));
    }
    assert_eq!(seen, ids(&cases));

    // One.
    assert_eq!(store.violation(id(4)).await.unwrap().as_ref(), Some(&violations[4]), "shadow too, by its id");
    assert_eq!(store.case(EventId::of(&["nobody"])).await.unwrap(), None);
    let case = store.case(id(3)).await.unwrap().unwrap();
    assert_eq!(case.review, Some(review(&violations[3], 2, Verdict::Confirmed)));

    // Passages.
    let plates = async |plate: &str| {
        let filter = PassageFilter { plate: Some(plate.into()), limit: 1000, ..PassageFilter::default() };
        store.passages(&filter).await.unwrap().len()
    };
    assert_eq!(plates("59S106865").await, 40);
    assert_eq!(plates("59S10686?").await, 80);
    assert_eq!(plates("*2345").await, 40);
    assert_eq!(plates("*").await, 200);
    assert_eq!(plates("59S10686").await, 0, "no wildcard, no match of a part");
    assert_eq!(plates("5%_\\'x").await, 40, "LIKE's own signs and quotes mean themselves");
    assert_eq!(plates("5%").await, 0);
    assert_eq!(plates("' OR 1 --").await, 0);
    let near = async |plate: &str| {
        let filter = PassageFilter {
            plate: Some(plate.into()),
            plate_match: PlateMatch::Near,
            limit: 1000,
            ..PassageFilter::default()
        };
        store.passages(&filter).await.unwrap().len()
    };
    assert_eq!(near("59S106865").await, 80, "the last character of the other is wrong");
    assert_eq!(near("S9SIOG8GS").await, 80, "S, I, O and G look like figures; the other is one away");
    assert_eq!(near("59S10686").await, 80, "one is missing");
    assert_eq!(near("S9SIOG8GX").await, 80);
    assert_eq!(near("S9SIOG8XX").await, 0, "two that look like nothing of the kind");
    assert_eq!(near("29AI2345").await, 40);
    assert_eq!(near("59S106").await, 0);
    assert_eq!(near("' OR 1 --").await, 0);
    let first = PassageFilter { camera: Some(camera("cam-2")), limit: 3, ..PassageFilter::default() };
    let page = store.passages(&first).await.unwrap();
    assert_eq!(page.iter().map(|p| p.t_s).collect::<Vec<_>>(), [199.0, 197.0, 195.0].map(|n| n * 30.0));
    let next = PassageFilter { after: Some((page[2].utc, page[2].id)), ..first };
    assert_eq!(store.passages(&next).await.unwrap()[0].t_s, 193.0 * 30.0);
    let cars = PassageFilter { class: Some(VehicleClass::Car), limit: 10, ..PassageFilter::default() };
    assert!(store.passages(&cars).await.unwrap().is_empty());

    // Counts. 07:30 to 07:39 is one hour; 200 passages every 30 s reach from 07:30 to 09:09:30.
    let hours = store.hours(None, None).await.unwrap();
    let red = hours.iter().find(|count| count.rule == RuleKind::RedLight).unwrap();
    assert_eq!((red.hour, red.candidates, red.confirmed, red.rejected), (at(-1800.0), 4, 1, 0));
    let speed = hours.iter().find(|count| count.rule == RuleKind::Speed).unwrap();
    assert_eq!((speed.candidates, speed.confirmed, speed.rejected), (5, 1, 1));
    let traffic = store.traffic(None, None).await.unwrap();
    assert_eq!(traffic.iter().map(|count| count.passages).collect::<Vec<_>>(), [60, 120, 20]);
    assert_eq!(store.traffic(Some(at(1800.0)), Some(at(5400.0))).await.unwrap().len(), 1);

    for count in store.counts().await.unwrap() {
        assert_eq!(count.rows_final, count.unique, "{count:?}");
        let expected = match count.table {
            TableName::Passages => 200,
            TableName::Violations => 10,
            TableName::Reviews => 6,
            TableName::Incidents | TableName::DeadLetters => 0,
        };
        assert_eq!(count.unique, expected, "{count:?}");
    }
    let mut expected: Vec<EventId> = violations.iter().map(|violation| violation.id).collect();
    expected.sort();
    assert_eq!(store.ids(TableName::Violations).await.unwrap(), expected);
    chdb.stop();
}

#[tokio::test]
async fn tables_are_taken_away_as_parquet() {
    let world = world().await;
    let query = |table, plates| ExportQuery { table, from: at(-60.0), to: at(7200.0), cameras: None, plates };
    for table in [ExportTable::Cases, ExportTable::Passages] {
        let with = world.store.parquet(&query(table, true)).await.unwrap();
        assert_eq!((&with[..4], &with[with.len() - 4..]), (&b"PAR1"[..], &b"PAR1"[..]), "{table:?}");
        let holds = |file: &[u8], text: &str| file.windows(text.len()).any(|part| part == text.as_bytes());
        let without = world.store.parquet(&query(table, false)).await.unwrap();
        assert!(with.len() > without.len(), "{table:?}: plates stand in it");
        assert!(!holds(&without, "59S106865"), "{table:?}: plates are left out");
    }
    let none = ExportQuery { cameras: Some(Vec::new()), ..query(ExportTable::Cases, true) };
    assert!(!world.store.parquet(&none).await.unwrap().windows(5).any(|part| part == b"cam-1"));
}
