//! `stopline user`: users of the pages. The first is made here; there is no default one.

use std::{io::BufRead as _, path::Path, time::Duration};

use stopline_web::{Role, Users};

use super::say;
use crate::{Outcome, WrongUse, cli::UserAction, config::Config};

const LINK_VALID: Duration = Duration::from_secs(15 * 60);

pub(crate) fn run(dir: &Path, action: UserAction) -> anyhow::Result<Outcome> {
    let config = Config::load(dir)?;
    let users = Users::open(&config.engine.data_dir.join("web"))?;
    match action {
        UserAction::Add { name, role } => {
            let role = Role::parse(&role).ok_or_else(|| {
                WrongUse(format!(
                    "--role {role:?}: expected viewer, reviewer, approver, analyst, operator, auditor or admin"
                ))
            })?;
            let mut password = String::new();
            std::io::stdin().lock().read_line(&mut password)?;
            let password = password.trim_end_matches(['\r', '\n']);
            if password.is_empty() {
                return Err(WrongUse("give the password on standard input, one line".into()).into());
            }
            users.add(&name, role, password)?;
            say(format!("user {name} ({}) made", role.as_str()))?;
        }
        UserAction::Link { name } => {
            let link = users.one_time_link(&name, LINK_VALID)?;
            say(format!("http://{}{}", config.engine.web.listen, link.path))?;
        }
    }
    Ok(Outcome::Success)
}
