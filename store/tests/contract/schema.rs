//! A JSON Schema out of the types' own schemas.

use serde_json::{Map, Value, json};
use stopline_store::envelope::{MOST_BYTES, OLDEST_SCHEMA};
use stopline_types::{Envelope, Event, SCHEMA_VERSION};
use utoipa::{PartialSchema as _, ToSchema};

/// Of the envelope, with everything in it under `$defs`.
pub(crate) fn schema() -> Value {
    let mut parts = vec![("Envelope".to_owned(), Envelope::<Event>::schema()), ("Event".to_owned(), Event::schema())];
    <Envelope<Event> as ToSchema>::schemas(&mut parts);
    let parts: Map<String, Value> = parts
        .into_iter()
        .map(|(name, part)| (own_name(&name).to_owned(), told(serde_json::to_value(part).unwrap())))
        .collect();
    let mut whole = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": format!("stopline events, schema {SCHEMA_VERSION}"),
        "description": format!("Read by this version: schema {OLDEST_SCHEMA} to {SCHEMA_VERSION}, at most {MOST_BYTES} bytes. \
                                Unknown fields are to be ignored. See docs/events.md."),
        "$ref": "#/$defs/Envelope",
        "$defs": parts,
    });
    whole["$defs"]["Quantities"]["description"] =
        "Named figures with their unit at the end of the name, e.g. `speed_kmh`, `dwell_s`, `past_line_px`.".into();
    whole
}

/// The types call their map of figures by the name it has in Rust's library.
fn own_name(name: &str) -> &str {
    if name == "BTreeMap" { "Quantities" } else { name }
}

/// Without what only means something among Rust's documents.
fn told(part: Value) -> Value {
    match part {
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(key, value)| match (key.as_str(), value) {
                    ("$ref", Value::String(to)) => {
                        let name = to.rsplit('/').next().unwrap_or_default();
                        (key, Value::String(format!("#/$defs/{}", own_name(name))))
                    }
                    ("description", Value::String(words)) => {
                        let words = words.replace('\n', " ").replace("[`", "`").replace("`]", "`");
                        (key, Value::String(words))
                    }
                    (_, value) => (key, told(value)),
                })
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(told).collect()),
        other => other,
    }
}

/// Whether a field is one number.
pub(crate) fn is_number(about: &Value) -> bool {
    let kinds = match &about["type"] {
        Value::Array(kinds) => kinds.clone(),
        kind => vec![kind.clone()],
    };
    kinds.iter().any(|kind| kind == "number" || kind == "integer")
}
