//! Spool, embedded ClickHouse, ClickHouse writer and queries, evidence.
