//! Plates for events: the best moments of a track are cut out of the packets of the camera's largest stream, read, voted
//! on, and attached.
//!
//! A violation and the passage of the same track say the same plate, for the track is read once: a violation waits a little
//! for its track to end, and if it does not, the passage that comes later takes over what was read for the violation.
//!
//! Bounded: twice [`WAITING`] events may wait. When there are more, when one waited longer than [`LATE`], or when its packets are
//! gone, it goes on without a plate and [`PlateCounts`] says why; no event is lost or held back for its plate. With many
//! waiting fewer moments of each are read.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::{
    evidence::Source,
    plates_borne::Borne,
    plates_looks::{Looks, Tracks, after_the_first, cut_out, own_look},
};
use stopline_detect::plate::{PlateEye, PlateFound, PlateMoment};
use stopline_ingest::{Part, Ring};
use stopline_types::{BgrImage, CameraId, Event, PlateRead, UtcUs, VehicleClass};

/// Events that may wait for their plates, and as many in the channel to them. When full: an event goes on without, counted
/// `queue_full`.
const WAITING: usize = 256;
/// An event is not held back longer than this.
const LATE: Duration = Duration::from_secs(12);
/// The larger stream may be behind the analysed one; a passage waits at most so long for its packets.
const PACKETS_WITHIN: Duration = Duration::from_secs(3);
/// Events looked for so often, so that tracks that end together share a decoded group of pictures.
const LOOK_EVERY: Duration = Duration::from_millis(250);
const FULL_PAUSE: Duration = Duration::from_millis(20);
/// A passage waits at least so long for others to share with.
const GATHER: Duration = Duration::from_millis(500);
/// Tracks read in one go.
const BATCH: usize = 12;
/// Looks at a track with few, some and many events waiting.
const LOOKS: [(usize, usize); 3] = [(16, 6), (48, 3), (usize::MAX, 1)];
/// Plates of tracks that go on after a violation are remembered for so long, and so many of them.
const REMEMBERED_S: f64 = 900.0;
const REMEMBERED: usize = 4096;

/// An event with the moments of its track.
#[derive(Debug)]
pub(crate) struct PlateJob {
    pub event: Event,
    /// Best first.
    pub moments: Vec<PlateMoment>,
}

impl PlateJob {
    /// Whether a plate belongs to an event of this kind.
    pub(crate) fn wants_plate(event: &Event) -> bool {
        matches!(event, Event::Passage(_) | Event::Violation(_))
    }

    fn track(&self) -> u64 {
        match &self.event {
            Event::Passage(passage) => passage.track,
            Event::Violation(violation) => violation.track,
            Event::Incident(_) | Event::Review(_) => 0,
        }
    }

    fn class(&self) -> Option<VehicleClass> {
        match &self.event {
            Event::Passage(passage) => Some(passage.class),
            Event::Violation(violation) => Some(violation.class),
            Event::Incident(_) | Event::Review(_) => None,
        }
    }

    fn is_passage(&self) -> bool {
        matches!(self.event, Event::Passage(_))
    }

    fn with(self, plate: Option<PlateRead>) -> Event {
        match self.event {
            Event::Passage(mut passage) => {
                passage.plate = plate;
                Event::Passage(passage)
            }
            Event::Violation(mut violation) => {
                violation.plate = plate;
                Event::Violation(violation)
            }
            other => other,
        }
    }
}

/// What became of the events.
#[derive(Debug, Default)]
pub(crate) struct PlateCounts {
    sure: AtomicU64,
    unsure: AtomicU64,
    /// No plate was found, or no characters on it.
    none: AtomicU64,
    queue_full: AtomicU64,
    late: AtomicU64,
    /// The packets were gone or could not be decoded.
    no_picture: AtomicU64,
    failed: AtomicU64,
}

impl PlateCounts {
    fn add(counter: &AtomicU64, reason: &str) {
        let before = counter.fetch_add(1, Ordering::Relaxed);
        // Said at the first and then ever more rarely.
        if (before + 1).is_power_of_two() {
            tracing::warn!(so_far = before + 1, "an event goes on without its plate: {reason}");
        }
    }
}

impl std::fmt::Display for PlateCounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        write!(
            f,
            "{} sure, {} unsure, {} without; not read: {} queue full, {} late, {} no picture, {} failed",
            of(&self.sure),
            of(&self.unsure),
            of(&self.none),
            of(&self.queue_full),
            of(&self.late),
            of(&self.no_picture),
            of(&self.failed)
        )
    }
}

