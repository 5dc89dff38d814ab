//! Keeps one child running.

use std::{
    collections::VecDeque,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::fd::AsRawFd as _,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::{EmbeddedError, Listen, ServeArgs, ffi, password};
use crate::Endpoint;

/// How long a start may take: opening a large data folder loads every part.
const START: Duration = Duration::from_secs(120);
/// How long the child may take to end after SIGTERM before it is killed.
const STOP: Duration = Duration::from_secs(15);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A child that lived this long was healthy: the pauses begin anew.
const HEALTHY: Duration = Duration::from_secs(60);
/// Last lines of the child's standard error kept to explain an exit.
const LAST_WORDS: usize = 8;

/// How to run the embedded ClickHouse.
#[derive(Debug, Clone)]
pub struct EmbeddedConfig {
    /// The program to run: this one.
    pub exe: PathBuf,
    /// Its hidden command, e.g. `["chdb"]`. The JSON of [`ServeArgs`] follows as the last argument.
    pub args: Vec<String>,
    /// `libchdb.so`.
    pub library: PathBuf,
    /// Folder of the engine's data, its lock and its password; made if missing.
    pub data_dir: PathBuf,
    /// Port on 127.0.0.1; 0: any free one.
    pub port: u16,
    /// Database that [`Embedded::endpoint`] names.
    pub database: String,
    /// A child that answers no question for so long is killed and started again. Merges and long statements do not stop it
    /// from answering; [`HUNG_AFTER`] is a good choice.
    pub hung_after: Duration,
}

/// How long a child may leave the simplest question unanswered.
pub const HUNG_AFTER: Duration = Duration::from_secs(60);

/// What the child is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmbeddedState {
    /// Started, not answering yet.
    Starting,
    /// Answering.
    Running,
    /// Ended; started again after a pause.
    Restarting,
    /// Stopped by us.
    Stopped,
}

/// State and history of the child.
#[derive(Debug, Clone)]
pub struct EmbeddedStatus {
    /// What it is doing.
    pub state: EmbeddedState,
    /// Its process number while it lives.
    pub pid: Option<u32>,
    /// How often it had to be started again.
    pub restarts: u64,
    /// How it last ended, with its last words.
    pub last_exit: Option<String>,
}

/// A supervised child that serves ClickHouse on loopback. Dropping it stops the child; when this process dies in any
/// way, the kernel kills the child.
///
/// The listening socket belongs to this process and is handed to each child, so the port never changes, nobody else
/// can take it, and requests made during a restart wait instead of failing.
pub struct Embedded {
    endpoint: Endpoint,
    status: Arc<Mutex<EmbeddedStatus>>,
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Embedded {
    /// Starts the child and returns once it answers `/ping`. Blocks (about 0.4 s): from async code use `spawn_blocking`.
    pub fn start(config: EmbeddedConfig) -> Result<Self, EmbeddedError> {
        fs::create_dir_all(&config.data_dir)
            .map_err(EmbeddedError::io(format!("making {}", config.data_dir.display())))?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, config.port))
            .map_err(EmbeddedError::io(format!("listening on 127.0.0.1:{}", config.port)))?;
        let address = listener.local_addr().map_err(EmbeddedError::io("listening"))?;
        let password_file = config.data_dir.join("password");
        let endpoint = Endpoint {
            url: format!("http://{address}"),
            user: USER.to_owned(),
            password: password::open_or_create(&password_file)?,
            database: config.database.clone(),
            ..Endpoint::default()
        };
        let status = Arc::new(Mutex::new(EmbeddedStatus {
            state: EmbeddedState::Starting,
            pid: None,
            restarts: 0,
            last_exit: None,
        }));
        let args = ServeArgs {
            library: config.library,
            data_dir: config.data_dir,
            listen: Listen::Inherited(listener.as_raw_fd()),
            user: USER.to_owned(),
            password_file,
        };
        let mut words = config.args;
        words.push(serde_json::to_string(&args)?);
        let (stop, stopped) = mpsc::channel();
        let (ready, first) = mpsc::channel();
        let hung_after = config.hung_after;
        let keeper = Keeper { exe: config.exe, words, listener, address, hung_after, status: status.clone(), stopped };
        // A thread of its own for as long as the child lives: PR_SET_PDEATHSIG is bound to the thread that spawned it.
        let thread = std::thread::Builder::new()
            .name("chdb-keeper".to_owned())
            .spawn(move || keeper.run(&ready))
            .map_err(EmbeddedError::io("starting a thread"))?;
        let this = Self { endpoint, status, stop: Some(stop), thread: Some(thread) };
        match first.recv() {
            Ok(Ok(())) => Ok(this),
            Ok(Err(reason)) => Err(EmbeddedError::Start { reason }),
            Err(_) => Err(EmbeddedError::Start { reason: "its keeper ended".to_owned() }),
        }
    }

    /// How to reach it.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// How it is doing.
    #[must_use]
    pub fn status(&self) -> EmbeddedStatus {
        held(&self.status).clone()
    }

    /// Stops the child and waits for its end. Blocks.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the keeper of the embedded ClickHouse panicked");
        }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.end();
    }
}

