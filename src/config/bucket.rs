//! `[evidence.bucket]`: evidence copied into an S3-compatible store.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use stopline_store::evidence::BucketConfig;
use url::Url;

use super::{Fault, engine::secret};

/// The table as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BucketRaw {
    /// `https://host[:port]` of the store.
    endpoint: String,
    /// The bucket's name.
    name: String,
    /// Folder in it that is ours alone; all of the bucket unless given.
    #[serde(default)]
    prefix: String,
    #[serde(default = "region")]
    region: String,
    /// Access key.
    access_key: String,
    /// Where the secret key stands.
    secret_key_env: Option<String>,
    secret_key_file: Option<PathBuf>,
    /// Trust these certificates (PEM) instead of the system's.
    ca_file: Option<PathBuf>,
}

fn region() -> String {
    "us-east-1".to_owned()
}

pub(super) fn resolve(raw: BucketRaw, file: &Path, dir: &Path) -> Result<BucketConfig, Fault> {
    let fault = |key: &str, reason: String| Fault::new(file, format!("evidence.bucket.{key}"), reason);
    // Never shown: a secret may stand in it.
    let endpoint = Url::parse(&raw.endpoint).ok().filter(|url| url.host().is_some());
    let endpoint = endpoint.filter(|url| matches!(url.scheme(), "https" | "http") && url.path() == "/");
    let plain = endpoint.filter(|url| url.username().is_empty() && url.password().is_none() && url.query().is_none());
    let Some(url) = plain else {
        return Err(fault("endpoint", "expected https://host[:port] (or http://) and nothing behind it".into()));
    };
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
    if !(3..=63).contains(&raw.name.len()) || !raw.name.chars().all(good) {
        return Err(fault("name", format!("expected 3 to 63 of a-z, 0-9, '.', '-', found {:?}", raw.name)));
    }
    let prefix = raw.prefix.trim_matches('/').to_owned();
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/');
    if prefix.len() > 200 || !prefix.chars().all(good) || prefix.contains("//") {
        return Err(fault("prefix", "expected letters, digits, '.', '-', '_' and '/'".into()));
    }
    let ca_file = raw.ca_file.map(|path| dir.join(path));
    if let Some(path) = ca_file.as_ref().filter(|path| !path.is_file()) {
        return Err(fault("ca_file", format!("{}: no such file", path.display())));
    }
    let secret_key = match secret(raw.secret_key_env, raw.secret_key_file, dir) {
        Ok(Some(secret)) => secret,
        Ok(None) => return Err(fault("secret_key_env", "expected it or secret_key_file".into())),
        Err((key, reason)) => return Err(fault(&key.replace("password", "secret_key"), reason)),
    };
    Ok(BucketConfig {
        endpoint: url.as_str().trim_end_matches('/').to_owned(),
        bucket: raw.name,
        prefix,
        region: raw.region,
        access_key: raw.access_key,
        secret_key,
        ca_file,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<BucketConfig, String> {
        let dir = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(dir.path().join("secret"), "hunter2\n").expect("written");
        let raw = toml::from_str(text).map_err(|error| error.to_string())?;
        resolve(raw, Path::new("stopline.toml"), dir.path()).map_err(|fault| fault.to_string())
    }

    #[test]
    fn faults_name_their_key() {
        let rest = "access_key = \"a\"\nsecret_key_file = \"secret\"\n";
        let good =
            load(&format!("endpoint = \"https://s3.example:9000\"\nname = \"proofs\"\nprefix = \"/a/b/\"\n{rest}"));
        let good = good.expect("usual");
        assert_eq!(
            (good.to_string().as_str(), good.secret_key.as_str()),
            ("https://s3.example:9000/proofs/a/b", "hunter2")
        );
        for (text, said) in [
            ("endpoint = \"https://u:hunter2@s3.example\"\nname = \"proofs\"", "evidence.bucket.endpoint"),
            ("endpoint = \"s3.example\"\nname = \"proofs\"", "evidence.bucket.endpoint"),
            ("endpoint = \"https://s3.example/proofs\"\nname = \"proofs\"", "evidence.bucket.endpoint"),
            ("endpoint = \"https://s3.example\"\nname = \"Proofs\"", "evidence.bucket.name"),
            ("endpoint = \"https://s3.example\"\nname = \"proofs\"\nca_file = \"gone\"", "evidence.bucket.ca_file"),
        ] {
            let fault = load(&format!("{text}\n{rest}")).expect_err(text);
            assert!(fault.contains(said) && !fault.contains("hunter2"), "{text}: {fault}");
        }
        let fault =
            load("endpoint = \"https://s3.example\"\nname = \"proofs\"\naccess_key = \"a\"").expect_err("no secret");
        assert!(fault.contains("secret_key_env"), "{fault}");
    }
}
