//! The score as a table people can read.

use comfy_table::{Table, presets::UTF8_BORDERS_ONLY};

use super::Score;

/// A table by rule, then what was missed and made up, line by line.
pub(crate) fn render(score: &Score) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    table.set_header(["rule", "true", "found", "missed", "false", "recall", "precision", "set aside", "speed error"]);
    for (rule, s) in &score.rules {
        let aside = if s.aside == 0 { "–".to_owned() } else { format!("{} of {}", s.aside_found, s.aside) };
        let speed = match s.speed_error_kmh.as_slice() {
            [] => "–".to_owned(),
            errors => {
                let worst = errors.iter().fold(0.0_f64, |worst, e| if e.abs() > worst.abs() { *e } else { worst });
                format!("{worst:+.1} km/h")
            }
        };
        table.add_row([
            rule.to_string(),
            s.expected.to_string(),
            s.found.to_string(),
            (s.expected - s.found).to_string(),
            s.false_alarms.to_string(),
            format!("{:.0} %", s.recall() * 100.0),
            format!("{:.0} %", s.precision() * 100.0),
            aside,
            speed,
        ]);
    }
    let mut text = table.to_string();
    for (rule, s) in &score.rules {
        for missed in &s.missed {
            text +=
                &format!("\nmissed  {rule:<12} {} between {:.1} and {:.1} s", missed.who, missed.from_s, missed.to_s);
        }
        for said in &s.made_up {
            text += &format!("\nfalse   {rule:<12} track {} ({}) at {:.1} s", said.track, said.class, said.t_s);
        }
    }
    for (kind, count) in &score.without_rule {
        text += &format!("\nnot looked for: {kind} ({count} in the truth); no rule for it in this version");
    }
    text
}