/// Reads the plates of tracks; the same for cameras and files.
pub(crate) struct PlateReading {
    eye: PlateEye,
    known: HashMap<(CameraId, u64), (UtcUs, PlateRead)>,
    borne: Borne,
    counts: Arc<PlateCounts>,
}

impl PlateReading {
    pub(crate) fn new(eye: PlateEye) -> Self {
        Self { eye, known: HashMap::new(), borne: Borne::default(), counts: Arc::default() }
    }

    /// Attaches plates to events of one camera; each track is looked at in at most `looks` moments.
    pub(crate) fn attach(&mut self, ring: &Ring, jobs: Vec<PlateJob>, looks: usize) -> Vec<Event> {
        let mut tracks = Tracks::new();
        let Some(camera) = jobs.first().map(|job| job.event.camera().clone()) else { return Vec::new() };
        for job in jobs.iter().filter(|job| !self.known.contains_key(&(camera.clone(), job.track()))) {
            let (moments, class) = tracks.entry(job.track()).or_default();
            // The class at the end of the track is the better judged one.
            if class.is_none() || job.is_passage() {
                *class = job.class();
            }
            if job.moments.len() > moments.len() || job.is_passage() {
                moments.clone_from(&job.moments);
            }
        }
        tracks.values_mut().for_each(|(moments, _)| moments.truncate(looks));
        let mut read = self.read(ring, &camera, &tracks);
        let attached = jobs.into_iter().map(|job| {
            let key = (camera.clone(), job.track());
            let plate = match self.known.get(&key) {
                Some((_, plate)) => Some(plate.clone()),
                None => read.get(&job.track()).cloned().flatten(),
            };
            job.with(plate)
        });
        let events: Vec<Event> = attached.collect();
        for event in &events {
            if let Event::Violation(violation) = event
                && let Some(Some(plate)) = read.remove(&violation.track)
            {
                self.known.insert((camera.clone(), violation.track), (violation.utc, plate));
            }
        }
        if let Some(now) = events.iter().map(Event::utc).max() {
            self.known.retain(|(of, _), (at, _)| *of != camera || now.since_s(*at) < REMEMBERED_S);
        }
        if self.known.len() > REMEMBERED {
            self.known.clear();
        }
        events
    }

    /// Whether the plate of a track was read for an earlier event.
    fn knows(&self, camera: &CameraId, track: u64) -> bool {
        self.known.contains_key(&(camera.clone(), track))
    }

    /// The best pictures first; the others only of plates that can be read but are not sure by then.
    fn read(&mut self, ring: &Ring, camera: &CameraId, tracks: &Tracks) -> BTreeMap<u64, Option<PlateRead>> {
        let mut looks = Looks::default();
        // Cut out together: decoding costs more than looking, and no group of pictures is to be decoded twice.
        let mut pictures = cut_out(ring, tracks);
        looks.pictured.extend(pictures.iter().map(|(track, ..)| *track));
        let rest = after_the_first(&mut pictures);
        self.look_at(&pictures, &mut looks);
        let open = |track: &u64, class| self.judge(&looks, *track, class).is_some_and(|plate| !plate.sure);
        let open: HashSet<u64> =
            tracks.iter().filter(|(track, (_, class))| open(track, *class)).map(|(track, _)| *track).collect();
        let rest: Vec<_> = rest.into_iter().filter(|(track, ..)| open.contains(track)).collect();
        self.look_at(&rest, &mut looks);
        let mut read: BTreeMap<u64, _> =
            tracks.iter().map(|(track, (_, class))| (*track, self.judge(&looks, *track, *class))).collect();
        self.borne.doubt(camera, &mut read);
        let counts = &self.counts;
        for (track, plate) in &read {
            match plate {
                Some(plate) if plate.sure => drop(counts.sure.fetch_add(1, Ordering::Relaxed)),
                Some(_) => drop(counts.unsure.fetch_add(1, Ordering::Relaxed)),
                None if looks.failed.contains(track) => PlateCounts::add(&counts.failed, "the models failed"),
                None if !looks.pictured.contains(track) => {
                    PlateCounts::add(&counts.no_picture, "its packets are gone or broken");
                }
                None => drop(counts.none.fetch_add(1, Ordering::Relaxed)),
            }
        }
        read
    }

    fn judge(&self, looks: &Looks, track: u64, class: Option<VehicleClass>) -> Option<PlateRead> {
        looks.own.get(&track).and_then(|looks| self.eye.judge(looks, class))
    }

