//! `stopline verify`: an evidence package, or all below a folder, checked offline.

use std::path::Path;

use super::{say, say_json};
use crate::{Outcome, WrongUse};

pub(crate) fn run(path: &Path, key: Option<&Path>, json: bool) -> anyhow::Result<Outcome> {
    if !path.exists() {
        return Err(WrongUse(format!("{}: no such file or folder", path.display())).into());
    }
    match stopline_store::evidence::verify(path, key) {
        Ok(report) => {
            if json {
                say_json(&report)?;
            } else {
                say(&report)?;
            }
            Ok(Outcome::Success)
        }
        Err(fault) => {
            if json {
                say_json(&serde_json::json!({ "ok": false, "fault": fault.to_string() }))?;
            } else {
                say(format!("NOT PROVEN: {fault}"))?;
            }
            Ok(Outcome::Negative)
        }
    }
}
