//! What the module promises, on real files and on a disk that fails.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use redb::{Database, ReadableDatabase as _, ReadableTable as _, StorageBackend};
use stopline_types::{CameraId, Event, EventId, Incident, Passage, UtcUs, VehicleClass, Versions};

use super::*;

fn passage(n: u32) -> Event {
    let camera = CameraId::new("cam-1").unwrap();
    let utc = UtcUs(i64::from(n) * 1_000_000);
    Event::Passage(Passage {
        id: EventId::derive(&camera, utc, u64::from(n), None),
        camera,
        t_s: f64::from(n),
        utc,
        error_ms: None,
        track: u64::from(n),
        class: VehicleClass::Car,
        bbox: [1.0, 2.0, 3.0, 4.0].into(),
        frame_px: [640, 360].into(),
        confidence: 0.5,
        plate: None,
        speed_kmh: None,
        lane: None,
        frames: 3,
        entered: utc,
        left: utc,
        trajectory: vec![],
        versions: Versions { model: "m".into(), scene: "s".into(), engine: "e".into() },
    })
}

/// Stands for all that may not be shed.
fn incident(n: u32) -> Event {
    Event::Incident(Incident {
        id: EventId::of(&["incident", &n.to_string()]),
        camera: CameraId::new("cam-1").unwrap(),
        t_s: f64::from(n),
        utc: UtcUs(i64::from(n)),
        error_ms: None,
        kind: "queue".into(),
        lane: None,
        measured: [("length_m".to_owned(), f64::from(n))].into(),
    })
}

fn limits(bytes: u64) -> SpoolLimits {
    SpoolLimits { bytes, wait: Duration::ZERO }
}

fn open(dir: &Path) -> Spool {
    Spool::open(dir, SpoolLimits::default()).unwrap()
}

fn size(event: &Event) -> u64 {
    record::encode_all(std::slice::from_ref(event), record::now()).unwrap()[0].json.len() as u64
}

fn drain(spool: &Spool) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some(batch) = spool.next_batch(7, u64::MAX).unwrap() {
        events.extend(batch.events.iter().map(|spooled| spooled.event.clone()));
        spool.ack(&batch).unwrap();
    }
    events
}

#[test]
fn events_come_back_in_order_and_once() {
    let dir = tempfile::tempdir().unwrap();
    let events: Vec<Event> = (0..20).map(passage).chain((0..3).map(incident)).collect();
    let id = {
        let spool = open(dir.path());
        assert_eq!(spool.append(&events[..10]).unwrap(), Appended { stored: 10, shed: 0 });
        spool.append(&events[10..]).unwrap();
        assert_eq!(spool.append(&[]).unwrap(), Appended::default());
        spool.id().to_owned()
    };
    let spool = open(dir.path());
    assert_eq!(spool.id(), id, "the name stays");
    assert_eq!(spool.wait(Duration::ZERO), 23);
    assert_eq!(drain(&spool), events);
    let stats = spool.stats().unwrap();
    assert_eq!((stats.records, stats.bytes, stats.next, stats.oldest), (0, 0, 23, None));
    assert_eq!(spool.wait(Duration::ZERO), 0);
    spool.append(&events[..1]).unwrap();
    let batch = spool.next_batch(10, u64::MAX).unwrap().unwrap();
    assert_eq!((batch.first, batch.last), (23, 23), "numbers are never used again");
}

#[test]
fn a_batch_is_the_same_until_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let first = {
        let spool = open(dir.path());
        spool.append(&(0..5).map(passage).collect::<Vec<_>>()).unwrap();
        let batch = spool.next_batch(3, u64::MAX).unwrap().unwrap();
        assert_eq!((batch.first, batch.last, batch.events.len()), (0, 2, 3));
        spool.append(&[passage(9)]).unwrap();
        assert_eq!(spool.next_batch(100, u64::MAX).unwrap().unwrap(), batch, "other limits change nothing");
        batch
    };
    let spool = open(dir.path());
    let again = spool.next_batch(100, u64::MAX).unwrap().unwrap();
    assert_eq!(again, first, "the same bytes after reopening");
    spool.ack(&again).unwrap();
    spool.ack(&again).unwrap();
    let rest = spool.next_batch(100, u64::MAX).unwrap().unwrap();
    assert_eq!((rest.first, rest.last), (3, 5), "a second acknowledgement deletes nothing");
    spool.ack(&first).unwrap();
    assert_eq!(spool.next_batch(100, u64::MAX).unwrap().unwrap(), rest, "nor does one of an old batch");
}

