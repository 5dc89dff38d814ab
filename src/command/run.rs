//! `stopline run`: the whole engine in one process. `stopline edge`: cameras and detection, with Kafka behind them.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::TrySendError,
    },
    time::Duration,
};

use stopline_types::Event;

use super::say_json;
use crate::{
    Outcome, WrongUse,
    config::Config,
    engine::{Duty, Engine, Hooks, intake::OnDurable},
};

/// Lines that may wait for a slow reader.
const PRINT_WAITING: usize = 4096;

/// `stopline run`.
pub(crate) fn run(dir: &Path, duration_s: Option<f64>, json: bool) -> anyhow::Result<Outcome> {
    engine(dir, Config::load(dir)?, Duty::All, duration_s, json)
}

/// `stopline edge`.
pub(crate) fn edge(dir: &Path, duration_s: Option<f64>, json: bool) -> anyhow::Result<Outcome> {
    let config = Config::load(dir)?;
    let Some(kafka) = config.engine.kafka.clone() else {
        let file = dir.join("stopline.toml");
        return Err(
            WrongUse(format!("{}: no [kafka] with brokers; an edge has nowhere to send", file.display())).into()
        );
    };
    let cameras = config.engine.sharing.clone().map(Box::new);
    if cameras.is_some() {
        if !config.engine.sections.is_empty() {
            let file = dir.join("stopline.toml");
            let why = "section: with [kafka.sharing] the two cameras of a section may run on two machines, which see \
                       no vehicle twice; run such cameras by an edge without sharing";
            return Err(WrongUse(format!("{}: {why}", file.display())).into());
        }
        let files = config.cameras.len();
        tracing::info!(files, "cameras come from Kafka; camera files here are not run, only published");
    }
    engine(dir, config, Duty::Edge { events: kafka, cameras }, duration_s, json)
}

fn engine(dir: &Path, config: Config, duty: Duty, duration_s: Option<f64>, json: bool) -> anyhow::Result<Outcome> {
    if config.cameras.is_empty() && !matches!(duty, Duty::Edge { cameras: Some(_), .. }) {
        let cameras = dir.join("cameras");
        return Err(WrongUse(format!("{}: no camera file; see config/examples", cameras.display())).into());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut hooks = Hooks::default();
        if json {
            hooks.on_durable = Some(printer()?);
        }
        let engine = Engine::start(config, duty, hooks).await?;
        if let Some((address, _)) = engine.pages() {
            tracing::info!("pages: http://{address}; make a user first: stopline user add NAME");
        }
        wait_for_end(duration_s).await?;
        let ended = engine.stop().await?;
        Ok(Outcome::of(ended.unshipped == 0 && ended.given_up == 0))
    })
}

/// Prints events on a thread of its own. A reader that is slow or gone must not stop cameras: when so many lines wait,
/// further ones are dropped, and the log says how many. Nothing is lost by that; the events are durable.
fn printer() -> std::io::Result<OnDurable> {
    let (sender, receiver) = std::sync::mpsc::sync_channel::<Event>(PRINT_WAITING);
    std::thread::Builder::new().name("printer".into()).spawn(move || {
        for event in receiver {
            if say_json(&event).is_err() {
                return;
            }
        }
    })?;
    let dropped = AtomicU64::new(0);
    Ok(Arc::new(move |event, _| {
        if let Err(TrySendError::Full(_)) = sender.try_send(event.clone()) {
            let count = dropped.fetch_add(1, Ordering::Relaxed) + 1;
            if count.is_power_of_two() {
                tracing::warn!(count, "events are durable but not printed: the reader is too slow");
            }
        }
    }))
}

/// Returns at Ctrl-C, at SIGTERM, or after `duration_s`.
pub(crate) async fn wait_for_end(duration_s: Option<f64>) -> anyhow::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let timer = async {
        match duration_s {
            Some(s) => tokio::time::sleep(Duration::from_secs_f64(s)).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        result = tokio::signal::ctrl_c() => result?,
        _ = terminate.recv() => {}
        () = timer => {}
    }
    tokio::spawn(end_at_once());
    Ok(())
}

/// While the engine stops, a second signal ends it as `kill -9` would: what is durable stays, the rest is lost.
#[allow(clippy::exit, reason = "the person asked twice")]
async fn end_at_once() {
    let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) else { return };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    tracing::warn!("ended at once, asked a second time");
    std::process::exit(1);
}