    fn look_at(&mut self, pictures: &[(u64, PlateMoment, Part)], looks: &mut Looks) {
        for pictures in pictures.chunks(BATCH) {
            for ((track, moment, part), found) in pictures.iter().zip(self.look(pictures)) {
                match found {
                    Some(found) => looks.own.entry(*track).or_default().extend(own_look(found, moment, part)),
                    None => drop(looks.failed.insert(*track)),
                }
            }
        }
    }

    /// Plates of each picture; `None` where the models failed. A picture that fails does not take the others with it.
    fn look(&mut self, pictures: &[(u64, PlateMoment, Part)]) -> Vec<Option<Vec<PlateFound>>> {
        let images: Vec<&BgrImage> = pictures.iter().map(|(.., part)| &part.image).collect();
        if let Ok(found) = self.eye.look(&images) {
            return found.into_iter().map(Some).collect();
        }
        let one_by_one = images.iter().map(|image| match self.eye.look(&[image]) {
            Ok(mut found) => found.pop(),
            Err(error) => {
                tracing::debug!(%error, "a picture could not be looked at for plates");
                None
            }
        });
        one_by_one.collect()
    }
}

/// Where events of cameras go for their plates.
#[derive(Clone)]
pub(crate) struct PlateDesk {
    sender: SyncSender<(PlateJob, Arc<Source>)>,
    counts: Arc<PlateCounts>,
}

/// The thread behind a [`PlateDesk`].
pub(crate) struct PlateDeskThread {
    thread: JoinHandle<()>,
    counts: Arc<PlateCounts>,
}

impl PlateDesk {
    /// Starts the thread. `hold` is how long a violation may wait for its track to end; `forward` takes the events on, with the moments of their tracks.
    pub(crate) fn start(
        reading: PlateReading,
        hold: Duration,
        forward: impl Fn(Event, &[PlateMoment], &Arc<Source>) + Send + 'static,
    ) -> std::io::Result<(Self, PlateDeskThread)> {
        let (sender, receiver) = sync_channel(WAITING);
        let counts = Arc::clone(&reading.counts);
        let desk = Desk { reading, hold, forward };
        let thread = std::thread::Builder::new().name("plates".into()).spawn(move || desk.run(&receiver))?;
        Ok((Self { sender, counts: Arc::clone(&counts) }, PlateDeskThread { thread, counts }))
    }

    /// Hands over an event; gives it back when it has to go on without its plate.
    pub(crate) fn put(&self, job: PlateJob, source: Arc<Source>) -> Result<(), Box<Event>> {
        self.sender.try_send((job, source)).map_err(|refused| {
            let (TrySendError::Full((job, _)) | TrySendError::Disconnected((job, _))) = refused;
            PlateCounts::add(&self.counts.queue_full, "too many wait for theirs");
            Box::new(job.event)
        })
    }
}

impl PlateDeskThread {
    /// Waits until every event handed over went on. All clones of the [`PlateDesk`] must be gone.
    pub(crate) fn join(self) {
        if self.thread.join().is_err() {
            tracing::error!("the plates thread panicked; events that waited in it are lost");
        }
        tracing::info!("plates: {}", self.counts);
    }
}

struct Desk<F> {
    reading: PlateReading,
    hold: Duration,
    forward: F,
}

/// An event that waits for its plate.
struct Waiting {
    since: Instant,
    job: PlateJob,
    source: Arc<Source>,
}

impl From<(PlateJob, Arc<Source>)> for Waiting {
    fn from((job, source): (PlateJob, Arc<Source>)) -> Self {
        Self { since: Instant::now(), job, source }
    }
}

