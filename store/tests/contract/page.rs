//! The schema as tables for people.

use std::fmt::Write as _;

use serde_json::Value;
use stopline_store::envelope;

use crate::{common, examples};

/// The order they are told in; whatever else there is follows by name.
const FIRST: [&str; 6] = ["Envelope", "Event", "Passage", "Violation", "Incident", "Review"];

/// What a number counts or is measured in, by the end of its name or by what is said of it.
pub(crate) fn unit(field: &str, words: &str) -> Option<&'static str> {
    let ends = [
        ("_s", "seconds"),
        ("_ms", "milliseconds"),
        ("_kmh", "km/h"),
        ("_px", "pixels"),
        ("_vnd", "VND"),
        ("_fps", "frames a second"),
    ];
    let of_name = ends.into_iter().find(|(end, _)| field.ends_with(end)).map(|(_, unit)| unit);
    let says = |what: &str| words.to_lowercase().contains(what);
    of_name.or_else(|| says("0 to 1").then_some("0 to 1")).or_else(|| {
        let counts = ["number", "counting", "version", "frames it", "points", "pictures that", "lines of", "from 0"];
        counts.into_iter().any(says).then_some("–")
    })
}

pub(crate) fn page(schema: &Value) -> String {
    let parts = schema["$defs"].as_object().unwrap();
    let mut page = String::new();
    let rest = parts.keys().map(String::as_str).filter(|name| !FIRST.contains(name));
    for name in FIRST.into_iter().chain(rest) {
        part(&mut page, name, &parts[name]);
    }
    page.push_str("\n## Examples\n\nMade by the types themselves; one line each on the wire.\n");
    for (name, event) in examples::all() {
        let sealed = envelope::seal(&event, common::at(75.0)).unwrap();
        let value: Value = serde_json::from_slice(&sealed).unwrap();
        write!(page, "\n{name}:\n\n```json\n{value:#}\n```\n").unwrap();
    }
    page
}

fn part(page: &mut String, name: &str, part: &Value) {
    write!(page, "\n## {name}\n\n").unwrap();
    if let Some(words) = part["description"].as_str() {
        writeln!(page, "{words}").unwrap();
    }
    if let Some(words) = part["enum"].as_array() {
        let words: Vec<_> = words.iter().map(|word| format!("`{}`", word.as_str().unwrap_or_default())).collect();
        writeln!(page, "\nOne of {}.", words.join(", ")).unwrap();
    }
    if let Some(choices) = part["oneOf"].as_array() {
        page.push_str("\n| `event` | the fields beside it |\n|---|---|\n");
        for choice in choices {
            let both = choice["allOf"].as_array().unwrap();
            let word = both.iter().find_map(|one| one["properties"]["event"]["enum"][0].as_str()).unwrap();
            let fields = both.iter().find_map(|one| one["$ref"].as_str()).unwrap();
            writeln!(page, "| `{word}` | {} |", link(fields)).unwrap();
        }
    }
    let Some(fields) = part["properties"].as_object() else { return };
    let required: Vec<_> = part["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    page.push_str("\n| field | JSON | may be missing | unit | meaning |\n|---|---|---|---|---|\n");
    for (field, about) in fields {
        let words = words(about);
        let missing = if required.contains(&field.as_str()) { "" } else { "yes" };
        let number = crate::schema::is_number(about);
        let unit = number.then(|| unit(field, words)).flatten().unwrap_or_default();
        writeln!(page, "| `{field}` | {} | {missing} | {unit} | {} |", json(about), words.replace('|', "\\|")).unwrap();
    }
}

pub(crate) fn words(about: &Value) -> &str {
    let own = about["description"].as_str();
    own.or_else(|| about["oneOf"].as_array()?.iter().find_map(|one| one["description"].as_str())).unwrap_or_default()
}

/// What kind of value, in a word or two.
fn json(about: &Value) -> String {
    if let Some(to) = about["$ref"].as_str() {
        return link(to);
    }
    if let Some(choices) = about["oneOf"].as_array() {
        return choices.iter().map(json).collect::<Vec<_>>().join(" or ");
    }
    match &about["type"] {
        Value::Array(kinds) => {
            kinds.iter().map(|kind| kind.as_str().unwrap_or_default()).collect::<Vec<_>>().join(" or ")
        }
        Value::String(kind) if kind == "array" => format!("list of {}", json(&about["items"])),
        Value::String(kind) => kind.clone(),
        _ => "any".to_owned(),
    }
}

fn link(to: &str) -> String {
    let name = to.rsplit('/').next().unwrap_or_default();
    format!("[{name}](#{})", name.to_lowercase())
}
