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
use stopline_types::{CameraId, Event, EvidenceRef, UtcUs, Violation};

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
    find: Find,
}

/// A violation with the source as it was when it was found: the camera may be changed before its proof is made.
type Handed = (Box<Violation>, Option<Arc<Source>>);

/// Gives a camera's source.
pub(crate) type Find = Arc<dyn Fn(&CameraId) -> Option<Arc<Source>> + Send + Sync>;

/// The thread behind a [`Prover`].
pub(crate) struct ProverThread(JoinHandle<()>);

/// What the prover needs to know of a camera.
pub(crate) struct Source {
    pub ring: Ring,
    pub camera: CameraConfig,
}

impl Prover {
    /// Starts the thread.
    pub(crate) fn start(
        find: Find,
        writer: Writer,
        config: EvidenceConfig,
        intake: Intake,
    ) -> std::io::Result<(Self, ProverThread)> {
        let (sender, receiver) = sync_channel(WAITING);
        let worker = Worker { writer, config, intake };
        let thread = std::thread::Builder::new().name("evidence".into()).spawn(move || worker.run(&receiver))?;
        Ok((Self { sender, find }, ProverThread(thread)))
    }

    /// Hands over a violation; waits while the prover is behind.
    pub(crate) fn put(&self, violation: Box<Violation>) -> bool {
        let source = (self.find)(&violation.camera);
        self.sender.send((violation, source)).is_ok()
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
    source: Option<Arc<Source>>,
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
                Ok((violation, source)) => {
                    let patience = Duration::from_secs_f64(self.config.after_s) + GRACE;
                    waiting.push(Waiting { violation, source, until: Instant::now() + patience, next: None });
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
        job.source.as_ref().is_none_or(|source| source.ring.covers(until))
    }

    /// Hands the violation on with its package, or without when patience has ended; else gives it back to be tried again.
    fn finish(&self, mut job: Waiting, open: bool) -> Option<Waiting> {
        let violation = &mut job.violation;
        let made = match &job.source {
            Some(source) => package(violation, &source.ring, &source.camera, &self.writer, self.config.span(violation)),
            None => Err(anyhow::anyhow!("no such camera")),
        };
        match made {
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

/// Cuts, decodes, writes and signs one package.
pub(crate) fn package(
    violation: &Violation,
    ring: &Ring,
    camera: &CameraConfig,
    writer: &Writer,
    (from, to): (UtcUs, UtcUs),
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
    let site = if camera.site.is_empty() { &camera.name } else { &camera.site };
    Ok(writer.write(&Package { violation, site, device: camera.device.as_ref(), files })?)
}
