//! Spool, embedded ClickHouse, ClickHouse writer and queries, evidence.
//!
//! The durable path: an event goes into the [`spool`] first, from there in batches to ClickHouse ([`ship`]), where
//! [`queries`] find it. Without a server of one's own ClickHouse is [`embedded`]. [`evidence`] writes the signed
//! packages that prove a violation.
//!
//! Only this crate touches ClickHouse.

pub mod embedded;
pub mod evidence;
pub mod migrations;
pub mod queries;
pub mod ship;
pub mod spool;
mod store;

pub use store::{Endpoint, Store, StoreError};
