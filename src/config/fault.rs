//! What is wrong in a configuration folder.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The file or folder.
    pub file: PathBuf,
    /// The key, e.g. `scene.stop_lines[0].signal`; empty where the fault has none.
    pub key: String,
    /// What was expected and what was found.
    pub reason: String,
}

impl Fault {
    pub(crate) fn new(file: &Path, key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { file: file.to_owned(), key: key.into(), reason: reason.into() }
    }

    /// A TOML error: its text already names line, column and key.
    pub(crate) fn toml(file: &Path, error: &toml::de::Error) -> Self {
        Self::new(file, "", error.to_string().trim_end().to_owned())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.file.display())?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.reason)
    }
}

/// All faults of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Faults(pub Vec<Fault>);

impl std::error::Error for Faults {}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, fault) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}
