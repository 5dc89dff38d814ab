//! The hidden child process of the embedded ClickHouse.

use crate::Outcome;

pub(crate) fn run(args: &str) -> anyhow::Result<Outcome> {
    stopline_store::embedded::serve(serde_json::from_str(args)?)?;
    Ok(Outcome::Success)
}
