use proptest::prelude::*;
use stopline_types::PlateKind::{
    Car4, Car5, EbikeLegacy, Foreign, Military, Moto2Letter, MotoLd4, MotoLd5, Special, Temporary, Trailer,
};

use super::*;

fn grammar() -> Grammar {
    Grammar::built_in().unwrap()
}

/// The examples of the formats' table, with every kind each may be of and the way it is written.
const EXAMPLES: &[(&str, &str, &[PlateKind])] = &[
    ("30F-256.58", "30F25658", &[Car5, MotoLd4]),
    ("51K-123.45", "51K12345", &[Car5, MotoLd4]),
    ("80B-123.45", "80B12345", &[Car5, MotoLd4]),
    ("17A-001.23", "17A00123", &[Car5]),
    ("30-AB 266.59", "30AB26659", &[Moto2Letter]),
    ("29-AR 002.33", "29AR00233", &[Moto2Letter]),
    ("29-B1 123.45", "29B112345", &[MotoLd5]),
    ("98-B3 785.78", "98B378578", &[MotoLd5]),
    ("17-A1 001.23", "17A100123", &[MotoLd5]),
    ("51RM-012.34", "51RM01234", &[Trailer]),
    ("15R-123.45", "15R12345", &[Trailer]),
    ("20KT-226.22", "20KT22622", &[Special, Moto2Letter]),
    ("29CD-123.45", "29CD12345", &[Special, Moto2Letter]),
    ("60HC-001.23", "60HC00123", &[Special, Moto2Letter]),
    ("51LD-123.45", "51LD12345", &[Special, Moto2Letter]),
    ("80-441-NG-02", "80441NG02", &[Foreign]),
    ("29-121-NN-101", "29121NN101", &[Foreign]),
    ("T80-235.88", "T8023588", &[Temporary]),
    ("TM-21-47", "TM2147", &[Military]),
    ("29-MD1 234.56", "29MD123456", &[EbikeLegacy]),
    ("29A-1234", "29A1234", &[Car4]),
    ("29F-112.34", "29F11234", &[Car5, MotoLd4]),
];

#[test]
fn every_example_is_of_its_kinds_and_written_back() {
    let grammar = grammar();
    for (written, text, kinds) in EXAMPLES {
        assert_eq!(canonical(written), *text);
        assert_eq!(grammar.kinds(text), *kinds, "{text}");
        assert_eq!(grammar.repair(text), [Repaired { text: (*text).into(), edits: vec![] }]);
        let one = match kinds {
            [Special, Moto2Letter] | [Car5, MotoLd4] => Some(VehicleClass::Car),
            _ => None,
        };
        assert_eq!(grammar.resolve(text, Seen { class: one, ..Seen::default() }).display, *written);
    }
    let listed: std::collections::BTreeSet<_> = EXAMPLES.iter().flat_map(|(_, _, kinds)| kinds.iter()).collect();
    assert_eq!(listed.len(), PlateKind::ALL.len(), "every kind has an example");
}

#[test]
fn the_canonical_form() {
    assert_eq!(canonical("29-mđ1 234.56"), "29MD123456");
    assert_eq!(canonical("29-MĐ1 234.56"), "29MD123456");
    assert_eq!(canonical(" 30f–256.58\n"), "30F25658");
    assert_eq!(canonical("30Á1"), "301");
    assert_eq!(canonical("30A\u{301}1"), "301", "the same letter in two parts");
}

#[test]
fn what_is_no_plate() {
    let grammar = grammar();
    for text in [
        "46A12345",
        "30O12345",
        "30J12345",
        "30A00000",
        "29B100000",
        "30A0000",
        "30A1234567",
        "3A12345",
        "",
        "30B012345",
    ] {
        assert!(grammar.kinds(text).is_empty(), "{text}: {:?}", grammar.kinds(text));
    }
    assert!(grammar.repair("46A12345").is_empty(), "a code never issued is not put right");
}

#[test]
fn issued_codes_are_those_of_the_table() {
    let grammar = grammar();
    assert_eq!(grammar.provinces().issued_codes(), 81);
    let never: Vec<_> = (11..=99).filter(|code| !grammar.provinces().issued(&code.to_string())).collect();
    assert_eq!(never, [13, 42, 44, 45, 46, 87, 91, 96]);
    let hung_yen = grammar.province("17A00123").unwrap();
    assert_eq!((hung_yen.name.as_deref(), hung_yen.issued), (Some("Hưng Yên"), true));
    assert_eq!(grammar.provinces().name_before_mergers("17"), Some("Thái Bình"));
    assert_eq!(grammar.provinces().name_before_mergers("29"), Some("Hà Nội"));
    assert_eq!(grammar.province("T8023588").unwrap().code, "80");
    assert_eq!(grammar.province("46A12345").map(|p| (p.issued, p.name)), Some((false, None)));
    assert_eq!(grammar.province("TM2147"), None);
}

