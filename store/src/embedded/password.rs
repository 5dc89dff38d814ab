//! The password between the engine and its child: random, one per data folder, readable by the owner only.

use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use super::EmbeddedError;

/// The password kept in `path`; made on first use.
pub(super) fn open_or_create(path: &Path) -> Result<String, EmbeddedError> {
    match read(path) {
        Err(EmbeddedError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => create(path),
        other => other,
    }
}

/// The password kept in `path`.
pub(super) fn read(path: &Path) -> Result<String, EmbeddedError> {
    let text = fs::read_to_string(path).map_err(EmbeddedError::io(format!("reading {}", path.display())))?;
    let password = text.trim();
    if password.is_empty() {
        let empty = std::io::Error::new(ErrorKind::InvalidData, "the file is empty; remove it to have a new one made");
        return Err(EmbeddedError::io(format!("reading {}", path.display()))(empty));
    }
    Ok(password.to_owned())
}

fn create(path: &Path) -> Result<String, EmbeddedError> {
    let doing = || EmbeddedError::io(format!("writing {}", path.display()));
    let mut random = [0_u8; 24];
    getrandom::fill(&mut random).map_err(|error| doing()(std::io::Error::other(error)))?;
    let password: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    // Written aside and renamed: a crash leaves no half password that nobody knows.
    let aside = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        if aside.exists() {
            fs::remove_file(&aside)?;
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
        file.write_all(password.as_bytes())?;
        file.sync_all()?;
        fs::rename(&aside, path)
    };
    write().map_err(doing())?;
    Ok(password)
}

/// Compares without telling by its duration how far the guess was right.
pub(super) fn same(ours: &str, given: &str) -> bool {
    ours.len() == given.len() && ours.bytes().zip(given.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}
