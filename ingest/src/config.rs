//! What a camera file says about its streams, and its check.
//!
//! ```toml
//! [streams]
//! main = { url = "rtsp://10.0.0.7/Streaming/Channels/101" }
//! sub  = { url = "rtsp://10.0.0.7/Streaming/Channels/102" }
//!
//! [credentials]
//! user = "viewer"
//! password_env = "GATE_3_PASSWORD"     # or password_file = "/run/secrets/gate-3"
//! ```

use std::path::PathBuf;

use serde::Deserialize;
use stopline_types::StreamRole;

use crate::{
    secret::{Login, Password, StreamUrl},
    tunnel::Trust,
};

/// Table `streams` of a camera file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamsConfig {
    /// Full size: evidence and plates.
    pub main: Option<StreamConfig>,
    /// Small: analysis.
    pub sub: Option<StreamConfig>,
    /// Which one is decoded and analysed. Default: `sub` if there is one, else `main`.
    pub analyse: Option<StreamRole>,
    /// Decode key frames only while the road is quiet, as packet sizes tell. Saves most of the decoding on quiet roads.
    #[serde(default)]
    pub gate: bool,
    /// For `rtsps`: file with the certificates (PEM) of the only authorities believed; the camera's own, if it signed
    /// itself. Default: those of the system.
    pub ca_file: Option<PathBuf>,
    /// For `rtsps`: the name the camera's certificate is for, if that is not the host of the address.
    pub tls_name: Option<String>,
}

/// One stream.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamConfig {
    /// `rtsp://host[:port]/path`, or `rtsps://…` for TLS. A user name and password in it work, but `[credentials]` keeps them out of files.
    pub url: String,
    /// How the packets travel: `tcp` (the default) or `udp`.
    #[serde(default)]
    pub transport: Transport,
}

impl std::fmt::Debug for StreamConfig {
    /// Without the URL's secrets; an unparsable URL is not shown at all.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match StreamUrl::parse(&self.url) {
            Ok((url, _)) => write!(f, "StreamConfig({url})"),
            Err(_) => f.write_str("StreamConfig(unusable url)"),
        }
    }
}

/// How packets travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// Interleaved in the RTSP connection (RFC 2326 section 10.12): passes firewalls, loses nothing on the way.
    #[default]
    Tcp,
    /// Datagrams of their own, for cameras that know nothing else. Packets that arrive out of order are lost: for
    /// a local network only.
    Udp,
}

/// Table `credentials` of a camera file. The password itself never stands in a file that is checked in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialsConfig {
    /// The user name.
    pub user: String,
    /// Name of the environment variable that holds the password.
    pub password_env: Option<String>,
    /// File that holds the password; one newline at its end is dropped.
    pub password_file: Option<PathBuf>,
}

/// What is wrong with a key of a camera file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct ConfigError {
    /// The key, with dots, e.g. `streams.main.url`.
    pub key: String,
    /// Expected and found; never holds a secret.
    pub reason: String,
}

/// A stream that can be opened.
#[derive(Debug, Clone)]
pub struct StreamSource {
    /// Where.
    pub url: StreamUrl,
    /// As whom.
    pub login: Option<Login>,
    /// How packets travel.
    pub(crate) transport: Transport,
    /// Whom to believe, for `rtsps`.
    pub(crate) trust: Option<Trust>,
}

/// The streams of a camera, checked. At least one is there, and the analysed one is.
#[derive(Debug, Clone)]
pub struct Streams {
    pub(crate) main: Option<StreamSource>,
    pub(crate) sub: Option<StreamSource>,
    pub(crate) analysed: StreamRole,
    pub(crate) gate: bool,
}

impl Streams {
    /// The stream of that role.
    #[must_use]
    pub fn get(&self, role: StreamRole) -> Option<&StreamSource> {
        match role {
            StreamRole::Main => self.main.as_ref(),
            StreamRole::Sub => self.sub.as_ref(),
        }
    }

    /// The one that is decoded and analysed.
    #[must_use]
    pub fn analysed(&self) -> StreamRole {
        self.analysed
    }

