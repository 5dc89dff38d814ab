//! The live table: on a terminal redrawn each second, else a line for each violation and a line every ten seconds.

use std::{io::Write as _, time::Instant};

use comfy_table::{Table, presets::UTF8_BORDERS_ONLY};
use jiff::tz::TimeZone;
use stopline_types::{CameraState, Event, UtcUs, VehicleClass};

use super::Seen;
use crate::engine::Engine;

const LATEST: usize = 12;
const LINE_EVERY_S: u64 = 10;

pub(super) struct Live {
    terminal: bool,
    link: String,
    began: Instant,
    /// Events already shown, off a terminal.
    shown: usize,
    last_line: Instant,
}

impl Live {
    pub(super) fn new(terminal: bool, link: String) -> Self {
        Self { terminal, link, began: Instant::now(), shown: 0, last_line: Instant::now() }
    }

    pub(super) fn show(&mut self, engine: &Engine, seen: &Seen) -> std::io::Result<()> {
        seen.lock().row_ms.extend(engine.ship_stats().last_delay_ms.map(|ms| ms as f32));
        let mut out = std::io::stdout().lock();
        if self.terminal {
            // Home, draw, clear what is left below: less flicker than clearing first.
            let text = self.screen(engine, seen).replace('\n', "\x1b[K\n");
            write!(out, "\x1b[H{text}\x1b[J")?;
        } else {
            for event in &seen.lock().events[self.shown..] {
                if let Event::Violation(_) = event {
                    writeln!(out, "{}", one_line(event))?;
                }
            }
            self.shown = seen.lock().events.len();
            if self.last_line.elapsed().as_secs() >= LINE_EVERY_S {
                self.last_line = Instant::now();
                writeln!(out, "{}", self.status(engine, seen))?;
            }
        }
        out.flush()
    }

    pub(super) fn end(&self) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        if self.terminal { writeln!(out) } else { Ok(()) }
    }

    fn status(&self, engine: &Engine, seen: &Seen) -> String {
        let cameras = engine.cameras();
        let online = cameras.iter().filter(|c| c.state == CameraState::Online).count();
        let analysed: f64 = cameras.iter().map(|c| c.analysed_fps).sum();
        let (passages, violations) = counts(seen);
        let ship = engine.ship_stats();
        format!(
            "{:>4} s  {online} of {} cameras online  {analysed:.1} frames/s analysed  {passages} passages  \
             {violations} violations  {} rows in ClickHouse",
            self.began.elapsed().as_secs(),
            cameras.len(),
            ship.rows.values().sum::<u64>()
        )
    }

    fn screen(&self, engine: &Engine, seen: &Seen) -> String {
        let mut text = format!("stopline demo   log in: {}\n{}\n", self.link, self.status(engine, seen));
        let mut cameras = Table::new();
        cameras.load_style(UTF8_BORDERS_ONLY);
        cameras.set_header(["camera", "state", "analysed/s", "received", "decoded", "analysed", "clock ±ms", "why"]);
        for c in engine.cameras() {
            cameras.add_row([
                c.camera.to_string(),
                c.state.as_str().to_owned(),
                format!("{:.1}", c.analysed_fps),
                c.counters.frames_received.to_string(),
                c.counters.frames_decoded.to_string(),
                c.counters.frames_analysed.to_string(),
                c.clock_error_ms.map(|ms| format!("{ms:.0}")).unwrap_or_default(),
                c.reason,
            ]);
        }
        let by_class = VehicleClass::ALL.map(|class| {
            let seen = seen.lock();
            let of = |event: &&Event| matches!(event, Event::Passage(p) if p.class == class);
            format!("{class} {}", seen.events.iter().filter(of).count())
        });
        text += &format!("{cameras}\npassages: {}\n", by_class.join(", "));
        text += "latest violations (time in Việt Nam, UTC+7):\n";
        let seen = seen.lock();
        let violations = seen.events.iter().rev().filter(|event| matches!(event, Event::Violation(_)));
        for event in violations.take(LATEST) {
            text += &format!("  {}\n", one_line(event));
        }
        text
    }
}

fn counts(seen: &Seen) -> (usize, usize) {
    let seen = seen.lock();
    let passages = seen.events.iter().filter(|event| matches!(event, Event::Passage(_))).count();
    let violations = seen.events.iter().filter(|event| matches!(event, Event::Violation(_))).count();
    (passages, violations)
}

fn one_line(event: &Event) -> String {
    let Event::Violation(v) = event else { return String::new() };
    let measured: Vec<_> = v.measured.iter().map(|(name, value)| format!("{name} {value:.1}")).collect();
    format!(
        "{}  {:<14} {:<11} {:<10} {}{}",
        local(v.utc),
        v.camera.as_str(),
        v.rule,
        v.class,
        measured.join(", "),
        if v.evidence.is_some() { "" } else { "  NO EVIDENCE" }
    )
}

fn local(at: UtcUs) -> String {
    // The zone has had no daylight saving since 1975, so a fixed offset says the same without a zone database.
    at.timestamp().to_zoned(TimeZone::fixed(jiff::tz::offset(7))).strftime("%H:%M:%S%.3f").to_string()
}
