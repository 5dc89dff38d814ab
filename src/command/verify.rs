//! `stopline verify`: an evidence package, or all below a folder, checked offline.

use std::path::Path;

use stopline_store::evidence::{Bucket, PublicKey, Trust, VerifyError, verify, verify_bucket};

use super::{say, say_json};
use crate::{Outcome, WrongUse, config::EngineConfig};

pub(crate) fn run(dir: &Path, path: &Path, key: Option<&Path>, json: bool) -> anyhow::Result<Outcome> {
    let key = key.map(PublicKey::read).transpose()?;
    let checked = match path.to_str().and_then(|path| path.strip_prefix("s3://")) {
        Some(object) => {
            let (bucket, path) = in_bucket(dir, object)?;
            verify_bucket(bucket, &path, key.as_ref())
        }
        None if !path.exists() => {
            return Err(WrongUse(format!("{}: no such file or folder", path.display())).into());
        }
        None => verify(path, key.as_ref()),
    };
    match checked {
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

/// The configured bucket, and the path below its prefix that `object` (`BUCKET/…`) means.
fn in_bucket(dir: &Path, object: &str) -> anyhow::Result<(Bucket, String)> {
    let Some(config) = EngineConfig::load(dir)?.bucket else {
        let file = dir.join("stopline.toml");
        return Err(WrongUse(format!("{}: no [evidence.bucket]; who may read s3://{object}?", file.display())).into());
    };
    let Some(below) = below(&config.bucket, &config.prefix, object) else {
        let whole = format!("s3://{}/{}", config.bucket, config.prefix);
        return Err(WrongUse(format!("s3://{object}: evidence.bucket is {whole}")).into());
    };
    let below = below.to_owned();
    Ok((Bucket::new(config)?, below))
}

/// What of `object` lies below bucket and prefix; nothing if it lies elsewhere.
fn below<'a>(bucket: &str, prefix: &str, object: &'a str) -> Option<&'a str> {
    let of = |object: &'a str, part: &str| {
        let rest = object.strip_prefix(part)?;
        (rest.is_empty() || rest.starts_with('/')).then(|| rest.trim_start_matches('/'))
    };
    let object = of(object.trim_end_matches('/'), bucket)?;
    if prefix.is_empty() { Some(object) } else { of(object, prefix) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_lie_below_bucket_and_prefix() {
        assert_eq!(below("proofs", "a/b", "proofs/a/b"), Some(""));
        assert_eq!(below("proofs", "a/b", "proofs/a/b/"), Some(""));
        assert_eq!(below("proofs", "a/b", "proofs/a/b/cam-1/2026"), Some("cam-1/2026"));
        assert_eq!(below("proofs", "", "proofs/cam-1"), Some("cam-1"));
        for elsewhere in ["proofs/a/bc", "proofs/a", "proofs2/a/b", ""] {
            assert_eq!(below("proofs", "a/b", elsewhere), None, "{elsewhere}");
        }
    }
}
