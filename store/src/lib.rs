//! Spool, embedded ClickHouse, ClickHouse writer and queries, evidence.
//!
//! The durable path: an event goes into the [`spool`] first, from there in batches to ClickHouse ([`ship`]), where
//! [`queries`] find it. Without a server of one's own ClickHouse is [`embedded`]. [`evidence`] writes the signed
//! packages that prove a violation. Between machines events travel by [`kafka`].
//!
//! Only this crate touches ClickHouse and Kafka.

pub mod embedded;
pub mod envelope;
pub mod evidence;
pub mod kafka;
pub mod migrations;
pub mod queries;
pub mod retention;
pub mod ship;
pub mod spool;
mod store;
mod tls;

pub use store::{Endpoint, Store, StoreError};