impl<F: Fn(Event, &[PlateMoment], &Arc<Source>)> Desk<F> {
    fn run(mut self, receiver: &Receiver<(PlateJob, Arc<Source>)>) {
        let mut waiting: Vec<Waiting> = Vec::new();
        let mut open = true;
        while open || !waiting.is_empty() {
            if waiting.len() < WAITING {
                match receiver.recv_timeout(LOOK_EVERY) {
                    Ok(job) => {
                        waiting.push(job.into());
                        // Whoever waits in the channel belongs to the same round.
                        while waiting.len() < WAITING
                            && let Ok(job) = receiver.try_recv()
                        {
                            waiting.push(job.into());
                        }
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => open = false,
                }
            } else {
                // All wait for packets or for their tracks; the channel fills meanwhile.
                std::thread::sleep(FULL_PAUSE);
            }
            let looks = LOOKS.iter().find(|(most, _)| waiting.len() <= *most).map_or(1, |(_, looks)| *looks);
            let ended: HashSet<(CameraId, u64)> = waiting
                .iter()
                .filter(|one| one.job.is_passage())
                .map(|one| (one.job.event.camera().clone(), one.job.track()))
                .collect();
            let due: Vec<_> = waiting.extract_if(.., |one| !open || self.is_due(one, &ended)).collect();
            self.serve(due, looks);
        }
    }

    fn is_due(&self, one: &Waiting, ended: &HashSet<(CameraId, u64)>) -> bool {
        let (job, waited) = (&one.job, one.since.elapsed());
        let camera = job.event.camera();
        let newest = job.moments.iter().map(|moment| moment.time.utc).max();
        let there = newest.is_none_or(|newest| one.source.ring.covers(newest));
        if job.is_passage() {
            return (there && waited >= GATHER) || waited >= PACKETS_WITHIN;
        }
        let track_ended = ended.contains(&(camera.clone(), job.track())) || self.reading.knows(camera, job.track());
        (there && track_ended) || waited >= self.hold
    }

    fn serve(&mut self, due: Vec<Waiting>, looks: usize) {
        // By source, not by camera: a camera that was changed has two for a while, each with packets of its own.
        let mut by_source: Vec<(Arc<Source>, Vec<Waiting>)> = Vec::new();
        for one in due {
            match by_source.iter_mut().find(|(source, _)| Arc::ptr_eq(source, &one.source)) {
                Some((_, jobs)) => jobs.push(one),
                None => by_source.push((Arc::clone(&one.source), vec![one])),
            }
        }
        for (source, mut jobs) in by_source {
            // Events of one track stay together.
            jobs.sort_by_key(|one| one.job.track());
            while !jobs.is_empty() {
                let mut end = jobs.len().min(BATCH);
                while end < jobs.len() && jobs[end].job.track() == jobs[end - 1].job.track() {
                    end += 1;
                }
                let batch: Vec<_> = jobs.drain(..end).collect();
                let (late, jobs): (Vec<_>, Vec<_>) = batch.into_iter().partition(|one| one.since.elapsed() > LATE);
                for one in late {
                    PlateCounts::add(&self.reading.counts.late, "it waited too long");
                    (self.forward)(one.job.event, &one.job.moments, &source);
                }
                let jobs: Vec<PlateJob> = jobs.into_iter().map(|one| one.job).collect();
                let moments: Vec<Vec<PlateMoment>> = jobs.iter().map(|job| job.moments.clone()).collect();
                // In the order in which they went in.
                let events = self.reading.attach(&source.ring, jobs, looks);
                events.into_iter().zip(&moments).for_each(|(event, moments)| (self.forward)(event, moments, &source));
            }
        }
    }
}

/// Plates of a replayed file, in time of the file: the same every time.
pub(crate) struct ReplayPlates {
    reading: PlateReading,
    hold_s: f64,
    waiting: Vec<(f64, PlateJob)>,
    next_s: f64,
}

/// Tracks that end within this time of the film share a decoded group of pictures, seconds.
const TOGETHER_S: f64 = 1.0;

impl ReplayPlates {
    pub(crate) fn new(reading: PlateReading, hold: Duration) -> Self {
        Self { reading, hold_s: hold.as_secs_f64(), waiting: Vec::new(), next_s: 0.0 }
    }

    /// Takes the events of a frame, gives those that have their plate.
    pub(crate) fn take(&mut self, jobs: Vec<PlateJob>, now_s: f64, ring: &Ring) -> Vec<Event> {
        self.waiting.extend(jobs.into_iter().map(|job| (now_s, job)));
        if now_s < self.next_s {
            return Vec::new();
        }
        self.next_s = now_s + TOGETHER_S;
        let ended: HashSet<u64> =
            self.waiting.iter().filter(|(_, job)| job.is_passage()).map(|(_, job)| job.track()).collect();
        let due = self.waiting.extract_if(.., |(since_s, job)| {
            job.is_passage() || ended.contains(&job.track()) || now_s - *since_s >= self.hold_s
        });
        let due = due.map(|(_, job)| job).collect();
        self.reading.attach(ring, due, LOOKS[0].1)
    }

    /// The end of the file.
    pub(crate) fn finish(&mut self, jobs: Vec<PlateJob>, ring: &Ring) -> Vec<Event> {
        let all = self.waiting.drain(..).map(|(_, job)| job).chain(jobs).collect();
        self.reading.attach(ring, all, LOOKS[0].1)
    }

    /// What became of the events.
    pub(crate) fn counts(&self) -> &PlateCounts {
        &self.reading.counts
    }
}

#[cfg(test)]
#[path = "plates_tests.rs"]
mod tests;