#[test]
fn batches_are_bounded_by_bytes_but_never_empty() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path());
    spool.append(&(0..4).map(passage).collect::<Vec<_>>()).unwrap();
    let batch = spool.next_batch(100, size(&passage(0)) * 2 + 10).unwrap().unwrap();
    assert_eq!(batch.events.len(), 2);
    spool.ack(&batch).unwrap();
    assert_eq!(spool.next_batch(100, 1).unwrap().unwrap().events.len(), 1);
}

#[test]
fn when_full_passages_give_way() {
    let dir = tempfile::tempdir().unwrap();
    let quota = size(&passage(0)) * 10 + 60;
    let spool = Spool::open(dir.path(), limits(quota)).unwrap();
    let done = spool.append(&(0..20).map(passage).collect::<Vec<_>>()).unwrap();
    assert_eq!(done, Appended { stored: 10, shed: 10 });
    // Two are on their way and may not vanish; the others make room.
    let batch = spool.next_batch(2, u64::MAX).unwrap().unwrap();
    let mut taken = 0;
    let refused = loop {
        match spool.append(&[incident(taken)]) {
            Ok(done) => assert_eq!(done.stored, 1),
            Err(error) => break error,
        }
        taken += 1;
        assert!(taken < 1000, "the quota holds");
    };
    assert!(matches!(refused, SpoolError::Full { .. }), "{refused}");
    assert!(taken >= 8, "{taken}");
    let stats = spool.stats().unwrap();
    assert_eq!(stats.shed, Shed { passages_refused: 10, passages_removed: 8 });
    assert!(stats.bytes <= quota, "{stats:?}");
    assert_eq!(stats.failed_appends, 1);
    assert_eq!(spool.next_batch(2, u64::MAX).unwrap().unwrap(), batch);
    let left = drain(&spool);
    assert_eq!(left.len() as u32, 2 + taken, "no incident was lost");
    assert_eq!(left[..2], [passage(0), passage(1)]);
}

#[test]
fn a_full_spool_lets_wait_until_room_comes() {
    let dir = tempfile::tempdir().unwrap();
    let wait = Duration::from_secs(60);
    let spool = Spool::open(dir.path(), SpoolLimits { bytes: size(&incident(0)) + 10, wait }).unwrap();
    spool.append(&[incident(0)]).unwrap();
    std::thread::scope(|scope| {
        let second = scope.spawn(|| spool.append(&[incident(1)]));
        // A passage does not wait: it is shed at once, whoever waits before it.
        assert_eq!(spool.append(&[passage(0)]).unwrap(), Appended { stored: 0, shed: 1 });
        assert!(!second.is_finished());
        let batch = spool.next_batch(10, u64::MAX).unwrap().unwrap();
        spool.ack(&batch).unwrap();
        assert_eq!(second.join().unwrap().unwrap(), Appended { stored: 1, shed: 0 });
    });
    let huge: Vec<Event> = (0..5).map(incident).collect();
    assert!(matches!(spool.append(&huge), Err(SpoolError::Full { .. })), "what never fits does not wait");
}

#[test]
fn concurrent_appends_share_commits() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path());
    std::thread::scope(|scope| {
        for thread in 0..16 {
            let spool = &spool;
            scope.spawn(move || {
                (0..25).for_each(|n| assert_eq!(spool.append(&[passage(thread * 100 + n)]).unwrap().stored, 1))
            });
        }
    });
    let stats = spool.stats().unwrap();
    assert_eq!((stats.records, stats.next), (400, 400));
    assert!(stats.commits < 400, "{} commits for 400 appends", stats.commits);
}

#[test]
fn only_one_process_opens_it() {
    let dir = tempfile::tempdir().unwrap();
    let _spool = open(dir.path());
    assert!(matches!(Spool::open(dir.path(), SpoolLimits::default()), Err(SpoolError::InUse { .. })));
}

#[test]
fn unreadable_records_are_kept_aside() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).append(&(0..4).map(passage).collect::<Vec<_>>()).unwrap();
    let path = dir.path().join("spool.redb");
    {
        let database = Database::open(&path).unwrap();
        let txn = database.begin_write().unwrap();
        {
            let mut records = txn.open_table(file::RECORDS).unwrap();
            let newer = String::from_utf8(records.get(1).unwrap().unwrap().value().to_vec()).unwrap();
            let newer = newer.replace("\"schema\":1", "\"schema\":99");
            records.insert(1, newer.as_bytes()).unwrap();
            records.insert(2, b"\xff\x00 not JSON".as_slice()).unwrap();
        }
        txn.commit().unwrap();
    }
    let spool = open(dir.path());
    assert_eq!(drain(&spool), [passage(0), passage(3)], "the others go on");
    assert_eq!(spool.stats().unwrap().aside, 2);
    drop(spool);
    let database = Database::open(&path).unwrap();
    let aside = database.begin_read().unwrap().open_table(file::ASIDE).unwrap();
    let notes: Vec<String> =
        aside.iter().unwrap().map(|e| String::from_utf8(e.unwrap().1.value().to_vec()).unwrap()).collect();
    assert!(notes[0].contains("schema 99 is newer than 1"), "{}", notes[0]);
    assert!(notes[1].contains("malformed") && notes[1].contains("ff00"), "{}", notes[1]);
}

