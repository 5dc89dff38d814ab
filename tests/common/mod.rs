//! What the end-to-end tests share: the built program, a configuration folder, simulated cameras.
#![allow(dead_code, missing_docs)]

pub(crate) mod running;

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;

pub(crate) const JUNCTION_MAIN: &str = "fixtures/junction_day/main.mp4";
pub(crate) const JUNCTION_SUB: &str = "fixtures/junction_day/sub.mp4";

/// The program under test, logging only warnings.
pub(crate) fn stopline() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stopline"));
    command.env("STOPLINE_LOG", "warn").env_remove("STOPLINE_CONFIG").stdin(Stdio::null());
    command
}

pub(crate) fn run(args: &[&str]) -> Output {
    stopline().args(args).output().expect("the program starts")
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A folder like `config/examples/junction_day`, in a temporary place.
pub(crate) struct ConfigDir(pub(crate) tempfile::TempDir);

impl ConfigDir {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(dir.path().join("cameras")).expect("made");
        Self(dir)
    }

    /// The junction's example as it is shipped.
    pub(crate) fn junction() -> Self {
        let dir = Self::new();
        dir.camera("junction", &junction_camera("junction", "rtsp://127.0.0.1:1/main", None, None));
        dir
    }

    pub(crate) fn camera(&self, id: &str, text: &str) {
        std::fs::write(self.path().join("cameras").join(format!("{id}.toml")), text).expect("written");
    }

    pub(crate) fn engine(&self, text: &str) {
        std::fs::write(self.path().join("stopline.toml"), text).expect("written");
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn arg(&self) -> String {
        self.path().display().to_string()
    }
}

/// The junction's camera file with other addresses.
pub(crate) fn junction_camera(id: &str, main: &str, sub: Option<&str>, password_file: Option<&Path>) -> String {
    let text = std::fs::read_to_string("config/examples/junction_day/cameras/junction_day.toml").expect("the example");
    let mut table: toml::Table = text.parse().expect("TOML");
    let stream = |url: &str| toml::Value::Table([("url".to_owned(), url.into())].into_iter().collect());
    let mut streams = toml::Table::new();
    streams.insert("main".into(), stream(main));
    if let Some(sub) = sub {
        streams.insert("sub".into(), stream(sub));
    }
    table.insert("id".into(), id.into());
    table.insert("streams".into(), streams.into());
    table.remove("credentials");
    if let Some(file) = password_file {
        let file = file.display().to_string();
        let login: toml::Table =
            [("user".to_owned(), "viewer".into()), ("password_file".to_owned(), file.into())].into_iter().collect();
        table.insert("credentials".into(), login.into());
    }
    toml::to_string(&table).expect("TOML")
}

/// The first `seconds` of the junction's sub-stream, in `dir`: a test of the path needs no whole minute.
pub(crate) fn junction_start(dir: &Path, seconds: u32) -> String {
    let cut = dir.join("start.mp4").display().to_string();
    let args = ["-v", "error", "-i", JUNCTION_SUB, "-t", &seconds.to_string(), "-c", "copy", &cut];
    let status = Command::new("ffmpeg").args(args).status().expect("ffmpeg: run `make setup`");
    assert!(status.success(), "ffmpeg: {status}");
    cut
}

/// Real RTSP cameras from clips. Dropped, they end.
pub(crate) struct Simulator {
    child: Child,
    ready: Value,
}

impl Simulator {
    /// `cameras`: `ID=MAIN[,SUB]`.
    pub(crate) fn start(cameras: &[&str], password: Option<&str>) -> Self {
        let mut command = Command::new("/usr/bin/python3");
        command.args(["simulator/rtsp_cameras.py", "--port", "0", "--exit-with-parent"]);
        for camera in cameras {
            command.args(["--camera", camera]);
        }
        if let Some(password) = password {
            command.args(["--user", "viewer", "--password", password]);
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 with GStreamer: run `make setup`");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let ready = serde_json::from_str(&line).expect("the simulator says when it is ready");
        Self { child, ready }
    }

    pub(crate) fn url(&self, id: &str, stream: &str) -> String {
        self.ready["cameras"][id][stream].as_str().expect("an address").to_owned()
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The cache that `make setup` fills; fails the test where it does not hold `file`.
pub(crate) fn cached(file: &str) -> PathBuf {
    let cache = std::env::var_os("STOPLINE_CACHE").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache/stopline"),
        PathBuf::from,
    );
    let path = cache.join(file);
    assert!(path.exists(), "{} is missing: run `make setup`", path.display());
    path
}

/// JSON lines.
pub(crate) fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}