fn repaired(raw: &str) -> Vec<(String, usize)> {
    grammar().repair(raw).into_iter().map(|r| (r.text, r.edits.len())).collect()
}

#[test]
fn repairs_by_position() {
    assert_eq!(repaired("3OF25658"), [("30F25658".into(), 1)]);
    assert_eq!(repaired("30F2S6S8"), [("30F25658".into(), 2)]);
    assert_eq!(repaired("59SI06865"), [], "the fourth character of nine stays as it is");
    assert_eq!(repaired("29B0123A5"), [], "also when it is a 0 that may be a D");
    assert_eq!(repaired("29B1123A5"), [("29B112345".into(), 1)]);
    assert_eq!(repaired("30825658"), [("30B25658".into(), 1)]);
    assert_eq!(
        repaired("30725658"),
        [("30Z25658".into(), 1), ("30T25658".into(), 1)],
        "7 may be Z or T: both are named"
    );
    assert_eq!(repaired("30FZ5658"), [("30F25658".into(), 1)]);
    assert_eq!(repaired("BBFZSGSB"), [], "more than two changes are a guess");
    let edits = &grammar().repair("3OF2565B")[0].edits;
    assert_eq!(
        edits[..],
        [PlateEdit { position: 1, from: 'O', to: '0' }, PlateEdit { position: 7, from: 'B', to: '8' }]
    );
}

fn resolve(text: &str, colour: Option<PlateColour>, lines: Option<u8>, class: Option<VehicleClass>) -> Resolved {
    grammar().resolve(text, Seen { colour, lines, class })
}

#[test]
fn looks_and_vehicle_tell_kinds_apart() {
    use VehicleClass::{Bus, Car, Motorcycle, Truck};
    // A five-digit car or a four-digit motorcycle.
    assert_eq!(resolve("29F11234", None, None, None).kind, None);
    assert_eq!(resolve("29F11234", None, Some(1), None).kind, Some(Car5), "a motorcycle's has two lines");
    assert_eq!(resolve("29F11234", None, Some(2), Some(Motorcycle)).kind, Some(MotoLd4));
    assert_eq!(resolve("29F11234", None, Some(2), Some(Motorcycle)).display, "29-F1 1234");
    assert_eq!(
        resolve("29F11234", Some(PlateColour::Yellow), None, None).kind,
        Some(Car5),
        "no motorcycle's is yellow"
    );
    // A special series or a motorcycle of 2023 on.
    assert_eq!(resolve("29LD12345", None, None, Some(Truck)).kind, Some(Special));
    assert_eq!(resolve("29LD12345", None, None, Some(Motorcycle)).kind, None, "both may be a motorcycle's");
    assert_eq!(resolve("29LD12345", None, Some(1), Some(Motorcycle)).kind, Some(Special));
    assert_eq!(resolve("TM2147", Some(PlateColour::Red), Some(1), Some(Bus)).kind, Some(Military));
    assert!(resolve("29121NN101", None, None, Some(Car)).class_mismatch);
    assert!(!resolve("29121NN101", None, None, Some(Motorcycle)).class_mismatch);
}

#[test]
fn a_plate_on_the_wrong_vehicle_is_flagged() {
    use VehicleClass::{Bus, Car, Motorcycle, Truck};
    for class in [Car, Bus, Truck] {
        assert!(resolve("29B112345", None, None, Some(class)).class_mismatch);
        assert!(!resolve("30A01234", None, None, Some(class)).class_mismatch);
    }
    assert!(resolve("30A01234", None, None, Some(Motorcycle)).class_mismatch);
    assert!(!resolve("29F11234", None, None, Some(Motorcycle)).class_mismatch, "it may be a motorcycle's");
    assert!(resolve("29F11234", None, Some(1), Some(Motorcycle)).class_mismatch, "not on one line");
    assert!(!resolve("gibberish", None, None, Some(Motorcycle)).class_mismatch, "a text of no kind says nothing");
    assert!(!resolve("29B112345", None, None, None).class_mismatch);
}

