//! `stopline sections`: average speeds between two cameras, of events that were recorded: to try a section before it accuses
//! anybody, or to see what an old day would have brought.

use stopline_detect::rules::section_speed::Sighting;
use stopline_types::{Event, Passage};

use super::{say, score::read_events};
use crate::{Outcome, cli::SectionsArgs, config::Config, engine::detection, engine::sections::Sections};

pub(crate) fn run(args: &SectionsArgs) -> anyhow::Result<Outcome> {
    let config = Config::load(&args.config.dir)?;
    anyhow::ensure!(
        !config.engine.sections.is_empty(),
        "{}: expected at least one [[section]], found none",
        config.dir.join("stopline.toml").display()
    );
    let mut passages: Vec<Passage> = Vec::new();
    for file in &args.events {
        passages.extend(read_events(file)?.into_iter().filter_map(|event| match event {
            Event::Passage(passage) => Some(passage),
            _ => None,
        }));
    }
    passages.sort_by(|a, b| a.utc.cmp(&b.utc).then_with(|| a.id.cmp(&b.id)));
    let sections = Sections::new(&config.engine.sections, detection::law()?);
    let (mut sure, mut found) = (0, Vec::new());
    for passage in &passages {
        let Some(mut seen) = Sighting::of(passage) else { continue };
        seen.error_ms = args.clock_error_ms.or(seen.error_ms);
        sure += usize::from(passage.plate.as_ref().is_some_and(|plate| plate.sure));
        found.extend(sections.replayed(passage, &seen).into_iter().map(|offence| *offence.violation));
    }
    if args.json {
        for violation in found {
            say(serde_json::to_string(&Event::Violation(Box::new(violation)))?)?;
        }
        return Ok(Outcome::Success);
    }
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::UTF8_BORDERS_ONLY);
    table.set_header(["left at", "camera", "plate", "class", "km/h", "± km/h", "limit", "took s", "law"]);
    for v in &found {
        let figure = |name: &str| v.measured.get(name).map(|value| format!("{value:.1}")).unwrap_or_default();
        table.add_row([
            v.utc.to_string(),
            v.camera.to_string(),
            super::read_plates::shown(v.plate.as_ref()),
            v.class.to_string(),
            figure("speed_kmh"),
            figure("speed_error_kmh"),
            v.limit.get("speed_kmh").map(|kmh| format!("{kmh:.0}")).unwrap_or_default(),
            figure("section_s"),
            v.law.as_ref().map(|law| law.code.clone()).unwrap_or_default(),
        ]);
    }
    let passed = passages.len();
    say(format!("{table}\n{passed} passages, {sure} with a sure plate; {} too fast on average", found.len()))?;
    Ok(Outcome::Success)
}
