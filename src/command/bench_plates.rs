//! `stopline bench plates --labels FILE`: how well and how fast plates are read, on pictures whose plates are known.

use std::{path::Path, time::Instant};

use anyhow::Context as _;
use comfy_table::{Table, presets::UTF8_BORDERS_ONLY};
use serde::{Deserialize, Serialize};
use stopline_types::BoxPx;

use super::{
    read_plates::{self, Plate},
    say, say_json,
};
use crate::{Outcome, cli::BenchPlatesArgs, config::EngineConfig};

/// A located plate shares at least so much with the true one.
const LOCATED_IOU: f32 = 0.5;

#[derive(Deserialize)]
struct Label {
    file: String,
    plate: String,
    x0: Option<f32>,
    y0: Option<f32>,
    x1: Option<f32>,
    y1: Option<f32>,
}

impl Label {
    fn bbox(&self) -> Option<BoxPx> {
        Some(BoxPx::from_edges(self.x0?, self.y0?, self.x1?, self.y1?))
    }
}

/// What was found. Shares are of all pictures unless said otherwise.
#[derive(Debug, Default, Serialize)]
struct Figures {
    labels: String,
    model: String,
    pictures: usize,
    /// The likeliest plate of the picture has exactly the true text.
    exact: usize,
    /// At most one character is wrong.
    within_one: usize,
    /// Answered, and sure.
    sure: usize,
    /// Sure and wrong: what must not be.
    sure_and_wrong: usize,
    /// Answered, but not sure.
    unsure: usize,
    /// No plate found.
    none: usize,
    /// Pictures whose plate's place is known, and those whose plate was found there.
    placed: usize,
    located: usize,
    /// Median time for a picture, decoding the file left out.
    ms_median: f64,
    /// True text and what was read instead, with `?` where it was not sure.
    wrong: Vec<(String, String, String)>,
}

pub(crate) fn run(args: &BenchPlatesArgs, config: &EngineConfig) -> anyhow::Result<Outcome> {
    let labels = &args.labels;
    let mut eye = read_plates::eye(config)?;
    let text = std::fs::read_to_string(labels).with_context(|| labels.display().to_string())?;
    let folder = labels.parent().unwrap_or(Path::new("."));
    let mut figures =
        Figures { labels: labels.display().to_string(), model: eye.version().to_owned(), ..Figures::default() };
    let mut times = Vec::new();
    for label in rows(&text).with_context(|| labels.display().to_string())? {
        let picture = read_plates::load(&folder.join(&label.file))?;
        let began = Instant::now();
        let found = eye.look_closely(&picture)?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
        let plates: Vec<Plate> = found
            .into_iter()
            .filter_map(|found| Some(Plate { read: eye.judge(&[found.look], None)?, bbox: found.bbox }))
            .collect();
        judge(&label, &plates, &mut figures);
    }
    times.sort_by(f64::total_cmp);
    figures.ms_median = times.get(times.len() / 2).copied().unwrap_or_default();
    if args.json {
        say_json(&figures)?;
    } else {
        say(table(&figures))?;
    }
    Ok(Outcome::Success)
}

/// The file's rows. Plain CSV: neither file names nor plates hold commas.
fn rows(text: &str) -> anyhow::Result<Vec<Label>> {
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().context("the file is empty")?.trim_end().split(',').collect();
    let row = |(at, line): (usize, &str)| {
        let fields = header.iter().copied().zip(line.trim_end().split(','));
        let object = fields.filter(|(_, value)| !value.is_empty()).map(|(name, value)| {
            let number = value.parse::<f32>().ok().filter(|_| name.starts_with(['x', 'y']));
            (name.to_owned(), number.map_or_else(|| value.into(), |number| serde_json::json!(number)))
        });
        let object: serde_json::Value = object.collect::<serde_json::Map<_, _>>().into();
        serde_json::from_value(object).with_context(|| format!("line {}", at + 2))
    };
    lines.enumerate().filter(|(_, line)| !line.trim().is_empty()).map(row).collect()
}

fn judge(label: &Label, plates: &[Plate], figures: &mut Figures) {
    figures.pictures += 1;
    if let Some(truth) = label.bbox() {
        figures.placed += 1;
        figures.located += usize::from(plates.iter().any(|plate| plate.bbox.iou(&truth) >= LOCATED_IOU));
    }
    let best = plates.iter().max_by(|a, b| a.read.confidence.total_cmp(&b.read.confidence));
    let Some(best) = best else {
        figures.none += 1;
        figures.wrong.push((label.file.clone(), label.plate.clone(), String::new()));
        return;
    };
    let right = best.read.text == label.plate;
    figures.exact += usize::from(right);
    figures.within_one += usize::from(right || one_apart(&best.read.text, &label.plate));
    figures.sure += usize::from(best.read.sure);
    figures.unsure += usize::from(!best.read.sure);
    figures.sure_and_wrong += usize::from(best.read.sure && !right);
    if !right {
        let read = if best.read.sure { best.read.text.clone() } else { format!("{} ?", best.read.text) };
        figures.wrong.push((label.file.clone(), label.plate.clone(), read));
    }
}

/// Whether one character was changed, added or left out.
fn one_apart(a: &str, b: &str) -> bool {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let ahead = short.bytes().zip(long.bytes()).take_while(|(x, y)| x == y).count();
    let behind = short.bytes().rev().zip(long.bytes().rev()).take_while(|(x, y)| x == y).count();
    long.len() - short.len() <= 1 && ahead + behind + 1 >= long.len()
}

fn table(figures: &Figures) -> String {
    let share = |count: usize, of: usize| format!("{count} of {of} ({:.1} %)", 100.0 * count as f64 / of.max(1) as f64);
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    let mut row = |name: &str, value: String| {
        table.add_row([name.to_owned(), value]);
    };
    row("pictures", format!("{} of {}", figures.pictures, figures.labels));
    row("models", figures.model.clone());
    row("exact", share(figures.exact, figures.pictures));
    row("at most one character wrong", share(figures.within_one, figures.pictures));
    row("unsure", share(figures.unsure, figures.pictures));
    row("no plate found", share(figures.none, figures.pictures));
    row("wrong among the sure", share(figures.sure_and_wrong, figures.sure));
    if figures.placed > 0 {
        row("located, IoU ≥ 0.5", share(figures.located, figures.placed));
    }
    row("median for a picture", format!("{:.1} ms", figures.ms_median));
    let wrong = figures.wrong.iter().map(|(file, truth, read)| format!("\n{file}: {truth} read as {read}"));
    format!("{table}{}", wrong.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_and_faults_named() {
        let labels =
            rows("file,plate,x0,y0,x1,y1\na.jpg,59S106865,1,2,11,7\n\nb.jpg,30A12345,,,,\n").expect("two rows");
        assert_eq!((labels.len(), labels[0].bbox()), (2, Some(BoxPx::from([1.0, 2.0, 10.0, 5.0]))));
        assert_eq!(labels[1].plate, "30A12345");
        let error = rows("file,text\na.jpg,x\n").map(|_| ()).expect_err("no plate column");
        assert!(format!("{error:#}").contains("line 2"), "{error:#}");
    }

    #[test]
    fn one_character_apart() {
        for (a, b, expected) in [
            ("ABC", "ABC", true),
            ("ABC", "ABD", true),
            ("ABC", "AC", true),
            ("ABC", "CBA", false),
            ("AB", "ABCD", false),
        ] {
            assert_eq!((one_apart(a, b), one_apart(b, a)), (expected, expected), "{a} {b}");
        }
    }
}
