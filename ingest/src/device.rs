//! What the streams of one device share: how often it may be asked with a log-in.
//!
//! Makers lock an account for half an hour or so after about five wrong passwords, and then nobody gets in. So refusals
//! are counted for each device and user, not for each stream: a recorder with 32 cameras behind one wrong password sees
//! one wrong try, not 64.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use retina::client::SessionGroup;
use tokio::time::Instant;

use crate::{
    config::StreamSource,
    connect::{OpenStream, SessionFault},
    pauses::jittered,
    secret::Login,
};

/// Pauses after the first, second … refusal of a log-in in a row, seconds; the last one repeats.
pub const PAUSES_AFTER_REFUSED_LOGIN_S: [u64; 4] = [60, 300, 900, 1800];

/// All devices that are in use. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Devices(Arc<Mutex<Vec<Known>>>);

/// A device by its address and the log-in; another password is another try.
type Known = (String, Option<Login>, Weak<Device>);

impl Devices {
    pub(crate) fn of(&self, source: &StreamSource) -> Arc<Device> {
        let host = source.url.host_port();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(.., device)| device.strong_count() > 0);
        let found = known.iter().find(|(other, login, _)| *other == host && *login == source.login);
        if let Some(device) = found.and_then(|(.., device)| device.upgrade()) {
            return device;
        }
        let device = Arc::new(Device::default());
        known.push((host, source.login.clone(), Arc::downgrade(&device)));
        device
    }
}

/// One device and log-in.
#[derive(Debug, Default)]
pub(crate) struct Device {
    refused: Mutex<Refused>,
    /// Held while a log-in is tried that never worked: a second stream must not try the same wrong password meanwhile.
    trying: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Refused {
    worked: bool,
    in_a_row: usize,
    why: String,
    until: Option<Instant>,
}

/// Leave to try the log-in.
struct Leave<'a>(#[allow(dead_code, reason = "held, not read")] Option<tokio::sync::MutexGuard<'a, ()>>);

impl Device {
    /// Why and until when this log-in must not be tried.
    pub(crate) fn barred(&self) -> Option<(String, Instant)> {
        let refused = self.lock();
        let until = refused.until.filter(|until| *until > Instant::now())?;
        Some((refused.why.clone(), until))
    }

    /// Opens a stream of it, when its log-in may be tried. `begins` is called when the camera is really asked.
    pub(crate) async fn open(
        &self,
        source: &StreamSource,
        group: &Arc<SessionGroup>,
        begins: impl FnOnce(),
    ) -> Result<OpenStream, SessionFault> {
        let _leave = self.leave().await;
        if let Some((why, _)) = self.barred() {
            // Another stream found out meanwhile.
            return Err(SessionFault::LogInBarred { why });
        }
        begins();
        let opened = OpenStream::open(source, group).await;
        match &opened {
            Ok(_) => self.accepted(),
            Err(fault) if fault.is_about_login() => self.refused(fault.to_string()),
            Err(_) => {}
        }
        opened
    }

    /// Waits for its turn to try. Ask [`Device::barred`] afterwards.
    async fn leave(&self) -> Leave<'_> {
        if self.lock().worked {
            return Leave(None);
        }
        let turn = self.trying.lock().await;
        // Who came before may have got in.
        Leave((!self.lock().worked).then_some(turn))
    }

    fn accepted(&self) {
        *self.lock() = Refused { worked: true, ..Default::default() };
    }

    fn refused(&self, why: String) {
        let mut refused = self.lock();
        let pause = Duration::from_secs(
            PAUSES_AFTER_REFUSED_LOGIN_S[refused.in_a_row.min(PAUSES_AFTER_REFUSED_LOGIN_S.len() - 1)],
        );
        let until = Some(Instant::now() + jittered(pause));
        *refused = Refused { worked: false, in_a_row: refused.in_a_row + 1, why, until };
    }

    fn lock(&self) -> MutexGuard<'_, Refused> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::{Password, StreamUrl};

    fn source(url: &str, password: &str) -> StreamSource {
        let login = Login { user: "viewer".into(), password: Password::new(password.into()) };
        StreamSource::plain(StreamUrl::parse(url).unwrap().0, Some(login))
    }

    #[tokio::test]
    async fn a_refusal_bars_every_stream_of_the_device_but_not_a_new_password() {
        let devices = Devices::default();
        let main = devices.of(&source("rtsp://h/1", "old"));
        let sub = devices.of(&source("rtsp://h/2", "old"));
        let leave = main.leave().await;
        assert!(sub.trying.try_lock().is_err(), "one at a time until it worked");
        main.refused("wrong".into());
        drop(leave);
        let (why, until) = sub.barred().unwrap();
        assert_eq!(why, "wrong");
        assert!(until > Instant::now() + Duration::from_secs(40));
        assert!(devices.of(&source("rtsp://h/1", "new")).barred().is_none());
        assert!(devices.of(&source("rtsp://other/1", "old")).barred().is_none());
        sub.accepted();
        assert!(main.barred().is_none());
    }
}
