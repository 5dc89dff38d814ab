//! The score as tables people can read.

use std::collections::BTreeMap;

use comfy_table::{Table, presets::UTF8_BORDERS_ONLY};
use stopline_types::VehicleClass;

use super::{Errors, MadeUp, PassageScore, PlateScore, RuleScore, Score};

/// A table by rule, then passages, speeds and plates, then what was missed and made up, line by line.
pub(crate) fn render(score: &Score) -> String {
    tables(score) + &details(score)
}

/// The same tables, and what was missed and made up by name with how often: for a clip seen many times.
pub(crate) fn render_counted(score: &Score) -> String {
    tables(score) + &counted(score)
}

fn tables(score: &Score) -> String {
    let mut text = rules(score);
    if let Some(passages) = &score.passages {
        text += "\n";
        text += &figures(score, passages);
        if let Some(confusion) = confusion(passages) {
            text += &format!("\n{confusion}");
        }
    }
    text
}

fn counted(score: &Score) -> String {
    let mut text = String::new();
    let mut line = |what: &str, names: &mut dyn Iterator<Item = String>| {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        names.for_each(|name| *counts.entry(name).or_default() += 1);
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        if !counts.is_empty() {
            let counts: Vec<_> = counts.into_iter().map(|(name, count)| format!("{name} {count}×")).collect();
            text += &format!("\n{what}: {}", counts.join(", "));
        }
    };
    for (rule, s) in &score.rules {
        line(&format!("missed {rule}"), &mut s.missed.iter().map(|missed| missed.who.clone()));
        let said = |said: &MadeUp| {
            let who = said.vehicle.clone().unwrap_or_else(|| "nobody".to_owned());
            if said.near_miss { format!("{who} ({})", said.why) } else { who }
        };
        line(&format!("false {rule}"), &mut s.made_up.iter().map(said));
    }
    if let Some(passages) = &score.passages {
        line("missed passages", &mut passages.missed.iter().map(|missed| missed.who.clone()));
        let misread = passages.plates.misread.iter().map(|m| format!("{} as {}", m.plate, m.read));
        line("wrong plates", &mut misread.into_iter());
    }
    let kinds: Vec<_> = score.without_rule.keys().cloned().collect();
    if !kinds.is_empty() {
        text += &format!("\nnot looked for, no rule in this version: {}", kinds.join(", "));
    }
    text
}

fn rules(score: &Score) -> String {
    let mut table = new_table();
    let near = score.rules.iter().any(|(_, s)| s.near_misses > 0);
    let mut header = vec!["rule", "true", "found", "missed", "false", "recall", "precision", "set aside"];
    header.extend(near.then_some("near misses accused"));
    header.extend(["time error", "speed error"]);
    table.set_header(header);
    for (rule, s) in &score.rules {
        let mut row = vec![
            rule.to_string(),
            s.expected.to_string(),
            s.found.to_string(),
            (s.expected - s.found).to_string(),
            s.false_alarms.to_string(),
            percent(s.recall(), s.expected),
            percent(s.precision(), s.found + s.false_alarms),
            if s.aside == 0 { "–".to_owned() } else { format!("{} of {}", s.aside_found, s.aside) },
        ];
        let accused = |s: &RuleScore| match s.near_misses {
            0 => "–".to_owned(),
            all => format!("{} of {all}", s.near_misses_accused()),
        };
        row.extend(near.then(|| accused(s)));
        row.extend([worst(&s.time_error_s, "s"), worst(&s.speed_error_kmh, "km/h")]);
        table.add_row(row);
    }
    table.to_string()
}

fn figures(score: &Score, p: &PassageScore) -> String {
    let mut table = new_table();
    let mut row = |name: &str, value: String| {
        table.add_row([name.to_owned(), value]);
    };
    row("vehicles with a passage", format!("{} of {} ({})", p.found, p.expected, percent(p.recall(), p.expected)));
    row("  set aside: parked, far, hidden, cut off", format!("{} of {}", p.aside_found, p.aside));
    row("passages told twice", p.doubled.to_string());
    row("passages of people on foot", p.of_pedestrians.to_string());
    row("passages of nobody", p.of_nobody.len().to_string());
    row("tracks that changed over to another", p.switches.len().to_string());
    let (right, all) = p.class_right();
    row("class right", format!("{right} of {all}"));
    row("speed error, all passages", spread(&p.speed_error_kmh));
    row("  of those driven steadily", spread(&p.steady_speed_error_kmh));
    row("  passages without a speed", p.without_speed.to_string());
    row("plates of passages", plates(&p.plates));
    let mut accused = PlateScore::default();
    score.rules.iter().for_each(|(_, s)| accused.add(s.plates.clone()));
    if accused.readable + accused.aside > 0 {
        row("plates of violations found", plates(&accused));
    }
    table.to_string()
}

