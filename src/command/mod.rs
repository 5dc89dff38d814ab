//! One file a command.

pub(crate) mod bench;
mod bench_density;
mod bench_pages;
mod bench_plates;
pub(crate) mod camera;
pub(crate) mod camera_publish;
pub(crate) mod chdb;
pub(crate) mod check;
mod detector_recall;
pub(crate) mod key;
pub(crate) mod migrate;
pub(crate) mod models;
pub(crate) mod read_plates;
pub(crate) mod replay;
pub(crate) mod run;
pub(crate) mod scene;
pub(crate) mod score;
pub(crate) mod sections;
pub(crate) mod sink;
pub(crate) mod user;
pub(crate) mod verify;

use std::io::Write as _;

/// Prints a line to standard output.
pub(crate) fn say(line: impl std::fmt::Display) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{line}")
}

/// Prints one JSON object, a line of its own.
pub(crate) fn say_json<T: serde::Serialize>(value: &T) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, value)?;
    writeln!(out)?;
    Ok(())
}
