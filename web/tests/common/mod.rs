//! What the API tests share.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, dead_code)]

pub mod made;
pub mod memory;
pub mod site;
