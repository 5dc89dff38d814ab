//! `stopline run`: the whole engine in one process.

use std::{path::Path, sync::Arc, time::Duration};

use super::say_json;
use crate::{
    Outcome, WrongUse,
    config::Config,
    engine::{Engine, Hooks},
};

pub(crate) fn run(dir: &Path, duration_s: Option<f64>, json: bool) -> anyhow::Result<Outcome> {
    let config = Config::load(dir)?;
    if config.cameras.is_empty() {
        let cameras = dir.join("cameras");
        return Err(WrongUse(format!("{}: no camera file; see config/examples", cameras.display())).into());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut hooks = Hooks::default();
        if json {
            // A reader that has gone away must not stop the engine.
            hooks.on_durable = Some(Arc::new(|event, _| drop(say_json(event))));
        }
        let engine = Engine::start(config, hooks).await?;
        tracing::info!("pages: http://{}; make a user first: stopline user add NAME", engine.web_address());
        wait_for_end(duration_s).await?;
        let ended = engine.stop().await?;
        Ok(Outcome::of(ended.unshipped == 0 && ended.given_up == 0))
    })
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
