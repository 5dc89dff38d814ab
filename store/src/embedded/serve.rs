//! The child: one engine, one data folder, one listening socket.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{Read as _, Seek as _, Write as _},
    net::{SocketAddr, TcpListener},
    os::fd::RawFd,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::{EmbeddedError, ffi, http::Server, password};

/// How long to wait for a predecessor that is just dying.
const LOCK_WAIT: Duration = Duration::from_secs(5);
/// How long running statements may take to end after SIGTERM.
const DRAIN: Duration = Duration::from_secs(5);

/// Where to listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Listen {
    /// A loopback address; others are refused.
    Address(SocketAddr),
    /// A socket the parent left open under this number.
    Inherited(RawFd),
}

/// What the hidden command needs: one JSON text, so that it passes through any command line unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServeArgs {
    /// `libchdb.so`.
    pub library: PathBuf,
    /// The engine's folder; made if missing.
    pub data_dir: PathBuf,
    /// Where to listen.
    pub listen: Listen,
    /// The one user.
    pub user: String,
    /// A file that holds the user's password; made with a random one if missing.
    pub password_file: PathBuf,
}

impl ServeArgs {
    /// Reads the JSON text that [`super::Embedded`] puts behind the hidden command.
    pub fn parse(json: &str) -> Result<Self, EmbeddedError> {
        Ok(serde_json::from_str(json)?)
    }
}

/// Runs the embedded ClickHouse until SIGTERM or SIGINT. The body of the hidden child command; blocks, so call it
/// outside any async runtime.
pub fn serve(args: &ServeArgs) -> Result<(), EmbeddedError> {
    let listener = match args.listen {
        Listen::Inherited(fd) => ffi::inherited_listener(fd),
        Listen::Address(address) if address.ip().is_loopback() => TcpListener::bind(address),
        Listen::Address(address) => Err(std::io::Error::other(format!("{address} is not a loopback address"))),
    }
    .map_err(EmbeddedError::io("listening"))?;
    let _lock = lock(&args.data_dir)?;
    let password = password::open_or_create(&args.password_file)?;
    let (engine, session) = ffi::Engine::open(&args.library, &args.data_dir.join("engine"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(EmbeddedError::io("starting threads"))?;
    let router = Server::new(engine, args.user.clone(), password).router();
    let served = runtime.block_on(async {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        let (asked, mut draining) = tokio::sync::watch::channel(false);
        let stop = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            asked.send_replace(true);
        };
        let serving = axum::serve(listener, router).with_graceful_shutdown(stop);
        tokio::select! {
            served = serving.into_future() => served,
            // Idle keep-alive connections would hold the graceful end open for ever.
            () = async {
                let _closed = draining.wait_for(|asked| *asked).await;
                tokio::time::sleep(DRAIN).await;
            } => Ok(()),
        }
    });
    runtime.shutdown_timeout(DRAIN);
    // The last session: the engine flushes and shuts down.
    drop(session);
    served.map_err(EmbeddedError::io("serving"))
}

/// Locks the data folder for this process. The lock goes when the process does, however it ends.
fn lock(data_dir: &Path) -> Result<File, EmbeddedError> {
    let path = data_dir.join("lock");
    let doing = || EmbeddedError::io(format!("locking {}", path.display()));
    fs::create_dir_all(data_dir).map_err(doing())?;
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(doing())?;
    let deadline = Instant::now() + LOCK_WAIT;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(50));
            }
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Only a hint for people; the lock itself decides.
                let holder = match file.read_to_string(&mut holder) {
                    Ok(1..) => format!(" (process {})", holder.trim()),
                    _ => String::new(),
                };
                return Err(EmbeddedError::Locked { path: data_dir.to_owned(), holder });
            }
            Err(TryLockError::Error(error)) => return Err(doing()(error)),
        }
    }
    let note = |file: &mut File| -> std::io::Result<()> {
        file.set_len(0)?;
        file.rewind()?;
        write!(file, "{}", std::process::id())
    };
    note(&mut file).map_err(doing())?;
    Ok(file)
}
