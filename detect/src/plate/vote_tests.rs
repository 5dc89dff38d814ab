use proptest::prelude::*;
use stopline_types::PlateKind;

use super::*;

const SLOTS: usize = 10;

fn grammar() -> Grammar {
    Grammar::built_in().unwrap()
}

/// A look at `text`, each character as likely as said, what is left spread evenly; `also` gives a character another
/// candidate with its odds.
fn look(text: &str, odds: f32, also: &[(usize, char, f32)]) -> Look {
    let mut classes: Vec<usize> = text.chars().map(|c| CharacterOdds::index(c).unwrap()).collect();
    classes.resize(SLOTS, CharacterOdds::NONE);
    let mut places: Vec<CharacterOdds> = classes
        .into_iter()
        .map(|class| {
            let mut all = [(1.0 - odds) / 36.0; 37];
            all[class] = odds;
            CharacterOdds(all)
        })
        .collect();
    for (at, other, p) in also {
        let place = &mut places[*at].0;
        let best = CharacterOdds(*place).best().0;
        place[best] -= p;
        place[CharacterOdds::index(*other).unwrap_or(CharacterOdds::NONE)] += p;
    }
    Look { odds: places, lines: Some(2), colour: Some(PlateColour::White), weight: 1.0, seen: None, doubtful: false }
}

fn voted(looks: &[Look]) -> PlateRead {
    vote(looks, &grammar(), Some(VehicleClass::Motorcycle), 0.9).unwrap()
}

#[test]
fn one_clear_look_is_sure() {
    let read = voted(&[look("59S106865", 0.999, &[])]);
    assert_eq!((read.text.as_str(), read.raw.as_str(), read.sure), ("59S106865", "59S106865", true), "{read:?}");
    assert_eq!((read.display.as_str(), read.kind), ("59-S1 068.65", Some(PlateKind::MotoLd5)));
    assert_eq!((read.characters.len(), read.reads, read.edits.len()), (9, 1, 0));
    assert_eq!(read.province.unwrap().name.as_deref(), Some("TP. Hồ Chí Minh"));
    assert!((read.confidence - 0.999f64.powi(10)).abs() < 1e-3);
}

#[test]
fn looks_that_agree_are_worth_more_than_one() {
    let one = voted(&[look("59S106865", 0.97, &[])]);
    let three = voted(&vec![look("59S106865", 0.97, &[]); 3]);
    assert!(!one.sure && one.doubts == [PlateDoubt::LowConfidence], "{one:?}");
    assert!(three.sure && three.confidence > one.confidence, "{three:?}");
    assert_eq!(three.reads, 3);
}

#[test]
fn each_character_is_voted_for_on_its_own() {
    // No look has the whole text right; two of three have each character.
    let read = voted(&[look("59S106866", 0.9, &[]), look("59S706865", 0.9, &[]), look("59S106865", 0.6, &[])]);
    assert_eq!(read.text, "59S106865");
    let alternatives: Vec<_> = read.alternatives.iter().map(|a| a.text.as_str()).collect();
    assert!(alternatives.contains(&"59S106866"), "{alternatives:?}");
}

#[test]
fn the_larger_picture_counts_more() {
    let mut near = look("59S106865", 0.9, &[]);
    near.weight = 4.0;
    assert_eq!(voted(&[near, look("59S106885", 0.9, &[]), look("59S106885", 0.9, &[])]).text, "59S106865");
}

#[test]
fn a_look_that_misses_a_character_is_aligned() {
    let read = voted(&[look("59S16865", 0.95, &[]), look("59S106865", 0.95, &[]), look("59S106865", 0.95, &[])]);
    assert_eq!(read.text, "59S106865");
    assert!(read.characters.iter().all(|p| *p > 0.5), "{:?}", read.characters);
}

#[test]
fn two_vehicles_in_one_track_are_not_mixed() {
    let looks = [look("59S106865", 0.99, &[]), look("51F33912", 0.99, &[]), look("59S106865", 0.99, &[])];
    let read = voted(&looks);
    assert_eq!(read.text, "59S106865");
    assert!(!read.sure && read.doubts.contains(&PlateDoubt::ReadsDisagree), "{read:?}");
    assert_eq!(read.alternatives[0].text, "51F33912");
    assert_eq!(read.reads, 2, "only looks of that plate voted");
}

#[test]
fn one_stray_look_among_many_does_no_harm() {
    let mut looks = vec![look("59S106865", 0.99, &[]); 5];
    looks.push(look("51F33912", 0.6, &[]));
    assert!(voted(&looks).sure);
}

#[test]
fn the_next_choice_is_taken_where_the_first_makes_no_plate_and_is_listed() {
    let read = voted(&[look("59SI06865", 0.99, &[(3, '1', 0.3)])]);
    assert_eq!((read.text.as_str(), read.raw.as_str()), ("59S106865", "59SI06865"));
    assert_eq!(read.edits, [PlateEdit { position: 3, from: 'I', to: '1' }]);
    assert!(!read.sure, "what was changed against the reader's own choice is not sure: {read:?}");
}

