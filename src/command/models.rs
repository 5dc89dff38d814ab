//! `stopline models`: the manifest, checked against the files.

use std::path::{Path, PathBuf};

use comfy_table::{Table, presets::UTF8_BORDERS_ONLY};
use stopline_detect::models::ModelError;

use super::say;
use crate::{Outcome, cli::ModelsAction, config::Config, engine::detection};

pub(crate) fn run(dir: &Path, action: ModelsAction) -> anyhow::Result<Outcome> {
    let config = Config::load(dir)?;
    let manifest = detection::manifest()?;
    let dirs: [PathBuf; 1] = [config.engine.models_dir.clone()];
    match action {
        ModelsAction::List | ModelsAction::Verify => {
            let mut table = Table::new();
            table.load_preset(UTF8_BORDERS_ONLY);
            table.set_header(["model", "input", "licence", "source", "file", "state"]);
            let mut good = true;
            for entry in manifest.entries() {
                let state = match entry.locate(&dirs) {
                    Ok(_) => "right".to_owned(),
                    Err(ModelError::Missing { .. }) => {
                        good &= entry.name != config.engine.detector.model;
                        "not here".to_owned()
                    }
                    Err(other) => {
                        good = false;
                        other.to_string()
                    }
                };
                let configured = if entry.name == config.engine.detector.model { " (configured)" } else { "" };
                table.add_row([
                    format!("{}{configured}", entry.name),
                    entry.input().to_string(),
                    entry.licence.clone(),
                    entry.source.clone(),
                    entry.file.clone(),
                    state,
                ]);
            }
            say(table)?;
            Ok(Outcome::of(good || matches!(action, ModelsAction::List)))
        }
        ModelsAction::Fetch { name, from } => {
            let model = manifest.get(&name)?.fetch(&config.engine.models_dir, from.as_deref())?;
            say(format!("{}: right, {}", name, model.path.display()))?;
            Ok(Outcome::Success)
        }
    }
}
