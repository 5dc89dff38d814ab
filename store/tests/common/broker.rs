//! A real Kafka broker: Tansu, from PyPI; set-up for tests puts it into the cache.

use std::{
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use stopline_store::kafka::KafkaConfig;

use super::{eventually, library};

/// A broker process that ends with its test.
pub struct Broker {
    child: Child,
    pub port: u16,
}

impl Broker {
    pub fn start(port: u16) -> Self {
        Self::known_as(port, port)
    }

    /// Listens on `port` and tells its clients to come to `known`.
    pub fn known_as(port: u16, known: u16) -> Self {
        let cache = library().parent().and_then(|lib| lib.parent().map(Path::to_owned)).unwrap();
        let tansu = cache.join("bin/tansu");
        let url = |port: u16| format!("tcp://127.0.0.1:{port}");
        let child = Command::new(&tansu)
            .args(["broker", "--silent", "--listener-url", &url(port), "--advertised-listener-url", &url(known)])
            .args(["--storage-engine", "memory://tansu/"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}: run `scripts/setup.sh --test`", tansu.display()));
        eventually("the broker listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { child, port }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn anywhere() -> Self {
        Self::start(free_port())
    }

    pub fn config(&self, topic: &str) -> KafkaConfig {
        KafkaConfig {
            topic: topic.to_owned(),
            session_timeout: Duration::from_secs(6),
            ..KafkaConfig::new(vec![format!("127.0.0.1:{}", self.port)])
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A port nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