    /// The streams that are of use: the analysed one, and the one kept for evidence.
    pub(crate) fn used(&self) -> Vec<StreamRole> {
        let wanted = [self.analysed(), self.evidence()];
        [StreamRole::Main, StreamRole::Sub].into_iter().filter(|role| wanted.contains(role)).collect()
    }

    /// Whether the stream kept for evidence is the same in both: packets of it may stand in one ring.
    #[must_use]
    pub fn is_evidence_of(&self, other: &Self) -> bool {
        let kept = |streams: &Self| streams.get(streams.evidence()).map(|source| source.url.clone());
        self.evidence() == other.evidence() && kept(self) == kept(other)
    }

    /// Whether only key frames are decoded while the road is quiet.
    #[must_use]
    pub fn is_gated(&self) -> bool {
        self.gate
    }

    /// The one whose packets are kept for evidence: `main` if there is one, else `sub`.
    #[must_use]
    pub fn evidence(&self) -> StreamRole {
        if self.main.is_some() { StreamRole::Main } else { StreamRole::Sub }
    }
}

impl StreamsConfig {
    /// Checks the streams and reads the password.
    pub fn resolve(&self, credentials: Option<&CredentialsConfig>) -> Result<Streams, ConfigError> {
        let login = credentials.map(|c| c.resolve(|name| std::env::var_os(name))).transpose()?;
        let source = |config: &Option<StreamConfig>, role: StreamRole| {
            config.as_ref().map(|config| config.resolve(role, login.as_ref(), self)).transpose()
        };
        let main = source(&self.main, StreamRole::Main)?;
        let sub = source(&self.sub, StreamRole::Sub)?;
        let analysed = match (self.analyse, &main, &sub) {
            (_, None, None) => return Err(error("streams", "expected main, sub or both; found neither")),
            (Some(StreamRole::Main), None, _) => return Err(error("streams.analyse", "is main, but there is no main")),
            (Some(StreamRole::Sub), _, None) => return Err(error("streams.analyse", "is sub, but there is no sub")),
            (Some(role), ..) => role,
            (None, _, Some(_)) => StreamRole::Sub,
            (None, Some(_), None) => StreamRole::Main,
        };
        Ok(Streams { main, sub, analysed, gate: self.gate })
    }
}

impl StreamConfig {
    fn resolve(
        &self,
        role: StreamRole,
        login: Option<&Login>,
        streams: &StreamsConfig,
    ) -> Result<StreamSource, ConfigError> {
        let key = format!("streams.{role}.url");
        let (url, inline) = StreamUrl::parse(&self.url).map_err(|reason| error(&key, &reason))?;
        let login = match (inline, login) {
            (Some(_), Some(_)) => return Err(error(&key, "holds a user name while [credentials] is there: keep one")),
            (inline, login) => inline.or_else(|| login.cloned()),
        };
        if !url.is_tls() {
            return Ok(StreamSource { url, login, transport: self.transport, trust: None });
        }
        if self.transport == Transport::Udp {
            let key = format!("streams.{role}.transport");
            return Err(error(&key, "is udp, which would leave TLS; expected tcp with rtsps"));
        }
        let trust = Trust::new(streams.ca_file.as_deref(), streams.tls_name.as_deref(), &url);
        let trust = trust.map_err(|reason| error("streams.ca_file", &reason))?;
        Ok(StreamSource { url, login, transport: self.transport, trust: Some(trust) })
    }
}

#[cfg(feature = "fuzz")]
impl StreamSource {
    pub(crate) fn of(url: StreamUrl) -> Self {
        Self { url, login: None, transport: Transport::Tcp, trust: None }
    }
}

#[cfg(test)]
impl StreamSource {
    pub(crate) fn plain(url: StreamUrl, login: Option<Login>) -> Self {
        Self { url, login, transport: Transport::Tcp, trust: None }
    }
}

