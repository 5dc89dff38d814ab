//! Proof for violations: when the packets after the act have come, cut the clip, decode the stills, write and sign
//! the package, and only then hand the violation to the spool.
//!
//! A violation whose packets never come (the camera died, the ring was too small) goes on without a package, and the
//! log says why: a person must see that there is none, and the pages do not let it be confirmed.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use stopline_ingest::Ring;
use stopline_store::evidence::{Package, PackageFile, Source as Content, Writer};
use stopline_types::{Event, EvidenceRef, UtcUs, Violation};

use super::{intake::Intake, stills};
use crate::config::{CameraConfig, EvidenceConfig};

/// Violations that may wait for their packets; when full, detection waits.
const WAITING: usize = 512;
/// Longest wait for packets beyond the time they are due, and for a disk that takes nothing: the ring does not hold the
/// packets for ever.
const GRACE: Duration = Duration::from_secs(6);
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Where violations go first.
#[derive(Clone)]
pub(crate) struct Prover {
    sender: SyncSender<Handed>,
}

/// With files that are part of the proof as they are: name and content.
type Handed = (Box<Violation>, Arc<Source>, Files);
type Files = Vec<(String, Vec<u8>)>;

/// The thread behind a [`Prover`].
pub(crate) struct ProverThread(JoinHandle<()>);

/// What plates and proofs need of a camera.
pub(crate) struct Source {
    pub ring: Ring,
    pub camera: CameraConfig,
}

impl Prover {
    /// Starts the thread.
    pub(crate) fn start(
        writer: Writer,
        config: EvidenceConfig,
        intake: Intake,
    ) -> std::io::Result<(Self, ProverThread)> {
        let (sender, receiver) = sync_channel(WAITING);
        let worker = Worker { writer, config, intake };
        let thread = std::thread::Builder::new().name("evidence".into()).spawn(move || worker.run(&receiver))?;
        Ok((Self { sender }, ProverThread(thread)))
    }

    /// Hands over a violation; waits while the prover is behind.
    pub(crate) fn put(&self, violation: Box<Violation>, source: Arc<Source>, files: Files) -> bool {
        self.sender.send((violation, source, files)).is_ok()
    }
}

impl ProverThread {
    /// Waits until every violation handed over went on. All clones of the [`Prover`] must be gone.
    pub(crate) fn join(self) {
        if self.0.join().is_err() {
            tracing::error!("the evidence thread panicked; violations that waited in it are lost");
        }
    }
}

struct Waiting {
    violation: Box<Violation>,
    source: Arc<Source>,
    files: Files,
    until: Instant,
    /// Not before this: it failed lately.
    next: Option<Instant>,
}

struct Worker {
    writer: Writer,
    config: EvidenceConfig,
    intake: Intake,
}

impl Worker {
    fn run(&self, receiver: &Receiver<Handed>) {
        let mut waiting: Vec<Waiting> = Vec::new();
        let mut open = true;
        while open || !waiting.is_empty() {
            match receiver.recv_timeout(LOOK_EVERY) {
                Ok((violation, source, files)) => {
                    let patience = Duration::from_secs_f64(self.config.after_s) + GRACE;
                    waiting.push(Waiting { violation, source, files, until: Instant::now() + patience, next: None });
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => open = false,
            }
            let now = Instant::now();
            let due = |job: &mut Waiting| match job.next {
                _ if !open || now >= job.until => true,
                Some(next) => now >= next,
                None => self.is_due(job),
            };
            let due: Vec<_> = waiting.extract_if(.., due).collect();
            waiting.extend(due.into_iter().filter_map(|job| self.finish(job, open)));
        }
    }

    fn is_due(&self, job: &Waiting) -> bool {
        let until = self.config.span(&job.violation).1;
        job.source.ring.covers(until)
    }

    /// Hands the violation on with its package, or without when patience has ended; else gives it back to be tried again.
    fn finish(&self, mut job: Waiting, open: bool) -> Option<Waiting> {
        let violation = &mut job.violation;
        let (ring, camera) = (&job.source.ring, &job.source.camera);
        match package(violation, ring, camera, &self.writer, self.config.span(violation), &job.files) {
            Ok(evidence) => violation.evidence = Some(evidence),
            Err(_) if open && Instant::now() < job.until => {
                job.next = Some(Instant::now() + TRY_AGAIN_AFTER);
                return Some(job);
            }
            Err(error) => {
                tracing::error!(camera = %violation.camera, id = %violation.id, "no evidence package: {error:#}");
            }
        }
        self.intake.put(Event::Violation(job.violation));
        None
    }
}

/// Cuts, decodes, writes and signs one package; `more` goes into it as it is.
pub(crate) fn package(
    violation: &Violation,
    ring: &Ring,
    camera: &CameraConfig,
    writer: &Writer,
    (from, to): (UtcUs, UtcUs),
    more: &[(String, Vec<u8>)],
) -> anyhow::Result<EvidenceRef> {
    let cut = ring.cut(from, to).context("the packet ring")?;
    // Gone with `scratch`; the writer copies what it needs.
    let scratch = tempfile::tempdir().context("a scratch folder for the clip")?;
    let clip = scratch.path().join("clip.mp4");
    cut.write_mp4(&clip).context("the clip")?;
    let mut files = vec![PackageFile { name: "clip.mp4".to_owned(), source: Content::Path(clip) }];
    for (name, jpeg) in stills::three(&cut, violation).context("the stills")? {
        files.push(PackageFile { name: name.to_owned(), source: Content::Bytes(jpeg) });
    }
    // A plate seen outside of the clip is not proved by it.
    if let Some(seen) = violation.plate.as_ref().and_then(|plate| plate.seen)
        && cut.first().is_some_and(|first| first <= seen.utc)
        && cut.last().is_some_and(|last| seen.utc <= last)
    {
        match stills::plate(&cut, &seen) {
            Ok(jpeg) => files.push(PackageFile { name: "plate.jpg".to_owned(), source: Content::Bytes(jpeg) }),
            Err(error) => tracing::warn!(id = %violation.id, "no picture of the plate: {error:#}"),
        }
    }
    let more =
        more.iter().map(|(name, bytes)| PackageFile { name: name.clone(), source: Content::Bytes(bytes.clone()) });
    files.extend(more);
    let site = if camera.site.is_empty() { &camera.name } else { &camera.site };
    Ok(writer.write(&Package { violation, site, device: camera.device.as_ref(), files })?)
}