/// A file on a disk that can be full.
#[derive(Debug)]
struct Disk {
    file: File,
    full: Arc<AtomicBool>,
}

impl Disk {
    fn check(&self) -> io::Result<()> {
        if self.full.load(Ordering::SeqCst) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(out, offset)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        if len > self.len()? {
            self.check()?;
        }
        self.file.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.check()?;
        self.file.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check()?;
        self.file.write_all_at(data, offset)
    }
}

#[test]
fn a_full_disk_is_a_clear_error_and_nothing_false_is_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("spool.redb");
    let full = Arc::new(AtomicBool::new(false));
    let opener = {
        let (path, full) = (path.clone(), full.clone());
        Box::new(move || {
            let file = File::options().read(true).write(true).create(true).truncate(false).open(&path);
            let disk = Disk { file: file.map_err(|e| redb::DatabaseError::Storage(e.into()))?, full: full.clone() };
            Database::builder().create_with_backend(disk)
        })
    };
    let spool = Spool::open_with(path, SpoolLimits::default(), opener).unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..4 {
        for n in 0..5 {
            let event = incident(round * 100 + n);
            spool.append(std::slice::from_ref(&event)).unwrap();
            acknowledged.push(event);
        }
        full.store(true, Ordering::SeqCst);
        for n in 50..53 {
            let refused = spool.append(&[incident(round * 100 + n)]).unwrap_err();
            assert!(refused.to_string().contains("no space left"), "{refused}");
        }
        full.store(false, Ordering::SeqCst);
    }
    let left = drain(&spool);
    for event in &acknowledged {
        assert!(left.contains(event), "acknowledged and lost: {event:?}");
    }
    drop(spool);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 24, ..Default::default() })]
    /// Appends, batches, acknowledgements and reopening in any order: what comes out is what went in.
    #[test]
    fn nothing_is_lost_or_turned_around(steps in proptest::collection::vec(0_u8..6, 1..40)) {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Some(open(dir.path()));
        let (mut put, mut got, mut n) = (Vec::new(), Vec::new(), 0);
        for step in steps {
            let this = spool.as_ref().unwrap();
            match step {
                0..=2 => {
                    let events: Vec<Event> = (n..n + 3).map(passage).collect();
                    n += 3;
                    this.append(&events).unwrap();
                    put.extend(events);
                }
                3 => drop(this.next_batch(4, u64::MAX).unwrap()),
                4 => if let Some(batch) = this.next_batch(4, u64::MAX).unwrap() {
                    got.extend(batch.events.iter().map(|spooled| spooled.event.clone()));
                    this.ack(&batch).unwrap();
                },
                _ => {
                    drop(spool.take());
                    spool = Some(open(dir.path()));
                }
            }
        }
        got.extend(drain(spool.as_ref().unwrap()));
        proptest::prop_assert_eq!(got, put);
    }
}

#[test]
fn a_reader_never_sleeps_beside_an_event() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path());
    // Appends and acknowledgements race; after each the count a reader waits on must be right.
    std::thread::scope(|scope| {
        let appending =
            scope.spawn(|| (0..300).for_each(|n| assert_eq!(spool.append(&[passage(n)]).unwrap().stored, 1)));
        let mut read = 0;
        while read < 300 {
            assert!(spool.wait(Duration::from_secs(60)) > 0, "asleep after {read}, {}", appending.is_finished());
            let batch = spool.next_batch(2, u64::MAX).unwrap().unwrap();
            read += batch.events.len();
            spool.ack(&batch).unwrap();
        }
    });
    assert_eq!(spool.wait(Duration::ZERO), 0);
}

#[test]
fn a_file_that_is_no_spool_is_a_clear_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("spool.redb");
    std::fs::write(&path, vec![b'x'; 10_000]).unwrap();
    let refused = Spool::open(dir.path(), SpoolLimits::default()).map(|_| ()).unwrap_err().to_string();
    assert!(refused.contains(path.to_str().unwrap()), "{refused}");
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 10_000, "and it is left as it is");
}
