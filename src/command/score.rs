//! `stopline score`: events against ground truth.

use std::{io::Read as _, path::Path};

use anyhow::Context as _;
use stopline_types::{CameraId, Event};

use super::{say, say_json};
use crate::{
    Outcome, WrongUse,
    cli::{ReplayArgs, ScoreArgs},
    config::Config,
    score::{self, Floor, Floors, Misses, Truth},
};

pub(crate) fn run(args: &ScoreArgs) -> anyhow::Result<Outcome> {
    let truth = Truth::load(&args.truth)?;
    let events = match (&args.events, &args.replay, &args.camera) {
        (Some(path), _, _) => read_events(path)?,
        (None, Some(clip), Some(camera)) => {
            let config = Config::load(&args.config.dir)?;
            let id = CameraId::new(camera).map_err(|e| WrongUse(e.to_string()))?;
            let replay = ReplayArgs {
                config: args.config.clone(),
                file: clip.clone(),
                camera: camera.clone(),
                start: None,
                json: true,
                evidence: None,
                stills: None,
                record: None,
                gate: args.gate,
            };
            let replayed = super::replay::replay(&config, config.camera(&id)?, clip, &replay)?;
            if let Some(reason) = replayed.broken {
                anyhow::bail!("{reason}");
            }
            replayed.events
        }
        _ => return Err(WrongUse("give --events FILE, or --replay FILE with --camera ID".into()).into()),
    };
    let score = score::judge(&truth, &events);
    if args.json {
        say_json(&score)?;
    } else {
        say(score::render(&score))?;
    }
    if let Some(dir) = &args.misses {
        let video = args.video.as_ref().or(args.replay.as_ref());
        let video = video.ok_or_else(|| WrongUse("--misses wants --video FILE, the clip the events are of".into()))?;
        let written = Misses::of(&truth, &score).write(video, dir)?;
        if !args.json {
            say(format!("{written} pictures: {}", dir.join("index.html").display()))?;
        }
    }
    let mut faults = Floor::of_every_rule(args.min_recall, args.min_precision).faults(&score);
    if let Some(floor) = &args.floor {
        faults.extend(Floors::load(floor)?.replay.faults(&score));
    }
    for fault in &faults {
        tracing::error!("below the floor: {fault}");
    }
    Ok(Outcome::of(faults.is_empty()))
}

pub(super) fn read_events(path: &Path) -> anyhow::Result<Vec<Event>> {
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin().read_to_string(&mut text)?;
    } else {
        text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    }
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(i, line)| {
            serde_json::from_str(line).with_context(|| format!("{}: line {}: not an event", path.display(), i + 1))
        })
        .collect()
}
