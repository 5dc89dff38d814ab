//! `stopline camera add`: looks at a camera and writes a file to start from, with a picture of what it shows.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use stopline_ingest::{
    Camera, CameraSpec, Devices, Ring, RingLimits,
    config::{Streams, StreamsConfig},
    handoff::Hub,
    probe::{Probe, probe},
};
use stopline_types::{CameraId, StreamRole};

use super::say;
use crate::{Outcome, WrongUse, cli::CameraAddArgs, engine::stills};

/// How long to wait for a picture once the camera has answered.
const PICTURE_WITHIN: Duration = Duration::from_secs(12);

pub(crate) fn add(args: &CameraAddArgs) -> anyhow::Result<Outcome> {
    let main = Address::parse(&read_url(&args.url)?, "the address")?;
    let sub = args.sub.as_deref().map(|url| Address::parse(url, "--sub")).transpose()?;
    let wrong = |e| WrongUse(format!("--id: {e}"));
    let id = CameraId::new(args.id.as_deref().unwrap_or(&main.suggested_id())).map_err(wrong)?;
    let folder = args.config.dir.join("cameras");
    let file = folder.join(format!("{id}.toml"));
    if file.exists() {
        return Err(WrongUse(format!("{} is there already; give another --id", file.display())).into());
    }
    let streams = resolve(&main, sub.as_ref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let timeout = Duration::from_secs_f64(args.timeout.clamp(0.5, 120.0));
    let devices = Devices::default();
    let answers = runtime.block_on(probe(&id, &streams, &devices, timeout));
    for (role, answer) in &answers {
        match answer {
            Ok(found) => say(describe(*role, found))?,
            Err(error) => bail!("{error}; nothing is written"),
        }
    }
    let picture = runtime.block_on(picture(&id, streams, &devices));

    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let password_file = main.login.as_ref().map(|(_, password)| keep_secret(args, &id, password)).transpose()?;
    let text = camera_file(&id, args.name.as_deref(), &main, sub.as_ref(), password_file.as_deref());
    std::fs::write(&file, text).with_context(|| file.display().to_string())?;
    crate::config::camera_file(&file).context("the file just written")?;
    say(format!("written: {}", file.display()))?;
    match picture {
        Ok(jpeg) => {
            let path = folder.join(format!("{id}.jpg"));
            std::fs::write(&path, jpeg).with_context(|| path.display().to_string())?;
            say(format!("what it shows: {}", path.display()))?;
        }
        Err(error) => say(format!("no picture: {error:#}"))?,
    }
    say("next: draw its [scene] (config/examples); a running engine takes the file within seconds")?;
    Ok(Outcome::Success)
}

/// An address as the file holds it, and the log-in that stood in it.
struct Address {
    whole: String,
    bare: url::Url,
    login: Option<(String, String)>,
}

impl Address {
    fn parse(text: &str, which: &str) -> anyhow::Result<Self> {
        let (_, login) = stopline_ingest::StreamUrl::parse(text).map_err(|e| WrongUse(format!("{which}: {e}")))?;
        // The parser above takes nothing that this does not.
        let mut bare = url::Url::parse(text)?;
        // Refused only of an address without a host, which is none of a camera.
        bare.set_username("").ok();
        bare.set_password(None).ok();
        let login = login.map(|login| (login.user.clone(), login.password.reveal().to_owned()));
        Ok(Self { whole: text.to_owned(), bare, login })
    }

    fn suggested_id(&self) -> String {
        let host = self.bare.host_str().unwrap_or("camera");
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        format!("cam-{}", host.chars().map(plain).collect::<String>().trim_matches('-'))
    }
}

/// `-` reads the address from standard input, where no list of processes shows its password.
fn read_url(given: &str) -> anyhow::Result<String> {
    if given != "-" {
        return Ok(given.to_owned());
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).context("standard input")?;
    Ok(text.trim().to_owned())
}

fn resolve(main: &Address, sub: Option<&Address>) -> anyhow::Result<Streams> {
    let stream = |url: &str| {
        let table: toml::Table = [("url".to_owned(), toml::Value::from(url))].into_iter().collect();
        toml::Value::Table(table)
    };
    let mut table = toml::Table::new();
    table.insert("main".into(), stream(&main.whole));
    if let Some(sub) = sub {
        table.insert("sub".into(), stream(&sub.whole));
    }
    let config: StreamsConfig = toml::Value::Table(table).try_into()?;
    Ok(config.resolve(None).map_err(|e| WrongUse(e.to_string()))?)
}

fn describe(role: StreamRole, found: &Probe) -> String {
    let figure = |value: Option<f64>, unit: &str| value.map_or_else(|| "?".to_owned(), |v| format!("{v:.1} {unit}"));
    let gop = found.gop.map_or_else(|| "?".to_owned(), |n| n.to_string());
    let clock = match (&found.clock_distrusted, found.clock_offset_ms) {
        (Some(why), _) => format!("clock {why}"),
        // Adding zero turns "-0" into "+0".
        (None, Some(ms)) => format!("clock {:+.0} ms from ours", ms.round() + 0.0),
        (None, None) => "sends no clock".to_owned(),
    };
    let (fps, rate) = (figure(found.fps, "frames/s"), figure(found.kbit_s, "kbit/s"));
    format!("{role}: {} {}, {fps}, a key frame every {gop}, {rate}, {clock}", found.codec, found.size)
}

/// The first picture that can be decoded, as JPEG.
async fn picture(id: &CameraId, streams: Streams, devices: &Devices) -> anyhow::Result<Vec<u8>> {
    let hub = Hub::new();
    let ring = Ring::new(RingLimits { seconds: 4.0, bytes: 64 << 20 });
    let spec =
        CameraSpec { id: id.clone(), name: id.to_string(), streams: Some(streams), plan: None, ring: ring.clone() };
    let camera = Camera::start(spec, hub.mailbox(id, 1.0), devices, &tokio::runtime::Handle::current())?;
    let began = Instant::now();
    let newest = loop {
        match ring.stats().newest {
            Some(newest) => break newest,
            None if began.elapsed() > PICTURE_WITHIN => {
                let reason = camera.status().reason;
                camera.stop().await;
                bail!("none came within {} s: {reason}", PICTURE_WITHIN.as_secs());
            }
            None => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    };
    camera.stop().await;
    let made = tokio::task::spawn_blocking(move || {
        let still = ring.cut(newest, newest)?.stills(&[newest])?.pop().context("no picture")?;
        stills::jpeg(&still.image)
    });
    made.await?
}

/// Writes the password beside the cameras, for its owner's eyes only.
fn keep_secret(args: &CameraAddArgs, id: &CameraId, password: &str) -> anyhow::Result<PathBuf> {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    let folder = args.config.dir.join("secrets");
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let path = std::path::absolute(folder.join(format!("{id}.password")))?;
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(&path);
    file.and_then(|mut file| file.write_all(password.as_bytes())).with_context(|| path.display().to_string())?;
    Ok(path)
}

fn camera_file(
    id: &CameraId,
    name: Option<&str>,
    main: &Address,
    sub: Option<&Address>,
    password_file: Option<&Path>,
) -> String {
    let quoted = |text: &str| toml::Value::from(text).to_string();
    let mut text = format!(
        "# Written by `stopline camera add`. Every key: config/examples.\nid = {}\nname = {}\nsite = \"\"\n\n[streams]\n",
        quoted(id.as_str()),
        quoted(name.unwrap_or(id.as_str()))
    );
    text += &format!("main = {{ url = {} }}\n", quoted(main.bare.as_str()));
    if let Some(sub) = sub {
        text += &format!("sub = {{ url = {} }}\n", quoted(sub.bare.as_str()));
    }
    if let (Some((user, _)), Some(path)) = (&main.login, password_file) {
        let (user, path) = (quoted(user), quoted(&path.display().to_string()));
        text += &format!("\n[credentials]\nuser = {user}\npassword_file = {path}\n");
    }
    text
}
