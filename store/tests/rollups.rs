//! The roll-ups say what the tables of events say, whatever comes twice, late or half.
#![allow(clippy::unwrap_used)]

mod common;

use std::{sync::Arc, time::Duration};

use common::{at, camera, embedded, passage, review, store, violation};
use stopline_store::{
    Store,
    embedded::Embedded,
    ship::{ShipOptions, Shipper},
    spool::{Spool, SpoolLimits},
};
use stopline_types::{CaseFilter, CaseStatus, Event, RuleKind, TallyQuery, TallyTime, Verdict, Violation};

struct World {
    store: Store,
    spool: Arc<Spool>,
    chdb: Embedded,
    client: clickhouse::Client,
    _dir: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let chdb = embedded(&dir.path().join("chdb"));
        let store = store(chdb.endpoint()).await;
        let spool = Arc::new(Spool::open(&dir.path().join("spool"), SpoolLimits::default()).unwrap());
        let at = chdb.endpoint();
        let client = clickhouse::Client::default()
            .with_url(&at.url)
            .with_user(&at.user)
            .with_password(&at.password)
            .with_database(&at.database);
        Self { store, spool, chdb, client, _dir: dir }
    }

    /// Through the spool; a shipper that has written before is not unsure of what it sends.
    fn send(&self, portions: &[Vec<Event>]) {
        let shipper = Shipper::start(self.spool.clone(), &self.store, ShipOptions::default()).unwrap();
        for events in portions {
            self.spool.append(events).unwrap();
            assert!(shipper.drain(Duration::from_secs(60)), "{:?}", shipper.stats());
        }
        shipper.stop();
    }

    async fn run(&self, sql: &str) {
        self.client.query(sql).execute().await.unwrap();
    }

    async fn number(&self, sql: &str) -> u64 {
        self.client.query(sql).fetch_one::<u64>().await.unwrap()
    }

    /// As if nothing had been written for an hour (times before 1970 are avoided: compiled, `max` takes them for late ones), which makes hours fit to be counted.
    async fn rest(&self) {
        self.run("CREATE OR REPLACE TABLE aged ENGINE = Memory AS SELECT hour, max(marked) - 3600 AS marked, \
                  greatest(max(rolled), toDateTime64(3600, 3, 'UTC')) - 3600 AS rolled, max(closed) AS closed FROM hour_marks GROUP BY hour")
            .await;
        self.run("TRUNCATE TABLE hour_marks").await;
        self.run("INSERT INTO hour_marks SELECT * FROM aged").await;
        self.run("CREATE OR REPLACE TABLE counted ENGINE = Memory AS SELECT * REPLACE (rolled - 3600 AS rolled) FROM passage_hours FINAL")
            .await;
        self.run("TRUNCATE TABLE passage_hours").await;
        self.run("INSERT INTO passage_hours SELECT * FROM counted").await;
    }

    /// Passages by day and camera from the pages' question.
    async fn told(&self) -> Vec<(String, u64, u64)> {
        let query = TallyQuery {
            from: at(-90_000.0),
            to: at(90_000.0),
            cameras: None,
            rule: None,
            time: TallyTime::Whole,
            by_camera: true,
            by_rule: false,
        };
        let rows = self.store.tally_passages(&query).await.unwrap();
        rows.into_iter().map(|row| (row.camera.unwrap().to_string(), row.passages, row.plates_read)).collect()
    }
}

