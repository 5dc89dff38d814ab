//! `stopline verify`: an evidence package, or all below a folder, checked offline.

use std::path::Path;

use stopline_store::evidence::{PublicKey, Trust, VerifyError, verify};

use super::{say, say_json};
use crate::{Outcome, WrongUse};

pub(crate) fn run(path: &Path, key: Option<&Path>, json: bool) -> anyhow::Result<Outcome> {
    if !path.exists() {
        return Err(WrongUse(format!("{}: no such file or folder", path.display())).into());
    }
    let key = key.map(PublicKey::read).transpose()?;
    match verify(path, key.as_ref()) {
        Ok(report) => {
            let trust = match report.trust {
                Trust::Given => "the key given",
                Trust::Root => "the evidence folder's own key",
                Trust::Package => "the key inside the package: shows only that it agrees with itself",
            };
            if json {
                say_json(&serde_json::json!({
                    "ok": true,
                    "packages": report.packages,
                    "files": report.files,
                    "bytes": report.bytes,
                    "chains": report.chains,
                    "key_id": report.key_id,
                    "trust": trust,
                }))?;
            } else {
                let (packages, files, chains) = (report.packages, report.files, report.chains.len());
                say(format!("sound: {packages} packages, {files} files, {chains} whole chains"))?;
                say(format!("signed by {}, checked with {trust}", report.key_id))?;
            }
            Ok(Outcome::Success)
        }
        Err(VerifyError::NothingThere { .. }) => {
            Err(WrongUse(format!("{}: no evidence package and no evidence folder", path.display())).into())
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
