//! `stopline`: wiring only. Parses, resolves, runs, prints one error chain, chooses an exit code.

mod backend;
mod case_memory;
mod cli;
mod command;
mod config;
mod demo;
mod engine;
mod scene_file;
mod score;
mod storage;

use std::{
    io::{IsTerminal as _, Write as _},
    process::ExitCode,
};

use clap::Parser as _;
use cli::{CameraAction, Cli, Command, KeyAction};

/// How a command ended when nothing went wrong in running it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Exit code 0.
    Success,
    /// A negative result was found and printed: exit code 1.
    Negative,
}

impl Outcome {
    /// Success if `good`.
    pub(crate) fn of(good: bool) -> Self {
        if good { Self::Success } else { Self::Negative }
    }
}

/// Wrong use or configuration: exit code 2. Any other error is 1.
#[derive(Debug)]
pub(crate) struct WrongUse(pub String);

impl std::error::Error for WrongUse {}

impl std::fmt::Display for WrongUse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            // A broken pipe while printing help is nobody's error.
            drop(e.print());
            return if e.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    start_logging(&cli.command);
    match run(cli.command) {
        Ok(Outcome::Success) => ExitCode::SUCCESS,
        Ok(Outcome::Negative) => ExitCode::from(1),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(std::io::stderr(), "stopline: {error:#}"));
            let wrong_use = error.is::<WrongUse>() || error.is::<config::Faults>();
            ExitCode::from(if wrong_use { 2 } else { 1 })
        }
    }
}

fn run(command: Command) -> anyhow::Result<Outcome> {
    match command {
        Command::Run { config, duration, json } => command::run::run(&config.dir, duration, json),
        Command::Edge { config, duration, json } => command::run::edge(&config.dir, duration, json),
        Command::Replay(args) => command::replay::run(&args),
        Command::Check { config, offline, timeout, json } => command::check::run(&config.dir, offline, timeout, json),
        Command::Camera { action: CameraAction::Add(args) } => command::camera::add(&args),
        Command::Camera { action: CameraAction::Publish { config, prune } } => {
            command::camera_publish::run(&config.dir, prune)
        }
        Command::Migrate { config } => command::migrate::run(&config.dir),
        Command::Sink { config, duration } => command::sink::run(&config.dir, duration),
        Command::Verify { config, path, key, json } => command::verify::run(&config.dir, &path, key.as_deref(), json),
        Command::Key { action: KeyAction::Change { config } } => command::key::change(&config.dir),
        Command::Models { config, action } => command::models::run(&config.dir, action),
        Command::ReadPlates(args) => command::read_plates::run(&args),
        Command::User { config, action } => command::user::run(&config.dir, action),
        Command::Scene { config, action } => command::scene::run(&config.dir, &action),
        Command::Sections(args) => command::sections::run(&args),
        Command::Score(args) => command::score::run(&args),
        Command::Bench(args) => command::bench::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Chdb { args } => command::chdb::run(&args),
    }
}

/// Logs go to standard error, so that `--json` on standard output stays clean. `STOPLINE_LOG` sets the filter.
fn start_logging(command: &Command) {
    let quiet = matches!(
        command,
        Command::Camera { .. }
            | Command::Scene { .. }
            | Command::Demo(_)
            | Command::Replay(_)
            | Command::Score(_)
            | Command::Bench(_)
            | Command::ReadPlates(_)
            | Command::Sections(_)
    );
    let default = if quiet { "warn" } else { "info" };
    let filter = tracing_subscriber::EnvFilter::try_from_env("STOPLINE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
    // Colours are for people at a terminal; in a file or a journal they are noise.
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let logging = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    logging.with_target(false).init();
}

/// Only of what was said to standard output: such an error comes bare, others come with their context.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
}
