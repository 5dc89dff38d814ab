//! `stopline migrate`: the store's tables in this version's form.

use std::path::Path;

use super::say;
use crate::{Outcome, config::Config, engine::History};

pub(crate) fn run(dir: &Path) -> anyhow::Result<Outcome> {
    let config = Config::load(dir)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let history = History::start(&config.engine).await?;
        let applied = history.store.migrate().await;
        history.stop().await;
        let applied = applied?;
        say(match applied {
            0 => "the tables are up to date".to_owned(),
            n => format!("{n} migrations applied"),
        })?;
        Ok(Outcome::Success)
    })
}