#[test]
fn a_character_that_was_missed_is_listed_too() {
    let read = voted(&[look("59S1068655", 0.99, &[(9, '_', 0.3)])]);
    assert_eq!(read.text, "59S106865");
    assert_eq!(read.edits, [PlateEdit { position: 9, from: '5', to: '_' }]);
}

#[test]
fn repairs_of_the_grammar_are_listed_and_never_sure() {
    let read = voted(&[look("3OF25658", 0.999_99, &[])]);
    assert_eq!((read.text.as_str(), read.edits.len(), read.sure), ("30F25658", 1, false), "{read:?}");
    assert_eq!(read.edits[0], PlateEdit { position: 1, from: 'O', to: '0' });
}

#[test]
fn what_is_no_plate_stays_as_read() {
    let read = voted(&[look("QQQQQQ", 0.999, &[])]);
    assert_eq!((read.text.as_str(), read.display.as_str(), read.sure), ("QQQQQQ", "QQQQQQ", false));
    assert!(read.doubts.contains(&PlateDoubt::NoKind));
    assert!(vote(&[look("59", 0.99, &[])], &grammar(), None, 0.9).is_none(), "two characters are no plate");
    assert!(vote(&[], &grammar(), None, 0.9).is_none());
}

#[test]
fn two_texts_about_as_likely_are_not_sure() {
    let read = vote(&[look("59S106865", 0.999, &[(8, '6', 0.4)])], &grammar(), None, 0.1).unwrap();
    assert_eq!(read.doubts, [PlateDoubt::CloseAlternative]);
    assert_eq!(read.alternatives[0].text, "59S106866");
}

#[test]
fn a_colour_that_cannot_be_is_a_doubt() {
    let mut red = look("59S106865", 0.999, &[]);
    red.colour = Some(PlateColour::Red);
    assert_eq!(voted(&[red]).doubts, [PlateDoubt::Colour]);
}

#[test]
fn a_car_plate_on_a_motorcycle_is_flagged() {
    let mut car = look("30A01234", 0.999, &[]);
    car.lines = None;
    assert!(voted(&[car]).class_mismatch);
    assert!(!voted(&[look("59S106865", 0.999, &[])]).class_mismatch);
}

#[test]
fn edit_distances() {
    for (a, b, expected) in [("", "", 0), ("ABC", "ABC", 0), ("ABC", "AC", 1), ("ABC", "ABD", 1), ("AB", "CDE", 3)] {
        assert_eq!((distance(a, b), distance(b, a)), (expected, expected), "{a} {b}");
    }
}

#[test]
fn what_nobody_could_read_is_no_answer() {
    assert!(
        vote(&[look("59S106865", 0.6, &[])], &grammar(), None, 0.9).is_none(),
        "nine places at 0.6 are one in a hundred"
    );
    assert!(!voted(&[look("59S106865", 0.7, &[])]).sure, "one in twenty-five is an answer, and unsure");
}

proptest! {
    #[test]
    fn the_order_of_looks_does_not_matter(
        odds in prop::collection::vec(0.3f32..0.999, 4), weights in prop::collection::vec(0.1f32..4.0, 4)
    ) {
        let texts = ["59S106865", "59S106885", "59S1O6865", "59S16865"];
        let mut looks: Vec<Look> = texts.iter().zip(&odds).zip(weights).map(|((text, odds), weight)| {
            Look { weight, ..look(text, *odds, &[]) }
        }).collect();
        let answer = |looks: &[Look]| vote(looks, &grammar(), Some(VehicleClass::Motorcycle), 0.9);
        let forward = answer(&looks);
        looks.reverse();
        let backward = answer(&looks);
        prop_assert_eq!(forward.as_ref().map(|read| &read.text), backward.as_ref().map(|read| &read.text));
        let confidence = |read: Option<PlateRead>| read.map_or(0.0, |read| read.confidence);
        prop_assert!((confidence(forward) - confidence(backward)).abs() < 1e-3);
    }

    #[test]
    fn what_is_sure_is_of_a_kind_unchanged_and_likely(texts in prop::collection::vec("[0-9A-Z]{4,10}", 1..4), odds in 0.5f32..1.0) {
        let looks: Vec<Look> = texts.iter().map(|text| look(text, odds, &[])).collect();
        if let Some(read) = vote(&looks, &grammar(), None, 0.8) {
            prop_assert!((0.0..=1.0).contains(&read.confidence));
            prop_assert_eq!(read.characters.len(), read.text.len());
            prop_assert_eq!(read.sure, read.doubts.is_empty());
            if read.sure {
                prop_assert!(!read.kinds.is_empty() && read.confidence >= 0.8 && read.edits.is_empty());
            }
        }
    }
}
