//! `stopline camera publish`: camera files onto the topic that edges share their cameras from.

use std::{collections::BTreeMap, path::Path};

use anyhow::Context as _;
use stopline_ingest::StreamUrl;
use stopline_store::kafka::cameras;
use stopline_types::CameraId;

use super::say;
use crate::{
    Outcome, WrongUse,
    config::{CameraConfig, CameraFile, Config},
};

pub(crate) fn run(dir: &Path, prune: bool) -> anyhow::Result<Outcome> {
    let config = Config::load(dir)?;
    let Some(topic) = &config.engine.sharing else {
        let file = dir.join("stopline.toml");
        return Err(WrongUse(format!("{}: no [kafka.sharing]; there is no topic of cameras", file.display())).into());
    };
    let mut ours = BTreeMap::new();
    for camera in &config.cameras {
        ours.insert(camera.id.clone(), text(camera)?);
    }
    if let Some(layout) = topic.layout {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(topic.make_topic(layout))?;
    }
    let there = cameras::published(topic)?;
    let mut words = Vec::new();
    for (id, text) in &ours {
        let what = match there.get(id) {
            Some(published) if published == text => "as it was",
            Some(_) => "changed",
            None => "new",
        };
        if what != "as it was" {
            words.push((id.clone(), Some(text.clone())));
        }
        say(format!("{id}: {what}"))?;
    }
    for id in there.keys().filter(|id| !ours.contains_key(*id)) {
        if prune {
            words.push((id.clone(), None));
            say(format!("{id}: removed, it has no file here"))?;
        } else {
            say(format!("{id}: is on the topic and has no file here; --prune removes it"))?;
        }
    }
    cameras::publish(topic, &words)?;
    say(format!("{} published on {:?}", words.len(), topic.topic))?;
    Ok(Outcome::Success)
}

/// The camera's file as others may read it: everything but its comments, in which anything may stand. Refused where a
/// secret stands in it.
fn text(camera: &CameraConfig) -> anyhow::Result<String> {
    let file = camera.file.display();
    let whole = std::fs::read_to_string(&camera.file).with_context(|| file.to_string())?;
    let raw: CameraFile = toml::from_str(&whole).with_context(|| file.to_string())?;
    for (key, stream) in [("main", &raw.streams.main), ("sub", &raw.streams.sub)] {
        if stream.as_ref().is_some_and(|stream| holds_secret(&stream.url)) {
            let why = "a log-in stands in the address, and everybody on Kafka could read it; \
                       name its place in [credentials] (user, and password_env or password_file)";
            return Err(WrongUse(format!("{file}: streams.{key}.url: {why}")).into());
        }
    }
    let mut table: toml::Table = whole.parse().with_context(|| file.to_string())?;
    table.insert("id".to_owned(), String::from(CameraId::clone(&camera.id)).into());
    toml::to_string(&table).with_context(|| file.to_string())
}

/// Whether an address is shown otherwise than it is, for the sake of what stands in it.
fn holds_secret(address: &str) -> bool {
    let whole = url::Url::parse(address).map(String::from);
    match (StreamUrl::parse(address), whole) {
        (Ok((shown, login)), Ok(whole)) => login.is_some() || shown.to_string() != whole,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_seen() {
        for good in ["rtsp://10.0.0.5/Streaming/Channels/101", "rtsps://[fe80::1]:322/a?channel=1&subtype=0"] {
            assert!(!holds_secret(good), "{good}");
        }
        for bad in ["rtsp://u:p@10.0.0.5/a", "rtsp://u@10.0.0.5/a", "rtsp://10.0.0.5/a?password=x", "no address"] {
            assert!(holds_secret(bad), "{bad}");
        }
    }
}
