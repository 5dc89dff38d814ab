//! `stopline key change`: a new key for signing evidence.

use std::path::Path;

use stopline_store::evidence::Signer;

use super::say;
use crate::{Outcome, config::EngineConfig};

pub(crate) fn change(dir: &Path) -> anyhow::Result<Outcome> {
    let folder = EngineConfig::load(dir)?.data_dir.join("keys");
    let new = Signer::change(&folder)?.public_key();
    say(format!("evidence is signed with key {} from the engine's next start on", new.id()))?;
    say("packages signed before stay as they are; the old and the new key signed for one another (keys.json)")?;
    say(format!("keep a copy of {} elsewhere", folder.join("public.pem").display()))?;
    Ok(Outcome::Success)
}
