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
    /// The line, if known.
    pub line: Option<usize>,
    /// The key, e.g. `scene.stop_lines[0].signal`; empty where the fault has none.
    pub key: String,
    /// What was expected and what was found.
    pub reason: String,
}

impl Fault {
    pub(crate) fn new(file: &Path, key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: None, key: key.into(), reason: reason.into() }
    }

    /// With the line of `text` that holds the key, as far as it is written there: else that of the table it is in.
    pub(crate) fn at_line_of(self, text: &str) -> Self {
        let line = self.key.split('.').rev().find_map(|part| {
            let name = part.split('[').next().unwrap_or(part);
            text.lines().position(|line| holds(line.trim_start(), name))
        });
        Self { line: line.map(|at| at + 1), ..self }
    }

    /// A TOML error: its text already names line, column and key.
    pub(crate) fn toml(file: &Path, error: &toml::de::Error) -> Self {
        Self::new(file, "", error.to_string().trim_end().to_owned())
    }
}

/// Whether a line begins the key `name`, as `name = …`, `name.… = …`, `[… .name]` or `[[… .name]]`.
fn holds(line: &str, name: &str) -> bool {
    match line.strip_prefix('[') {
        Some(header) => {
            header.trim_start_matches('[').split(']').next().unwrap_or("").split('.').any(|p| p.trim() == name)
        }
        None => line.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with(['=', '.'])),
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        f.write_str(": ")?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_names_the_line_of_its_key() {
        let text = "id = \"a\"\n[streams]\nmain = { url = \"ftp://h\" }\n[[scene.zones]]\nname = \"x\"\n";
        let line = |key: &str| Fault::new(Path::new("a.toml"), key, "no").at_line_of(text).line;
        assert_eq!(line("streams.main.url"), Some(3));
        assert_eq!(line("scene.zones[1].points"), Some(4));
        assert_eq!(line("id"), Some(1));
        assert_eq!(line("credentials"), None);
        let fault = Fault::new(Path::new("a.toml"), "id", "no").at_line_of(text);
        assert_eq!(fault.to_string(), "a.toml, line 1: id: no");
    }
}
