//! The event contract as the types tell it: `docs/events.schema.json` and the second half of `docs/events.md` are made
//! here, and this fails when they differ. To write them anew:
//!
//!     STOPLINE_WRITE_DOCS=1 cargo test -p stopline-store --test contract
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod conform;
mod examples;
mod page;
mod schema;

use std::path::PathBuf;

use stopline_store::envelope;

/// What stands before the generated half of the page.
const MARK: &str = "<!-- Made from the types by store/tests/contract: do not edit below. -->\n";

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name)
}

fn held(name: &str, is: &str) {
    let path = file(name);
    if std::env::var_os("STOPLINE_WRITE_DOCS").is_some() {
        std::fs::write(&path, is).unwrap();
        return;
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let line = found.lines().zip(is.lines()).take_while(|(found, is)| found == is).count();
    assert!(
        found == is,
        "docs/{name} is not what the types say, from line {} on: found {:?}, expected {:?}; \
         write it anew with STOPLINE_WRITE_DOCS=1 cargo test -p stopline-store --test contract",
        line + 1,
        found.lines().nth(line),
        is.lines().nth(line),
    );
}

#[test]
fn the_documents_are_what_the_types_say() {
    let schema = schema::schema();
    held("events.schema.json", &format!("{:#}\n", schema));
    let page = std::fs::read_to_string(file("events.md")).unwrap();
    let (prose, _) = page.split_once(MARK).expect("docs/events.md has its mark");
    held("events.md", &format!("{prose}{MARK}{}", page::page(&schema)));
}

#[test]
fn every_number_has_its_unit() {
    let schema = schema::schema();
    let parts = schema["$defs"].as_object().unwrap();
    for (name, part) in parts {
        for (field, about) in part["properties"].as_object().into_iter().flatten() {
            let words = page::words(about);
            assert!(!words.is_empty(), "{name}.{field}: no meaning");
            assert!(
                !schema::is_number(about) || page::unit(field, words).is_some(),
                "{name}.{field}: no unit: {words}"
            );
        }
    }
}

#[test]
fn what_the_types_write_conforms_and_is_read_back() {
    let schema = schema::schema();
    for (name, event) in examples::all() {
        let sealed = envelope::seal(&event, common::at(75.0)).unwrap();
        conform::conforms(&serde_json::from_slice(&sealed).unwrap(), &schema, &schema)
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(envelope::open(&sealed).unwrap().event, event, "{name}");
    }
    // That the check can fail.
    let (_, event) = examples::all().remove(0);
    let good: serde_json::Value = serde_json::from_slice(&envelope::seal(&event, common::at(75.0)).unwrap()).unwrap();
    for (place, bad) in
        [("/event/class", "tank".into()), ("/event/box", [1, 2, 3].as_slice().into()), ("/schema", "1".into())]
    {
        let mut envelope = good.clone();
        *envelope.pointer_mut(place).unwrap() = bad;
        assert!(conform::conforms(&envelope, &schema, &schema).is_err(), "{place}");
    }
}

/// Events of schema 1 without any field that came after it, as older programs wrote them. These lines never change.
#[test]
fn events_of_older_programs_are_still_read() {
    let lines = include_str!("schema_1_fewest.jsonl");
    let kinds: Vec<_> = lines.lines().map(|line| envelope::open(line.as_bytes()).unwrap().event.kind()).collect();
    assert_eq!(kinds, ["passage", "violation", "incident", "review"]);
}
