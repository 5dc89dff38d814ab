//! The hidden child process of the embedded ClickHouse.

use stopline_store::embedded::{ServeArgs, serve};

use crate::Outcome;

pub(crate) fn run(args: &str) -> anyhow::Result<Outcome> {
    serve(&ServeArgs::parse(args)?)?;
    Ok(Outcome::Success)
}