/// Who was taken for what; `None` if nobody was taken for another.
fn confusion(p: &PassageScore) -> Option<Table> {
    let (right, all) = p.class_right();
    if right == all {
        return None;
    }
    let mut table = new_table();
    let said = VehicleClass::ALL.into_iter().filter(|class| p.classes.values().any(|row| row.contains_key(class)));
    let said: Vec<_> = said.collect();
    table.set_header(["true class, said to be".to_owned()].into_iter().chain(said.iter().map(ToString::to_string)));
    for (class, row) in &p.classes {
        let counts = said.iter().map(|said| row.get(said).map_or("–".to_owned(), ToString::to_string));
        table.add_row([class.to_string()].into_iter().chain(counts));
    }
    Some(table)
}

fn plates(p: &PlateScore) -> String {
    let mut text = format!("{} exact of {} readable, {} wrong, {} unread", p.exact, p.readable, p.wrong, p.unread);
    text += &format!("; of {} set aside {} exact, {} wrong", p.aside, p.aside_exact, p.aside_wrong);
    text + &format!("; {} wrong though sure", p.sure_but_wrong)
}

fn details(score: &Score) -> String {
    let mut text = String::new();
    for (rule, s) in &score.rules {
        text += &missed_and_false(rule.as_str(), s);
    }
    if let Some(passages) = &score.passages {
        for missed in &passages.missed {
            let (who, class) = (&missed.who, missed.class);
            text += &format!("\nmissed  {:<14} {who} ({class}), seen {}", "passage", span(missed.from_s, missed.to_s));
        }
        for stray in &passages.of_nobody {
            let (track, class, t_s) = (stray.track, stray.class, stray.t_s);
            text += &format!("\nfalse   {:<14} track {track} ({class}) at {t_s:.1} s: nobody is there", "passage");
        }
        for switch in &passages.switches {
            let (track, t_s, from, to) = (switch.track, switch.t_s, &switch.from, &switch.to);
            text += &format!("\nmixed   {:<14} track {track} went over from {from} to {to} at {t_s:.1} s", "passage");
        }
        for misread in &passages.plates.misread {
            let (who, plate, read) = (&misread.who, &misread.plate, &misread.read);
            let (t_s, sure) = (misread.t_s, misread.confidence);
            text += &format!("\nwrong   {:<14} {who}: {plate} read as {read} at {t_s:.1} s ({sure:.2})", "plate");
        }
    }
    for (kind, count) in &score.without_rule {
        text += &format!("\nnot looked for: {kind} ({count} in the truth); no rule for it in this version");
    }
    text
}

fn missed_and_false(rule: &str, s: &RuleScore) -> String {
    let mut text = String::new();
    for missed in &s.missed {
        text += &format!("\nmissed  {rule:<14} {}, {}", missed.who, span(missed.from_s, missed.to_s));
    }
    for said in &s.made_up {
        let (track, class, t_s, why) = (said.track, &said.class, said.t_s, &said.why);
        let who = said.vehicle.as_ref().map(|who| format!(" on {who}")).unwrap_or_default();
        text += &format!("\nfalse   {rule:<14} track {track} ({class}){who} at {t_s:.1} s: {why}");
    }
    text
}

fn span(from_s: f64, to_s: f64) -> String {
    if to_s - from_s < 0.05 { format!("at {from_s:.1} s") } else { format!("{from_s:.1} to {to_s:.1} s") }
}

fn percent(share: f64, of: usize) -> String {
    if of == 0 { "–".to_owned() } else { format!("{:.0} %", share * 100.0) }
}

fn worst(errors: &Errors, unit: &str) -> String {
    errors.worst().map_or("–".to_owned(), |worst| format!("{worst:+.1} {unit}"))
}

fn spread(errors: &Errors) -> String {
    let (Some(median), Some(p90), Some(bias)) = (errors.median(), errors.p90(), errors.bias()) else {
        return "–".to_owned();
    };
    format!("median {median:.1}, 90 % within {p90:.1} km/h, bias {bias:+.1} ({})", errors.len())
}

fn new_table() -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    table
}