impl CredentialsConfig {
    fn resolve(&self, env: impl Fn(&str) -> Option<std::ffi::OsString>) -> Result<Login, ConfigError> {
        if self.user.is_empty() {
            return Err(error("credentials.user", "is empty"));
        }
        let (key, password) = match (&self.password_env, &self.password_file) {
            (Some(name), None) => {
                let key = "credentials.password_env";
                let value = env(name).ok_or_else(|| error(key, &format!("environment variable {name} is not set")))?;
                (key, value.into_string().map_err(|_| error(key, &format!("the value of {name} is not UTF-8")))?)
            }
            (None, Some(path)) => {
                let key = "credentials.password_file";
                let text = std::fs::read_to_string(path)
                    .map_err(|e| error(key, &format!("cannot read {}: {e}", path.display())))?;
                let line = text.strip_suffix('\n').unwrap_or(&text);
                (key, line.strip_suffix('\r').unwrap_or(line).to_owned())
            }
            _ => return Err(error("credentials", "expected exactly one of password_env and password_file")),
        };
        if password.is_empty() {
            return Err(error(key, "the password is empty"));
        }
        Ok(Login { user: self.user.clone(), password: Password::new(password) })
    }
}

fn error(key: &str, reason: &str) -> ConfigError {
    ConfigError { key: key.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn streams(json: serde_json::Value) -> StreamsConfig {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn the_small_stream_is_analysed_and_the_large_one_kept() {
        let both = streams(serde_json::json!({"main": {"url": "rtsp://h/1"}, "sub": {"url": "rtsp://h/2"}}));
        let resolved = both.resolve(None).unwrap();
        assert_eq!((resolved.analysed(), resolved.evidence()), (StreamRole::Sub, StreamRole::Main));
        let one = streams(serde_json::json!({"sub": {"url": "rtsp://h/2"}})).resolve(None).unwrap();
        assert_eq!((one.analysed(), one.evidence()), (StreamRole::Sub, StreamRole::Sub));
        assert!(one.get(StreamRole::Main).is_none());
    }

    #[test]
    fn faults_name_the_key() {
        let key = |json| streams(json).resolve(None).unwrap_err().key;
        assert_eq!(key(serde_json::json!({})), "streams");
        assert_eq!(key(serde_json::json!({"main": {"url": "ftp://h"}})), "streams.main.url");
        assert_eq!(key(serde_json::json!({"main": {"url": "rtsp://h"}, "analyse": "sub"})), "streams.analyse");
        let unknown = serde_json::from_value::<StreamsConfig>(serde_json::json!({"mian": {"url": "rtsp://h"}}));
        assert!(unknown.unwrap_err().to_string().contains("mian"));
        let sctp = serde_json::from_value::<StreamConfig>(serde_json::json!({"url": "rtsp://h", "transport": "sctp"}));
        assert!(sctp.unwrap_err().to_string().contains("expected `tcp` or `udp`"));
        assert_eq!(
            key(serde_json::json!({"main": {"url": "rtsps://h", "transport": "udp"}})),
            "streams.main.transport"
        );
        let no_file = streams(serde_json::json!({"main": {"url": "rtsps://h"}, "ca_file": "/not/there.pem"}));
        let no_file = no_file.resolve(None).unwrap_err();
        assert_eq!(no_file.key, "streams.ca_file");
        assert!(no_file.reason.contains("/not/there.pem"), "{no_file}");
    }

    #[test]
    fn passwords_come_from_the_environment_or_a_file() {
        let config = |env: Option<&str>, file: Option<PathBuf>| CredentialsConfig {
            user: "viewer".into(),
            password_env: env.map(Into::into),
            password_file: file,
        };
        let env = |name: &str| (name == "SET").then(|| "hush".into());
        assert_eq!(config(Some("SET"), None).resolve(env).unwrap().password.expose(), "hush");
        let missing = config(Some("UNSET"), None).resolve(env).unwrap_err().to_string();
        assert_eq!(missing, "credentials.password_env: environment variable UNSET is not set");
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        std::fs::write(&path, "hush \n").unwrap();
        assert_eq!(config(None, Some(path)).resolve(env).unwrap().password.expose(), "hush ");
        let gone = config(None, Some(dir.path().join("gone"))).resolve(env).unwrap_err();
        assert!(gone.reason.contains("gone"), "{gone}");
        assert_eq!(config(None, None).resolve(env).unwrap_err().key, "credentials");
        let both = streams(serde_json::json!({"main": {"url": "rtsp://u:p@h/1"}}));
        let file = dir.path().join("secret");
        assert_eq!(both.resolve(Some(&config(None, Some(file)))).unwrap_err().key, "streams.main.url");
    }
}
