//! Values that must never be shown: passwords, and the URLs that may carry them.

use std::fmt;

use url::Url;

/// What is shown in place of a secret.
const HIDDEN: &str = "***";

/// Names of URL parameters that carry a secret. Some makers put them into the path, as in
/// `/user=admin&password=…&channel=1`.
const SECRET_NAMES: [&str; 9] = ["password", "passwd", "passwort", "pass", "pwd", "pw", "token", "auth", "secret"];

/// A password. Cannot be displayed; its `Debug` shows `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Takes a password.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The password itself, for a file that only its owner may read. Never for a log, an error or a page.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The password itself, for the one place that sends it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// User name and password of a camera.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Login {
    /// The user name.
    pub user: String,
    /// The password.
    pub password: Password,
}

/// The address of a stream. Held without user name and password; shown with the values of secret parameters hidden.
#[derive(Clone, PartialEq, Eq)]
pub struct StreamUrl(Url);

impl StreamUrl {
    /// Takes an address apart into itself and the log-in that stood in it. The reason of a refusal never repeats the
    /// text, since it may hold a password.
    pub fn parse(text: &str) -> Result<(Self, Option<Login>), String> {
        let mut url = Url::parse(text).map_err(|e| format!("not a URL ({e}); expected rtsp://host[:port]/path"))?;
        match url.scheme() {
            "rtsp" | "rtsps" => {}
            _ => return Err("expected a URL that begins with rtsp:// or rtsps://".into()),
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err("expected a host after rtsp://".into());
        }
        if url.port() == Some(0) {
            return Err("port 0 cannot be reached".into());
        }
        let login = if url.username().is_empty() && url.password().is_none() {
            None
        } else {
            let plain = |part: &str| percent_decoded(part).ok_or("user name or password: not UTF-8 when decoded");
            Some(Login {
                user: plain(url.username())?,
                password: Password::new(plain(url.password().unwrap_or_default())?),
            })
        };
        if url.set_username("").is_err() || url.set_password(None).is_err() {
            return Err("expected a URL with a host".into());
        }
        Ok((Self(url), login))
    }

    /// The address as the camera must see it.
    pub(crate) fn expose(&self) -> &Url {
        &self.0
    }

    /// The address with the connection going to `there` instead, in the clear: the way into a tunnel.
    pub(crate) fn by_way_of(&self, there: std::net::SocketAddr) -> Option<Url> {
        let mut url = self.0.clone();
        url.set_scheme("rtsp").ok()?;
        url.set_ip_host(there.ip()).ok()?;
        url.set_port(Some(there.port())).ok()?;
        Some(url)
    }

    /// Whether TLS is asked for.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.0.scheme() == "rtsps"
    }

    /// Name or address, without the brackets of an IPv6 address.
    #[must_use]
    pub fn host(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        host.trim_start_matches('[').trim_end_matches(']').to_owned()
    }

    /// The port; 554 for `rtsp` and 322 for `rtsps` (RFC 7826 section 22) unless given.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.port().unwrap_or(if self.is_tls() { 322 } else { 554 })
    }

    /// Host and port, for "cannot reach …".
    #[must_use]
    pub fn host_port(&self) -> String {
        format!("{}:{}", self.0.host_str().unwrap_or_default(), self.port())
    }

    /// `text` with this address, the secrets in it and `login`'s password hidden: for messages of libraries.
    pub(crate) fn scrub(&self, text: &str, login: Option<&Login>) -> String {
        let mut clean = text.replace(self.0.as_str(), &self.to_string());
        for (_, value) in secret_values(self.0.as_str()) {
            clean = clean.replace(&value, HIDDEN);
        }
        if let Some(login) = login.filter(|login| !login.password.0.is_empty()) {
            clean = clean.replace(login.password.expose(), HIDDEN);
        }
        clean
    }
}

impl fmt::Display for StreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.as_str();
        let mut shown = 0;
        for (at, value) in secret_values(text) {
            f.write_str(&text[shown..at])?;
            f.write_str(HIDDEN)?;
            shown = at + value.len();
        }
        f.write_str(&text[shown..])
    }
}