const USER: &str = "stopline";

fn held(status: &Mutex<EmbeddedStatus>) -> MutexGuard<'_, EmbeddedStatus> {
    status.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Keeper {
    exe: PathBuf,
    words: Vec<String>,
    listener: TcpListener,
    address: SocketAddr,
    hung_after: Duration,
    status: Arc<Mutex<EmbeddedStatus>>,
    /// Closed when the child shall stop.
    stopped: mpsc::Receiver<()>,
}

/// Why a child's life was over.
enum End {
    Asked,
    Died { reason: String, was_ready: bool, lived: Duration },
}

impl Keeper {
    fn run(self, ready: &mpsc::Sender<Result<(), String>>) {
        let mut pause = FIRST_PAUSE;
        let mut first = true;
        loop {
            let end = self.one_life(|| {
                // Only the first life has somebody waiting.
                let _nobody_waits = ready.send(Ok(()));
            });
            let End::Died { reason, was_ready, lived } = end else { break };
            if first && !was_ready {
                let _nobody_waits = ready.send(Err(reason));
                break;
            }
            first = false;
            if was_ready && lived >= HEALTHY {
                pause = FIRST_PAUSE;
            }
            tracing::warn!(%reason, pause_ms = pause.as_millis(), "the embedded ClickHouse ended and is started again");
            {
                let mut status = held(&self.status);
                status.state = EmbeddedState::Restarting;
                status.pid = None;
                status.restarts += 1;
                status.last_exit = Some(reason);
            }
            if self.asked_within(pause) {
                break;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        let mut status = held(&self.status);
        status.state = EmbeddedState::Stopped;
        status.pid = None;
    }

    /// Waits for up to `time`; true when the child shall stop.
    fn asked_within(&self, time: Duration) -> bool {
        matches!(self.stopped.recv_timeout(time), Err(mpsc::RecvTimeoutError::Disconnected))
    }

    fn one_life(&self, on_ready: impl FnOnce()) -> End {
        let died = |reason, was_ready, lived| End::Died { reason, was_ready, lived };
        let mut command = Command::new(&self.exe);
        command.args(&self.words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        ffi::tie_to_parent(&mut command, &self.listener);
        let born = Instant::now();
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return died(format!("{}: {error}", self.exe.display()), false, Duration::ZERO),
        };
        let last_words = listen_to(&mut child);
        {
            let mut status = held(&self.status);
            status.state = EmbeddedState::Starting;
            status.pid = Some(child.id());
        }
        let mut on_ready = Some(on_ready);
        let watch = Watch::default();
        loop {
            match child.try_wait() {
                Ok(None) => {}
                Ok(Some(exit)) => return died(obituary(exit, last_words), on_ready.is_none(), born.elapsed()),
                Err(error) => return died(format!("waiting for it: {error}"), on_ready.is_none(), born.elapsed()),
            }
            if on_ready.is_some() {
                if ping(self.address) {
                    held(&self.status).state = EmbeddedState::Running;
                    if let Some(tell) = on_ready.take() {
                        tell();
                    }
                    watch.begin(self.address);
                } else if born.elapsed() > START {
                    end(&mut child, Duration::ZERO);
                    return died(format!("no answer within {} s", START.as_secs()), false, born.elapsed());
                }
            }
            if on_ready.is_none() && watch.silent_for() > self.hung_after {
                end(&mut child, Duration::ZERO);
                let reason = format!("hung: no question answered for {} s, killed", self.hung_after.as_secs());
                return died(reason, true, born.elapsed());
            }
            if self.asked_within(Duration::from_millis(if on_ready.is_some() { 5 } else { 50 })) {
                end(&mut child, STOP);
                return End::Asked;
            }
        }
    }
}

/// Asks the engine the simplest question again and again, on a thread of its own, for as long as this lives. A child can
/// be alive and yet answer nothing: stopped, out of threads, or locked up in foreign code.
#[derive(Default)]
struct Watch {
    answered: Arc<Mutex<Option<Instant>>>,
}

impl Watch {
    const EVERY: Duration = Duration::from_secs(1);
    const PATIENCE: Duration = Duration::from_secs(10);

    fn begin(&self, address: SocketAddr) {
        *self.answered.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        let answered = Arc::downgrade(&self.answered);
        let asking = move || {
            while let Some(answered) = answered.upgrade() {
                if asks(address, "/health", Self::PATIENCE) {
                    *answered.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
                }
                drop(answered);
                std::thread::sleep(Self::EVERY);
            }
        };
        if let Err(error) = std::thread::Builder::new().name("chdb-watch".to_owned()).spawn(asking) {
            tracing::error!(%error, "nobody watches whether the embedded ClickHouse hangs");
            *self.answered.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    fn silent_for(&self) -> Duration {
        let answered = *self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.map_or(Duration::ZERO, |at| at.elapsed())
    }
}

/// Ends a child: asks first, kills after `patience`. Returns once it is gone.
fn end(child: &mut Child, patience: Duration) {
    let deadline = Instant::now() + patience;
    ffi::terminate(child.id());
    while Instant::now() < deadline {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let _gone_already = child.kill();
    let _gone_already = child.wait();
}

/// Passes the child's standard error on to the log and keeps its last lines.
fn listen_to(child: &mut Child) -> JoinHandle<VecDeque<String>> {
    let stderr = child.stderr.take();
    std::thread::spawn(move || {
        let mut last = VecDeque::new();
        for line in stderr.into_iter().flat_map(|stderr| BufReader::new(stderr).lines()).map_while(Result::ok) {
            tracing::debug!(target: "chdb", "{line}");
            if last.len() == LAST_WORDS {
                last.pop_front();
            }
            last.push_back(line);
        }
        last
    })
}

fn obituary(exit: ExitStatus, last_words: JoinHandle<VecDeque<String>>) -> String {
    let words = last_words.join().map(|lines| Vec::from(lines).join(" | ")).unwrap_or_default();
    if words.is_empty() { exit.to_string() } else { format!("{exit}: {words}") }
}

/// Whether the child answers. The socket accepts even before the child runs, so only an answer counts.
fn ping(address: SocketAddr) -> bool {
    asks(address, "/ping", Duration::from_millis(250))
}

fn asks(address: SocketAddr, path: &str, patience: Duration) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, patience)?;
        stream.set_read_timeout(Some(patience))?;
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer.ends_with(b"Ok.\n"))
    };
    ask().unwrap_or(false)
}
