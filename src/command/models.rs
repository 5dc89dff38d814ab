//! `stopline models`: the manifest, checked against the files.

use std::path::{Path, PathBuf};

use comfy_table::{Table, presets::UTF8_BORDERS_ONLY};
use stopline_detect::models::{FileState, fetch};

use super::say;
use crate::{Outcome, cli::ModelsAction, config::Config, engine::detection};

pub(crate) fn run(dir: &Path, action: ModelsAction) -> anyhow::Result<Outcome> {
    let config = Config::load(dir)?;
    let manifest = detection::manifest()?;
    let dirs: [PathBuf; 1] = [config.engine.models_dir.clone()];
    match action {
        ModelsAction::List | ModelsAction::Verify => {
            let mut table = Table::new();
            table.load_style(UTF8_BORDERS_ONLY);
            table.set_header(["model", "input", "licence", "source", "file", "state"]);
            let mut good = true;
            for entry in manifest.models() {
                let plates = manifest.plates().filter(|_| config.engine.plates.read);
                let reads = plates.is_some_and(|plates| [&plates.locator, &plates.reader].contains(&&entry.name));
                let configured = entry.name == config.engine.detector.model || reads;
                let state = match entry.state(&dirs)? {
                    FileState::Verified(_) => "right".to_owned(),
                    FileState::Missing => {
                        good &= !configured;
                        "not here".to_owned()
                    }
                    FileState::Wrong(_, found) => {
                        good = false;
                        format!("WRONG: sha256 is {found}, not the manifest's")
                    }
                };
                table.add_row([
                    format!("{}{}", entry.name, if configured { " (configured)" } else { "" }),
                    entry.input.size.to_string(),
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
            let path = fetch(manifest.get(&name)?, &config.engine.models_dir, from.as_deref())?;
            say(format!("{name}: right, {}", path.display()))?;
            Ok(Outcome::Success)
        }
    }
}
