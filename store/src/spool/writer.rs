//! The one thread that appends.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering, mpsc},
    time::Instant,
};

use super::{Appended, Counters, QUEUE, SpoolError, SpoolLimits, file::SpoolFile, record::Record, room};

/// Bytes after which a group is committed even if more requests wait.
const GROUP_BYTES: usize = 16 << 20;

pub(super) enum Signal {
    Append(Request),
    /// Records were deleted.
    Room,
}

/// One caller's append.
pub(super) struct Request {
    pub(super) records: Vec<Record>,
    reply: mpsc::SyncSender<Result<Appended, SpoolError>>,
    /// When a request that found no room gives up; set when it first finds none.
    deadline: Option<Instant>,
}

impl Request {
    pub(super) fn new(records: Vec<Record>, reply: mpsc::SyncSender<Result<Appended, SpoolError>>) -> Self {
        Self { records, reply, deadline: None }
    }

    fn answer(self, answer: Result<Appended, SpoolError>) {
        // The caller waits in `append`; if its thread has died, nobody is owed an answer.
        let _caller_gone = self.reply.send(answer);
    }
}

/// What one request got within a group.
pub(super) enum Verdict {
    Stored(Appended),
    NoRoom { used: u64, wanted: u64 },
}

pub(super) struct Writer {
    file: Arc<SpoolFile>,
    limits: SpoolLimits,
    counters: Arc<Counters>,
    /// Requests that found no room, oldest first; at most [`QUEUE`].
    waiting: VecDeque<Request>,
}

impl Writer {
    pub(super) fn new(file: Arc<SpoolFile>, limits: SpoolLimits, counters: Arc<Counters>) -> Self {
        Self { file, limits, counters, waiting: VecDeque::new() }
    }

    pub(super) fn run(mut self, requests: &mpsc::Receiver<Signal>) {
        loop {
            let signal = match self.waiting.front().and_then(|request| request.deadline) {
                None => requests.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected),
                Some(deadline) => requests.recv_timeout(deadline.saturating_duration_since(Instant::now())),
            };
            let mut group = Vec::new();
            match signal {
                Ok(Signal::Append(request)) => group.push(request),
                Ok(Signal::Room) | Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            }
            let size = |request: &Request| request.records.iter().map(|record| record.json.len()).sum::<usize>();
            let mut bytes: usize = group.iter().map(size).sum();
            while bytes < GROUP_BYTES && group.len() < QUEUE {
                match requests.try_recv() {
                    Ok(Signal::Append(request)) => {
                        bytes += size(&request);
                        group.push(request);
                    }
                    Ok(Signal::Room) => {}
                    Err(_) => break,
                }
            }
            // Those that wait go first, so that they are not overtaken for ever.
            let group: Vec<_> = self.waiting.drain(..).chain(group).collect();
            self.commit(group);
        }
        for request in std::mem::take(&mut self.waiting) {
            request.answer(Err(SpoolError::Closed));
        }
    }

    /// Commits a group in one transaction, then answers.
    fn commit(&mut self, group: Vec<Request>) {
        if group.is_empty() {
            return;
        }
        let limit = self.limits.bytes;
        let committed = self.file.write(|txn| {
            let mut room = room::Room::open(txn, limit)?;
            let mut verdicts = Vec::with_capacity(group.len());
            for request in &group {
                verdicts.push(room.append(&request.records)?);
            }
            room.close()?;
            Ok(verdicts)
        });
        match committed {
            Err(error) => {
                for request in group {
                    request.answer(Err(error.clone()));
                }
            }
            Ok(verdicts) => {
                self.counters.commits.fetch_add(1, Ordering::Relaxed);
                for (request, verdict) in group.into_iter().zip(verdicts) {
                    match verdict {
                        Verdict::Stored(appended) => request.answer(Ok(appended)),
                        Verdict::NoRoom { used, wanted } => self.hold(request, used, wanted),
                    }
                }
            }
        }
    }

    /// Keeps a request that found no room until its time is over.
    fn hold(&mut self, mut request: Request, used: u64, wanted: u64) {
        let deadline = *request.deadline.get_or_insert_with(|| Instant::now() + self.limits.wait);
        // What is larger than the whole spool will never fit.
        let hopeless = wanted > self.limits.bytes || self.waiting.len() >= QUEUE;
        if hopeless || Instant::now() >= deadline {
            request.answer(Err(SpoolError::Full { used, limit: self.limits.bytes, wanted }));
        } else {
            self.waiting.push_back(request);
        }
    }
}
