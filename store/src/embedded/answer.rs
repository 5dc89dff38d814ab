//! From the engine's rows to the body of an HTTP answer.

use std::{
    io,
    os::fd::AsRawFd as _,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use axum::{body::Body, http::Response};
use bytes::{Bytes, BytesMut};
use tokio::{io::AsyncReadExt as _, net::unix::pipe, task::JoinHandle};

use super::{
    ffi::{Engine, Output},
    frame,
    http::Statement,
    reply::{Failure, content_type, insert},
};

/// Answers up to this length are held back until they are whole, as in ClickHouse (`buffer_size`).
const HELD_BACK: usize = 1 << 20;
/// Read from the engine at once.
const CHUNK: usize = 1 << 18;

/// How the client wants its answer.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Wishes {
    /// The content coding it takes.
    pub(super) coding: Option<&'static str>,
    /// It said that it looks at the coding.
    pub(super) may_code: bool,
    /// In ClickHouse's own blocks.
    pub(super) framed: bool,
    /// Not before it is whole.
    pub(super) whole: bool,
}

/// Where the engine shall write rows.
pub(super) struct Outlet {
    pub(super) path: String,
    pub(super) coding: Option<&'static str>,
    /// Stands in the statement as a comment and in no other.
    pub(super) mark: String,
}

/// A statement that succeeded.
pub(super) struct Answered {
    pub(super) output: Output,
    pub(super) format: String,
    /// Its rows went into the outlet; else they are in `output`.
    pub(super) piped: bool,
}

type Job = JoinHandle<Result<Answered, Failure>>;

/// Runs the statement and answers. `held` is let go when the engine is done.
pub(super) async fn respond<T: Send + 'static>(
    engine: &'static Engine,
    statement: Statement,
    held: T,
) -> Result<Response<Body>, Failure> {
    // ClickHouse's blocks are packed already.
    let wishes = Wishes { coding: statement.wishes.coding.filter(|_| !statement.wishes.framed), ..statement.wishes };
    let format = statement.asked_format();
    // ClickHouse's own client in us waits for the whole answer: then the engine's memory serves as well as a pipe.
    if wishes.whole && wishes.coding.is_none() {
        let job = tokio::task::spawn_blocking(move || {
            let done = statement.run(engine, None);
            drop(held);
            done
        });
        return whole(finished(job).await?, None, wishes);
    }
    let failed = |error: io::Error| Failure::new(1002, "UNKNOWN_EXCEPTION", format_args!("pipe: {error}"));
    let (reader, writer) = io::pipe().map_err(failed)?;
    let rows = pipe::Receiver::from_owned_fd(reader.into()).map_err(failed)?;
    let mark = format!("stopline answer {}", ANSWERS.fetch_add(1, Ordering::Relaxed));
    let outlet =
        Outlet { path: format!("/proc/self/fd/{}", writer.as_raw_fd()), coding: wishes.coding, mark: mark.clone() };
    let job = tokio::task::spawn_blocking(move || {
        let done = statement.run(engine, Some(&outlet));
        // With our end of the pipe the last one closes: whoever reads sees the end.
        drop((writer, held));
        done
    });
    let mut streamed = Streamed { begun: None, rows, job: Some(job), framed: wishes.framed, engine, mark };
    let mut begun = BytesMut::new();
    let most = if wishes.whole { usize::MAX } else { HELD_BACK };
    while begun.len() < most {
        begun.reserve(CHUNK);
        if streamed.rows.read_buf(&mut begun).await.map_err(failed)? == 0 {
            return whole(streamed.answered().await?, Some(begun.freeze()), wishes);
        }
    }
    streamed.begun = Some(begun.freeze());
    let body = Body::from_stream(streamed.stream());
    let mut response = Response::new(body);
    headers(&mut response, &format, wishes);
    Ok(response)
}

async fn finished(job: Job) -> Result<Answered, Failure> {
    job.await.map_err(|error| Failure::new(1002, "UNKNOWN_EXCEPTION", format_args!("{error}")))?
}