fn passages(seconds: std::ops::Range<i32>) -> Vec<Event> {
    let one = |n: i32| {
        let camera = if n % 3 == 0 { "cam-1" } else { "cam-2" };
        passage(camera, f64::from(n), (n % 2 == 0).then_some("59S106865"))
    };
    seconds.step_by(60).map(one).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_counted_twice_or_left_out() {
    let world = World::new().await;
    // Six hours, some of it twice in batches of their own, so that even the plain table has it twice.
    let events = passages(0..21_600);
    world.send(&[events.clone(), events[100..200].to_vec(), events[150..160].to_vec()]);
    assert_eq!(world.number("SELECT count() FROM passages").await, 470, "doubled in the plain table");
    let all = vec![("cam-1".to_owned(), 360, 360)];
    assert_eq!(world.told().await, all, "before anything is counted");

    assert_eq!(world.store.roll_hours().await.unwrap(), 0, "hours that were just written to are left in peace");
    world.rest().await;
    assert_eq!(world.store.roll_hours().await.unwrap(), 7, "07:30 to 13:30");
    assert_eq!(world.store.roll_hours().await.unwrap(), 0, "counted once");
    assert_eq!(world.number("SELECT sum(passages) FROM passage_hours FINAL").await, 360);
    assert_eq!(world.told().await, all);
    // The answer does come from what was counted: it stays when the passages go.
    world.run("CREATE TABLE away ENGINE = Memory AS SELECT * FROM passages").await;
    world.run("TRUNCATE TABLE passages").await;
    assert_eq!(world.told().await, all);
    world.run("INSERT INTO passages SELECT * FROM away").await;
    world.rest().await;
    world.store.roll_hours().await.unwrap();

    // The same batch again under the same token, as after a lost answer: a table that has its token drops it.
    let token = "SETTINGS insert_deduplicate = 1, insert_deduplication_token = 'again'";
    for _ in 0..2 {
        world.run(&format!("INSERT INTO passages SELECT * FROM away {token}")).await;
    }
    assert_eq!(world.number("SELECT count() FROM passages").await, 720);
    assert_eq!(world.told().await, all);
    world.rest().await;
    assert_eq!(world.store.roll_hours().await.unwrap(), 7, "written to, so counted again");
    assert_eq!(world.told().await, all);

    // Late ones, for hours that are counted already.
    let late = passages(7_230..14_430);
    world.send(std::slice::from_ref(&late));
    let more: u64 = world.told().await.iter().map(|(_, n, _)| n).sum();
    assert_eq!(more, 360 + late.len() as u64, "seen at once");
    world.rest().await;
    assert_eq!(world.store.roll_hours().await.unwrap(), 3);
    assert_eq!(world.told().await.iter().map(|(_, n, _)| n).sum::<u64>(), more);

    // An engine that died after the passages and before their mark: the shipper's next life finds them there.
    world.rest().await;
    let lost = passages(30..7_230);
    world.send(std::slice::from_ref(&lost));
    world.run("TRUNCATE TABLE plates").await;
    world.run("TRUNCATE TABLE hour_marks").await;
    world.run("INSERT INTO hour_marks SELECT * FROM aged").await;
    assert_eq!(world.told().await.iter().map(|(_, n, _)| n).sum::<u64>(), more, "nobody knows");
    world.send(std::slice::from_ref(&lost));
    assert_eq!(world.told().await.iter().map(|(_, n, _)| n).sum::<u64>(), more + lost.len() as u64);
    assert_eq!(world.number("SELECT uniqExact(plate) FROM plates").await, 1, "and its plates are known");
    world.chdb.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn cases_stand_as_decided() {
    let world = World::new().await;
    let violations: Vec<Violation> =
        (0..6).map(|n| violation("cam-1", f64::from(n) * 60.0, RuleKind::RedLight)).collect();
    let found = |n: usize| Event::Violation(Box::new(violations[n].clone()));
    let said = |n: usize, revision, verdict| Event::Review(review(&violations[n], revision, verdict));
    let waiting = async || {
        let filter = CaseFilter { status: Some(CaseStatus::Waiting), limit: 100, ..CaseFilter::default() };
        let cases = world.store.cases(&filter).await.unwrap();
        let mut which: Vec<usize> =
            cases.iter().map(|case| violations.iter().position(|v| v.id == case.violation.id).unwrap()).collect();
        which.sort_unstable();
        which
    };
    world.send(&[
        (0..5).map(found).collect(),
        vec![said(0, 1, Verdict::Confirmed), said(1, 2, Verdict::Reopened)],
        // An earlier decision comes later, a violation comes again after its decision, and one comes after its own.
        vec![said(1, 1, Verdict::Rejected), found(0), said(5, 1, Verdict::Rejected)],
        vec![found(5), found(2)],
    ]);
    assert_eq!(waiting().await, [1, 2, 3, 4]);
    let query = TallyQuery {
        from: at(-3600.0),
        to: at(3600.0),
        cameras: Some(vec![camera("cam-1")]),
        rule: None,
        time: TallyTime::Whole,
        by_camera: false,
        by_rule: false,
    };
    let tally = world.store.tally(&query).await.unwrap();
    assert_eq!((tally[0].candidates, tally[0].confirmed, tally[0].rejected), (6, 1, 1));

    // What a predecessor did not get to is done when the batch comes again.
    world.run("TRUNCATE TABLE cases").await;
    assert!(waiting().await.is_empty());
    world.send(&[(0..6).map(found).collect()]);
    assert_eq!(waiting().await, [1, 2, 3, 4]);
    assert_eq!(world.number("SELECT count() FROM violations FINAL").await, 6);
    world.chdb.stop();
}
