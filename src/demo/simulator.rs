//! The simulated cameras: a real RTSP server (GStreamer's) in a child process, streaming a clip in a loop.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, bail};
use serde::Deserialize;

/// Debian's python: it has the GStreamer bindings that a python of one's own lacks.
const PYTHON: &str = "/usr/bin/python3";

/// The running server. Dropping it ends it.
pub(super) struct Simulator {
    child: Child,
    /// Addresses by camera id.
    pub cameras: BTreeMap<String, Streams>,
}

/// What one simulated camera streams.
pub(super) struct Clips {
    pub id: String,
    pub main: PathBuf,
    pub sub: Option<PathBuf>,
}

/// Addresses of one simulated camera.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Streams {
    pub main: String,
    #[serde(default)]
    pub sub: Option<String>,
}

#[derive(Deserialize)]
struct Ready {
    cameras: BTreeMap<String, Streams>,
}

impl Simulator {
    /// Starts the server for `cameras`, behind a password.
    pub(super) fn start(repository: &Path, cameras: &[Clips], login: (&str, &str)) -> anyhow::Result<Self> {
        let script = repository.join("simulator/rtsp_cameras.py");
        if !script.is_file() {
            bail!("{} is missing; run the demo in the checkout or give --repository", script.display());
        }
        let mut command = Command::new(PYTHON);
        command.arg(&script).args([
            "--port",
            "0",
            "--in-step",
            "--exit-with-parent",
            "--user",
            login.0,
            "--password",
            login.1,
        ]);
        for Clips { id, main, sub } in cameras {
            let sub = sub.as_ref().map(|sub| format!(",{}", sub.display())).unwrap_or_default();
            command.arg("--camera").arg(format!("{id}={}{sub}", main.display()));
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .with_context(|| format!("{PYTHON}: the simulated cameras need Debian's python3 (run `make setup`)"))?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        match serde_json::from_str::<Ready>(&line) {
            Ok(ready) => Ok(Self { child, cameras: ready.cameras }),
            Err(_) => {
                drop(child.kill());
                let status = child.wait()?;
                bail!("the simulated cameras did not start ({status}); its own words stand above")
            }
        }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