/// An answer that is all there.
fn whole(answered: Answered, piped: Option<Bytes>, wishes: Wishes) -> Result<Response<Body>, Failure> {
    let Answered { output, format, piped: was_piped } = answered;
    let summary = output.summary();
    let (bytes, coded) = match piped {
        Some(bytes) if was_piped => (bytes, true),
        _ => (Bytes::from_owner(output), false),
    };
    let bytes = if wishes.framed { frame::pack(&bytes).into() } else { bytes };
    let mut response = Response::new(Body::from(bytes));
    headers(&mut response, &format, Wishes { coding: wishes.coding.filter(|_| coded), ..wishes });
    insert(&mut response, "x-clickhouse-summary", &summary);
    Ok(response)
}

fn headers(response: &mut Response<Body>, format: &str, wishes: Wishes) {
    insert(response, "content-type", content_type(format));
    insert(response, "x-clickhouse-format", format);
    insert(response, "x-clickhouse-timezone", "UTC");
    if let Some(coding) = wishes.coding {
        insert(response, "content-encoding", coding);
    }
}

/// Answers begun, to tell their statements apart.
static ANSWERS: AtomicU64 = AtomicU64::new(0);
/// How often a statement whose client has gone is told to stop: the first time may come before the engine knows it.
const STOP_EVERY: Duration = Duration::from_millis(200);

/// An answer on its way.
struct Streamed {
    begun: Option<Bytes>,
    rows: pipe::Receiver,
    job: Option<Job>,
    framed: bool,
    engine: &'static Engine,
    mark: String,
}

impl Streamed {
    async fn answered(&mut self) -> Result<Answered, Failure> {
        let job = self.job.as_mut().ok_or_else(|| Failure::new(1002, "UNKNOWN_EXCEPTION", "asked twice"))?;
        let done = job.await;
        self.job = None;
        done.map_err(|error| Failure::new(1002, "UNKNOWN_EXCEPTION", format_args!("{error}")))?
    }

    fn stream(self) -> impl futures::Stream<Item = io::Result<Bytes>> {
        futures::stream::try_unfold(self, |mut this| async move {
            let chunk = match this.begun.take() {
                Some(begun) => begun,
                None => {
                    let mut chunk = BytesMut::with_capacity(CHUNK);
                    match this.rows.read_buf(&mut chunk).await? {
                        0 => return this.end().await.map(|()| None),
                        _ => chunk.freeze(),
                    }
                }
            };
            let chunk = if this.framed { frame::pack(&chunk).into() } else { chunk };
            Ok(Some((chunk, this)))
        })
    }

    /// What was sent is the whole answer, or the connection breaks off.
    async fn end(&mut self) -> io::Result<()> {
        match self.answered().await {
            Ok(_) => Ok(()),
            Err(failure) => {
                tracing::warn!(?failure, "a statement failed in the middle of its answer");
                Err(io::Error::other("the statement failed"))
            }
        }
    }
}

impl Drop for Streamed {
    /// The client has gone in the middle. The engine would go on to the end of the statement, without a reader and in one
    /// of the few places there are.
    fn drop(&mut self) {
        let (Some(job), engine) = (self.job.take(), self.engine) else { return };
        let sql = format!("KILL QUERY WHERE position(query, '/* {} */') > 0 ASYNC", self.mark);
        tokio::spawn(async move {
            while !job.is_finished() {
                let sql = sql.clone();
                let killed = tokio::task::spawn_blocking(move || {
                    let mut session = engine.session().map_err(|error| error.to_string())?;
                    session.run(sql.as_bytes(), "Null", &[]).map(drop)
                });
                if let Ok(Err(reason)) = killed.await {
                    tracing::warn!(reason, "a statement without a reader could not be stopped");
                }
                tokio::time::sleep(STOP_EVERY).await;
            }
        });
    }
}