#[test]
fn colours_speak_for_or_against() {
    assert!(resolve("80B12345", Some(PlateColour::Blue), None, None).colour_fits);
    assert!(!resolve("80Z12345", Some(PlateColour::Blue), None, None).colour_fits, "state bodies have eleven letters");
    assert!(!resolve("30F25658", Some(PlateColour::Red), None, None).colour_fits);
    assert!(!resolve("TM2147", Some(PlateColour::White), None, None).colour_fits);
    assert!(!resolve("29B112345", Some(PlateColour::Yellow), None, None).colour_fits);
}

#[test]
fn files_that_make_no_sense_are_refused_by_name() {
    let text = include_str!("../../../config/plates/grammar.toml");
    let provinces = include_str!("../../../config/plates/provinces.csv");
    for (from, to, said) in [
        ("display = \"####-###.##\"", "display = \"###-###.##\"", "form 5 (trailer): display"),
        ("text = \"P RM 0-9*5\"", "text = \"P L99 0-9*5\"", "\"L99\": expected P"),
        ("text = \"P RM 0-9*5\"", "text = \"P RM 0-9*x\"", "expected a number"),
        ("kind = \"car_5\"", "kind = \"car_6\"", "car_6"),
        ("most = 2", "mots = 2", "mots"),
    ] {
        assert!(text.contains(from), "{from}");
        let path = Path::new("grammar.toml");
        let error = Grammar::parse(path, &text.replacen(from, to, 1), Path::new("p.csv"), provinces).unwrap_err();
        assert!(error.to_string().contains(said) && error.to_string().contains("grammar.toml"), "{error}");
    }
    let parse = |provinces: &str| Grammar::parse(Path::new("g"), text, Path::new("p.csv"), provinces).unwrap_err();
    assert!(parse(&provinces.replacen("12,", "1x,", 1)).to_string().contains("p.csv: code: expected two digits"));
    assert!(parse(&provinces.replacen("12,", "11,", 1)).to_string().contains("code 11 stands twice"));
}

fn issued() -> impl Strategy<Value = String> {
    let grammar = grammar();
    let codes: Vec<String> =
        (11..=99).map(|code| code.to_string()).filter(|code| grammar.provinces().issued(code)).collect();
    prop::sample::select(codes)
}

proptest! {
    #[test]
    fn a_text_made_by_a_form_is_of_its_kind(
        form in 0usize..100, picks in prop::collection::vec(0usize..1000, 12), code in issued()
    ) {
        let grammar = grammar();
        let form = &grammar.forms()[form % grammar.forms().len()];
        let text = form.made_of(&picks, &code);
        prop_assert!(grammar.kinds(&text).contains(&form.kind), "{}", text);
        prop_assert_eq!(canonical(&form.display(&text)), text.clone());
        prop_assert_eq!(&grammar.repair(&text)[0].text, &text);
        prop_assert_eq!(grammar.province(&text).is_some(), form.kind != Military);
    }

    #[test]
    fn repairs_are_of_a_kind_and_listed(raw in "[0-9A-Z]{5,11}") {
        let grammar = grammar();
        for found in grammar.repair(&raw) {
            prop_assert!(!grammar.kinds(&found.text).is_empty());
            prop_assert_eq!(edits(&raw, &found.text), found.edits.clone());
            prop_assert!(found.edits.len() <= 2);
            if raw.len() == 9 {
                prop_assert_eq!(raw.as_bytes()[3], found.text.as_bytes()[3], "the fourth of nine is never changed");
            }
        }
    }

    #[test]
    fn one_misread_digit_is_found_again(
        form in 0usize..100, picks in prop::collection::vec(0usize..1000, 12), code in issued(), at in 0usize..12
    ) {
        let grammar = grammar();
        let form = &grammar.forms()[form % grammar.forms().len()];
        let text = form.made_of(&picks, &code);
        let at = at % form.len();
        let misread = match text.as_bytes()[at] { b'5' => 'S', b'8' => 'B', b'6' => 'G', b'0' => 'O', _ => return Ok(()) };
        let raw = format!("{}{misread}{}", &text[..at], &text[at + 1..]);
        if form.mends_at(at) && grammar.kinds(&raw).is_empty() {
            prop_assert!(grammar.repair(&raw).iter().any(|found| found.text == text), "{} for {}", raw, text);
        }
    }

    #[test]
    fn the_canonical_form_is_its_own(text in "\\PC{0,16}") {
        let once = canonical(&text);
        prop_assert_eq!(canonical(&once), once);
    }
}