impl fmt::Debug for StreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where values of secret parameters begin, and the values, in order.
fn secret_values(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut name_from = 0;
    let ends = |c: char| matches!(c, '/' | '?' | '&' | ';' | '#');
    for (at, c) in text.char_indices() {
        if ends(c) {
            name_from = at + 1;
        } else if c == '=' && at >= name_from {
            let name = text[name_from..at].trim_start_matches('_').to_ascii_lowercase();
            // A slash does not end a value: base64 may hold one. Too much hidden is better than too little.
            let rest = &text[at + 1..];
            let value = &rest[..rest.find(['&', ';', '#']).unwrap_or(rest.len())];
            let secret = SECRET_NAMES.iter().any(|known| name == *known || name.ends_with(known));
            let inside_last = found.last().is_some_and(|(from, last): &(usize, String)| at < from + last.len());
            if secret && !value.is_empty() && !inside_last {
                found.push((at + 1, value.to_owned()));
            }
        }
    }
    found
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = |b: u8| char::from(b).to_digit(16);
        match (first, after) {
            (b'%', [high, low, ..]) if hex(*high).is_some() && hex(*low).is_some() => {
                bytes.push(u8::try_from(hex(*high)? * 16 + hex(*low)?).ok()?);
                rest = &after[2..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn login_is_taken_out_of_the_address() {
        let (url, login) = StreamUrl::parse("rtsp://admin:p%40ss%2Fw@10.0.0.7:8554/Streaming/101").unwrap();
        assert_eq!(url.to_string(), "rtsp://10.0.0.7:8554/Streaming/101");
        let login = login.unwrap();
        assert_eq!((login.user.as_str(), login.password.expose()), ("admin", "p@ss/w"));
        assert_eq!(format!("{login:?}"), r#"Login { user: "admin", password: *** }"#);
    }

    #[test]
    fn secret_parameters_are_hidden() {
        let (url, _) = StreamUrl::parse("rtsp://h/user=admin&password=t0p&channel=1?token=abc/d&x=1").unwrap();
        assert_eq!(url.to_string(), "rtsp://h/user=admin&password=***&channel=1?token=***&x=1");
        assert_eq!(url.expose().as_str(), "rtsp://h/user=admin&password=t0p&channel=1?token=abc/d&x=1");
        assert_eq!(url.scrub("cannot open t0p at abc/d", None), "cannot open *** at ***");
    }

    #[test]
    fn addresses_of_the_sixth_version_and_of_tls() {
        let url = |text| StreamUrl::parse(text).unwrap().0;
        let six = url("rtsp://[::1]:8554/x");
        assert_eq!((six.host().as_str(), six.port(), six.host_port().as_str()), ("::1", 8554, "[::1]:8554"));
        let tls = url("rtsps://cam.local/x?y=1");
        assert!(tls.is_tls() && !six.is_tls());
        assert_eq!(tls.host_port(), "cam.local:322");
        let inside = tls.by_way_of("127.0.0.1:99".parse().unwrap()).unwrap();
        assert_eq!(inside.as_str(), "rtsp://127.0.0.1:99/x?y=1");
    }

    #[test]
    fn refusals_do_not_repeat_the_text() {
        for bad in
            ["http://u:hunter2@h/", "rtsp://u:hunter2@", "rtspx://u:hunter2@h/", "hunter2", "rtsp://u:hunter2@h:0/"]
        {
            let reason = StreamUrl::parse(bad).unwrap_err();
            assert!(!reason.contains("hunter2"), "{reason}");
        }
    }

    proptest! {
        /// Whatever the password, however it is spelled, nothing that can be printed holds it.
        #[test]
        fn a_password_is_never_shown(password in "[A-Za-z0-9!@#$%^*()_+=:;,./?~-]{6,24}", path in "[a-z]{0,4}") {
            let marked = format!("Zq{password}");
            let encoded: String = marked.bytes().map(|b| format!("%{b:02X}")).collect();
            for text in [
                format!("rtsp://user:{encoded}@host/{path}"),
                format!("rtsp://user:{}@host/{path}", marked.replace(['/', '?', '#', '%', '@'], "")),
                format!("rtsp://host/{path}?password={encoded}"),
                format!("rtsp://host/user=a_password={encoded}&x=1"),
            ] {
                if let Ok((url, login)) = StreamUrl::parse(&text) {
                    let secret = if text.contains("user:%") { marked.clone() } else { "Zq".into() };
                    let shown = format!("{url} {url:?} {login:?}");
                    prop_assert!(!shown.contains(&secret) && !shown.contains(&encoded), "{} shows {}", text, shown);
                    let scrubbed = url.scrub(&format!("bad url {} password", url.expose()), login.as_ref());
                    prop_assert!(!scrubbed.contains(&encoded) && !scrubbed.contains("Zq"));
                }
            }
        }
    }
}
