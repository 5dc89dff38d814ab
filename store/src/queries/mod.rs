//! Questions about the past, in the words of `stopline_types::history`. Every value of a user is bound as a parameter.
//!
//! Tables are read with `FINAL`, so that rows that were written twice count once. What is counted comes from the roll-ups of
//! migration 4.

mod aside;
mod cases;
mod chosen;
mod counts;
mod export;
mod filter;
mod hours;
mod passages;
mod plates;
mod tally;

pub use aside::DeadLetter;
pub use counts::{TableCount, TableName};

use filter::Filter;
pub(crate) use hours::unsettled as unsettled_hours;
use serde::de::DeserializeOwned;

use crate::StoreError;

/// Rows a question may ask for at once.
pub const MOST_ROWS: u32 = 10_000;

/// The event in a row's `body`.
fn event<T: DeserializeOwned>(table: &'static str, body: &str) -> Result<T, StoreError> {
    serde_json::from_str(body).map_err(|error| StoreError::Row { table, reason: error.to_string() })
}

/// `limit` of a filter as ClickHouse gets it: 0 means [`MOST_ROWS`].
fn limit(limit: u32) -> u32 {
    if limit == 0 { MOST_ROWS } else { limit.min(MOST_ROWS) }
}
