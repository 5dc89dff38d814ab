//! `stopline demo`: real RTSP cameras (simulated or the user's), the whole engine on the embedded store, the pages,
//! a live table; at the end a summary that reads everything back and says what was missed.

mod clip;
mod fixtures;
mod input;
mod live;
mod simulator;
mod summary;

use std::{
    io::IsTerminal as _,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use input::Input;
use live::Live;
use stopline_types::Event;
use stopline_web::{NewGrant, Role, Users};
use summary::Summary;

use crate::{
    Outcome,
    cli::DemoArgs,
    command::{run::wait_for_end, say},
    config::Config,
    engine::{Duty, Engine, Hooks},
};

/// The demo's user. Its password is random and shown to nobody: the only way in is the link for one use.
const USER: &str = "demo";
/// Frames a second that a core bears when it also decodes, stores and simulates the cameras (measured: 20), so that
/// frames are left out evenly and not by chance; and the least that is tried.
const FRAMES_PER_CORE: f64 = 18.0;
const LEAST_FPS: f64 = 5.0;
const LINK_VALID: Duration = Duration::from_secs(15 * 60);

pub(crate) fn run(args: &DemoArgs) -> anyhow::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(demo(args))
}

async fn demo(args: &DemoArgs) -> anyhow::Result<Outcome> {
    let input = Input::choose(args)?;
    say(format!("shows: {}", input.says))?;
    let config_dir = args.data.join("config");
    let _simulator = input.prepare(args, &config_dir)?;
    let mut config = Config::load(&config_dir)?;
    config.engine.data_dir = std::path::absolute(&args.data)?;
    config.engine.web.listen = args.listen;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let bearable = (FRAMES_PER_CORE * cores as f64 / config.cameras.len() as f64).max(LEAST_FPS);
    config.engine.detector.max_fps = config.engine.detector.max_fps.min(bearable);
    let (max_fps, cameras) = (config.engine.detector.max_fps, config.cameras.len());
    say(format!(
        "looks at {max_fps:.1} frames a second of each of {cameras} cameras at most: what {cores} cores bear"
    ))?;
    let names: Vec<_> = config.cameras.iter().map(|camera| camera.id.clone()).collect();

    let seen = Arc::new(Seen::default());
    let hooks = hooks(&seen);
    let began = Instant::now();
    let engine = Engine::start(config, Duty::All, hooks).await?;
    let (address, web) = engine.pages().context("the pages")?;
    let link = log_in_link(address, web.users().clone()).await?;
    say(format!("pages: http://{address}"))?;
    say(format!("log in once, within 15 minutes: {link}"))?;
    say(format!("cameras: {}; started in {:.1} s", names.len(), began.elapsed().as_secs_f64()))?;

    let mut live = Live::new(std::io::stdout().is_terminal(), link);
    let end = wait_for_end(args.duration);
    tokio::pin!(end);
    loop {
        tokio::select! {
            result = &mut end => break result?,
            () = tokio::time::sleep(Duration::from_secs(1)) => live.show(&engine, &seen)?,
        }
    }
    live.end()?;
    say("stopping: letting everything under way reach the store")?;
    let evidence_dir = engine.evidence_dir.clone();
    let stopped = engine.drain().await?;
    let summary = Summary::read_back(&stopped, &seen, &input, &evidence_dir, (max_fps, began.elapsed())).await?;
    stopped.close().await;
    say(summary.render())?;
    Ok(Outcome::of(summary.good()))
}

/// What went by, for the table and the summary.
#[derive(Default)]
pub(crate) struct Seen {
    inner: Mutex<SeenInner>,
}

#[derive(Default)]
pub(crate) struct SeenInner {
    /// Every event that became durable, in that order.
    pub events: Vec<Event>,
    /// Media time analysed so far, by camera, seconds.
    pub media_s: std::collections::HashMap<stopline_types::CameraId, f64>,
    /// Delay from the last packet received to the frame analysed, milliseconds.
    pub delay_ms: Vec<f32>,
    /// From an event decided (and, for violations, proved) to the event on disk, milliseconds.
    pub durable_ms: Vec<f32>,
    /// From an event on disk to its row in ClickHouse, of each second's latest batch, milliseconds.
    pub row_ms: Vec<f32>,
}

impl Seen {
    pub(crate) fn lock(&self) -> std::sync::MutexGuard<'_, SeenInner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hooks(seen: &Arc<Seen>) -> Hooks {
    let durable = Arc::clone(seen);
    let analysed = Arc::clone(seen);
    Hooks {
        on_durable: Some(Arc::new(move |event, took| {
            let mut seen = durable.lock();
            seen.events.push(event.clone());
            seen.durable_ms.push(took.as_secs_f32() * 1e3);
        })),
        on_analysed: Some(Arc::new(move |camera, media_s, delay| {
            let mut seen = analysed.lock();
            let latest = seen.media_s.entry(camera.clone()).or_default();
            *latest = latest.max(media_s);
            seen.delay_ms.extend(delay.map(|delay| delay.as_secs_f32() * 1e3));
        })),
    }
}

/// Makes the demo's user on the first start; then a link for one use.
async fn log_in_link(address: SocketAddr, users: Users) -> anyhow::Result<String> {
    tokio::task::spawn_blocking(move || {
        if !users.list()?.iter().any(|user| user.name == USER) {
            users.add(USER, Role::Approver, &input::random_password()?)?;
            // One person sees every page here; at work these are several.
            for role in [Role::Operator, Role::Admin, Role::Auditor] {
                users.grant(USER, &NewGrant::everywhere(role))?;
            }
        }
        let link = users.one_time_link(USER, LINK_VALID)?;
        Ok(format!("http://{address}{}", link.path))
    })
    .await
    .context("making the log-in link")?
}
