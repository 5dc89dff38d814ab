//! ClickHouse without a server: chDB (`libchdb.so`, ClickHouse's engine as a library) in a child process that answers
//! ClickHouse's HTTP interface on loopback.
//!
//! The child is [`serve`]; [`Embedded`] keeps one running. The engine lives in a child because it is 500 MB of foreign
//! code: when it dies, it is started again and nothing else notices but by waiting.
//!
//! What the HTTP side understands, so that the `clickhouse` crate and clickhouse-connect work unchanged: `GET /ping`; `POST`
//! and `GET /` (which may change nothing) with the statement in `query`, the body, or a form field; `database`,
//! `default_format`, `query_id`, `param_*` and any setting as URL parameters; Basic, `X-ClickHouse-User`/`-Key` or
//! `user`/`password` credentials; data of an `INSERT … FORMAT …` behind the statement or alone in the body, plain, with a
//! `Content-Encoding` that the engine can read (gzip, deflate, br, zstd, lz4 frames), or in ClickHouse's own blocks
//! (`decompress=1`). Answers carry `X-ClickHouse-Format`, `-Query-Id` and `-Summary`, and on failure a status of 4xx or
//! 5xx with `X-ClickHouse-Exception-Code` and ClickHouse's text. They are packed where the client asks
//! (`enable_http_compression=1` with `Accept-Encoding`, or `compress=1` for ClickHouse's blocks).
//!
//! An answer longer than 1 MiB streams, in bounded memory: the engine writes it into a pipe (`INTO OUTFILE`), packing it
//! itself, and waits while the client is slow. It then has no `-Summary`, and a statement that fails in the middle breaks
//! the connection off, so that half an answer is never taken for a whole one. `wait_end_of_query=1` holds an answer back
//! until it is whole.
//!
//! What it does not understand: external tables, and sessions that outlive a request (`session_id` is ignored), so no
//! temporary tables. `GET /health` tells whether the engine itself answers; the keeper asks it.

mod answer;
mod ffi;
mod frame;
mod http;
mod password;
mod reply;
mod serve;
mod statement;
mod supervise;

use std::path::PathBuf;

pub use serve::{Listen, ServeArgs, serve};
pub use supervise::{Embedded, EmbeddedConfig, EmbeddedState, EmbeddedStatus, HUNG_AFTER};

/// What can go wrong around the embedded engine.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// The library is missing or is not libchdb 26.x.
    #[error("cannot load {path}: {reason}; run `make setup` to fetch it")]
    Library {
        /// Where it was looked for.
        path: PathBuf,
        /// What the loader said.
        reason: String,
    },
    /// The engine refused the data folder.
    #[error("the embedded ClickHouse could not open its data folder")]
    Open,
    /// Another process works in the data folder.
    #[error("{path} is in use by another process{holder}")]
    Locked {
        /// The data folder.
        path: PathBuf,
        /// ` (process N)`, or empty when unknown.
        holder: String,
    },
    /// A file or socket operation failed.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done, with the path.
        doing: String,
        /// The cause.
        source: std::io::Error,
    },
    /// The child ended before it answered.
    #[error("the embedded ClickHouse did not start: {reason}")]
    Start {
        /// Its exit status and last words.
        reason: String,
    },
    /// The hidden command was called with something else than [`ServeArgs`].
    #[error("arguments of the embedded ClickHouse: {0}")]
    Args(#[from] serde_json::Error),
}

impl EmbeddedError {
    fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }
}
