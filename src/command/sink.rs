//! `stopline sink`: Kafka's events into the store.

use std::path::Path;

use anyhow::Context as _;
use stopline_store::kafka::{Sink, SinkOptions};

use super::run::wait_for_end;
use crate::{Outcome, WrongUse, config::Config, engine::History};

pub(crate) fn run(dir: &Path, duration_s: Option<f64>) -> anyhow::Result<Outcome> {
    let config = Config::load(dir)?;
    let Some(kafka) = &config.engine.kafka else {
        let file = dir.join("stopline.toml");
        return Err(WrongUse(format!("{}: no [kafka] with brokers; a sink has nothing to read", file.display())).into());
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut history = History::start(&config.engine).await?;
        history.prepare_tables().await?;
        let sink = Sink::start(kafka, &history.store, SinkOptions::default()).context("the sink")?;
        wait_for_end(duration_s).await?;
        let ended = tokio::task::spawn_blocking(move || sink.stop());
        let stats = ended.await?;
        tracing::info!(rows = ?stats.rows, dead_letters = stats.dead_letters, "the sink ended");
        history.stop().await;
        Ok(Outcome::Success)
    })
}
